"""Rotary positions, by tables that each forward makes anew."""

from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class TransformersRotary(PointwiseVerbs):
    """Rotations (``apply_rotary_pos_emb``)."""

    def rotary(self, x: Tensor, heads: Number, *, columns: Number | None = None, negated_sines: bool = False) -> Tensor:  # noqa: ARG002  only a script negates
        """
        x cos + rotate_half(x) sin; both tables are kept. Where only some columns are rotated the rest are put beside them,
        which lays each head's tokens after one another.
        """
        if columns is None:
            return self._rotated(x)
        rotated, rest = self._cut(x, columns * heads), self._cut(x, x.cols - columns * heads)
        return self._beside([self._rotated(rotated), rest], heads_first=True)

    def _rotated(self, x: Tensor) -> Tensor:
        cosines, sines = self.recall("cosines"), self.recall("sines")
        by_cosines = self._by_table(x, cosines)
        first, second = self._cut(x, x.cols / 2.0), self._cut(x, x.cols / 2.0)
        half = self._beside([self._unary("neg", second, keep="nothing"), first])
        return self.plus(by_cosines, self._by_table(half, sines))

    def _by_table(self, x: Tensor, table: Tensor) -> Tensor:
        """A product with a table, which is kept."""
        return self.times(x, table, broadcast=True)

    def _cut(self, x: Tensor, cols: Number) -> Tensor:
        """A slice of columns: its gradient is put into zeros as large as the whole."""
        view = Tensor(x.rows, cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient, heads_first=x.heads_first)
        self.write(Op("slice", [x], [view], gradients=[(x, "new")], forward=[]))
        return view

    def _beside(self, parts: list[Tensor], *, heads_first: bool = False) -> Tensor:
        """A concatenation: the parts' gradients are views of its own."""
        cols: Number = parts[0].cols + parts[1].cols
        needs = any(p.needs_gradient for p in parts)
        widest = max((p.format for p in parts), key=lambda f: f == "fp32")
        y = Tensor(parts[0].rows, cols, widest, label="concatenation", needs_gradient=needs, heads_first=heads_first)
        gradients = [(p, "same" if p.format == widest else "new") for p in parts]
        self.write(Op("cat", parts, [y], gradients=gradients))  # type: ignore[arg-type]
        return y
