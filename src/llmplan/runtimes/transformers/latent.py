"""Latent attention in Transformers: tables are made in each forward, and variables hold the parts until the output's product."""

from collections.abc import Sequence

from llmplan.program.op import Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.latent import LatentVerbs


class TransformersLatent(LatentVerbs):
    """Heads put together from parts."""

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:
        """As PyTorch has it; a variable holds the whole."""
        self._held_beside.append(x)
        return super().split_heads(x, heads, widths)

    def rotary_pairs(self, x: Tensor, *, complex_numbers: bool) -> Tensor:
        """As PyTorch has it; variables hold what comes in and what comes out."""
        y = super().rotary_pairs(x, complex_numbers=complex_numbers)
        self._held_beside += [x, y]
        return y

    def _rotation_tables(self, *, complex_numbers: bool) -> list[Tensor]:
        """The forward's tables, of which derivatives keep views."""
        return [self.recall(name) for name in (("rotations",) if complex_numbers else ("cosines", "sines"))]
