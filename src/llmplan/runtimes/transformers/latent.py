"""Latent attention in Transformers: tables are made in each forward, and variables hold the parts until the output's product."""

from collections.abc import Sequence

from llmplan.errors import UnsupportedError
from llmplan.program.emit import PairKind
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.latent import LatentVerbs


class TransformersLatent(LatentVerbs):
    """Heads put together from parts."""

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:
        """As PyTorch has it; a variable holds the whole."""
        self._held_beside.append(x)
        return super().split_heads(x, heads, widths)

    def rotary_pairs(self, x: Tensor, *, kind: PairKind) -> Tensor:
        """As PyTorch has it; variables hold what comes in and what comes out."""
        y = super().rotary_pairs(x, kind=kind)
        self._held_beside += [x, y]
        return y

    def pick_keys(self, x: Tensor, latent: Tensor, *, heads: Number, head_dim: Number) -> None:  # noqa: ARG002
        """
        In Transformers' own code.

        Raises:
            UnsupportedError: Always: it makes all scores of all heads in FP32, which is not modelled yet.
        """
        raise UnsupportedError("keys picked by Transformers' own indexer", "it makes all scores in FP32, which is not modelled yet")

    def half_rotary_table(self, head_dim: Number) -> None:
        """Cosines and sines of a column for each pair, in the weights' format."""
        length = self.job.sequence_length
        for label in ("inverse frequencies", "original inverse frequencies"):
            self.constant(label, 2.0 * head_dim)
        tables = [
            Tensor(length, head_dim / 2.0, self.job.weights, label=label, needs_gradient=False) for label in ("cosines", "sines")
        ]
        # Angles, both tables before they are narrowed, and one before it is scaled, in FP32.
        self.write(Op("rotary tables", [], tables, workspace=8.0 * length * head_dim))
        for label, table in zip(("cosines", "sines"), tables, strict=True):
            self.remember(label, table)

    def _rotation_tables(self, *, complex_numbers: bool) -> list[Tensor]:
        """The forward's tables, of which derivatives keep views."""
        return [self.recall(name) for name in (("rotations",) if complex_numbers else ("cosines", "sines"))]
