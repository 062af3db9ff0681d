"""Heads put together from parts: the rotations of multi-head latent attention, each in one kernel."""

from collections.abc import Sequence

from llmplan.program.emit import PairKind
from llmplan.program.op import Op, Storage, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.megatron.products import MegatronProducts


class MegatronLatent(MegatronProducts):
    """
    ``fused_apply_mla_rope_for_q``, which rotates queries where they lie, and ``fused_apply_mla_rope_for_kv``, which
    makes keys and values of their product and of the part that all heads share (``--enable-experimental``).
    """

    def complex_rotary_table(self, columns: Number) -> None:
        """The angles, as of any rotation."""
        self.rotary_table(columns)

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:
        """Parts that a kernel will read where they lie: views of which nothing is made."""
        parts = [Tensor(x.rows, heads * width, x.format, storage=x.storage) for width in widths]
        self._heads_of.update((id(part), (x, parts)) for part in parts)
        return parts

    def rotary_pairs(self, x: Tensor, *, kind: PairKind) -> Tensor:
        """The kernel that puts heads together rotates this part."""
        del kind
        return x

    def beside(self, a: Tensor, b: Tensor) -> Tensor:
        """Queries, rotated in place."""
        whole, _ = self._heads_of[id(a)]
        y = Tensor(whole.rows, a.cols + b.cols, whole.format, storage=whole.storage)
        self.write(Op("rotary", [whole], [y], gradients=[(whole, "same")]))
        return y

    def beside_shared(self, a: Tensor, shared: Tensor, heads: Number) -> Tensor:
        """Keys and values in new tensors, of their product, which is let go, and the shared part, rotated."""
        whole, parts = self._heads_of[id(a)]
        values = next(part for part in parts if part is not a)
        values.storage = Storage(values.bytes, "values")
        keys = Tensor(a.rows, a.cols + heads * shared.cols, a.format, label="keys")
        self.write(Op("rotary", [whole, shared], [keys, values], gradients=[(whole, "new"), (shared, "new")]))
        return keys
