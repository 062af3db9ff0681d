"""Rotary positions, by tables that each forward makes anew."""

from llmplan.program.emit import ROTATION, Rotation
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class TransformersRotary(PointwiseVerbs):
    """Rotations (``apply_rotary_pos_emb``)."""

    def rotary(
        self,
        x: Tensor,
        heads: Number,
        *,
        columns: Number | None = None,
        negated_sines: bool = False,
        rotation: Rotation = ROTATION,
    ) -> Tensor:
        """
        x cos + rotate_half(x) sin; both tables are kept. Where only some columns are rotated the rest are put beside them,
        which lays each head's tokens after one another.
        """
        del negated_sines
        given = x.format
        if rotation.widened:
            x = self.cast(x, "fp32")
        if columns is None:
            y = self._rotated(x, rotation)
        else:
            rotated, rest = self._cut(x, columns * heads), self._cut(x, x.cols - columns * heads)
            y = self._beside([self._rotated(rotated, rotation), rest], heads_first=not rotation.doubled)
        return self.cast(y, given) if rotation.narrowed or rotation.widened else y

    def _rotated(self, x: Tensor, rotation: Rotation) -> Tensor:
        cosines, sines = self.recall("cosines" + rotation.table), self.recall("sines" + rotation.table)
        if rotation.doubled:
            cosines, sines = self._doubled(cosines), self._doubled(sines)
        by_cosines = self._by_table(x, cosines)
        first, second = self._cut(x, x.cols / 2.0), self._cut(x, x.cols / 2.0)
        half = self._beside([self._unary("neg", second, keep="nothing"), first])
        return self.plus(by_cosines, self._by_table(half, sines))

    def _doubled(self, table: Tensor) -> Tensor:
        """Each column twice (``repeat_interleave``), made anew at each use."""
        y = Tensor(table.rows, 2.0 * table.cols, table.format, label="doubled table", needs_gradient=False)
        self.write(Op("repeat", [table], [y]))
        return y

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
