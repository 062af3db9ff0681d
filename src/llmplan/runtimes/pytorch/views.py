"""Views of columns, and rotations."""

from collections.abc import Sequence

from llmplan.program.emit import ROTATION, Rotation
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class Views(PointwiseVerbs):
    """Views of columns, and rotations."""

    def split(self, x: Tensor, parts: int | Sequence[Number]) -> list[Tensor]:
        """``split`` over columns: views, whose gradients are put side by side in a new tensor."""
        widths = [x.cols / parts] * parts if isinstance(parts, int) else parts
        views = [Tensor(x.rows, w, x.format, storage=x.storage, needs_gradient=x.needs_gradient) for w in widths]
        self.write(Op("split", [x], views, gradients=[(x, "new")], forward=[]))
        return views

    def first_columns(self, x: Tensor, cols: Number, *, from_second_token: bool = False) -> Tensor:
        """
        A slice: a view, whose gradient is put into a new tensor of zeros as large as the whole. Rows and columns cut at
        once are no matrix any more, so that a product makes a copy.
        """
        view = Tensor(x.rows, cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("slice", [x], [view], gradients=[(x, "new")], forward=[]))
        if not from_second_token:
            return view
        y = Tensor(x.rows, cols, x.format, label="copy", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [view], [y], gradients=[(view, "new")]))
        return y

    def columns(self, x: Tensor, cols: Number) -> Tensor:
        """A slice of columns: as :meth:`first_columns`."""
        return self.first_columns(x, cols)

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
        Products with tables and a concatenation. Tables are there anyway, so that nothing is kept but sines that are
        negated anew at each use. Columns that are not rotated are put beside the others: the result is as large.
        """
        del heads, columns
        given = x.format
        y = self._constant_product("rotary", x, self._rotary_format)
        op, length, width = self._last(), self.job.sequence_length, self._rotary_width
        table = Tensor(length, width, self._rotary_format, label="rotary table", needs_gradient=False)
        op.parameters = [table] * 4 if op.gradients else []  # each half times each table
        if negated_sines:
            sines = Tensor(length, width, self._rotary_format, label="negated sines", needs_gradient=False)
            op.outputs.append(sines)
            op.keeps = [sines] if op.gradients else []
        return self.cast(y, given) if rotation.narrowed else y

    def scaled_by_position(self, x: Tensor, heads: Number) -> Tensor:
        """A product with a number for each position, which is kept."""
        del heads
        factors = Tensor(self.job.sequence_length, 1.0, x.format, label="factors of positions", needs_gradient=False)
        self.write(Op("positions", [], [factors]))
        return self.times(x, factors, broadcast=True)

    def clipped(self, x: Tensor) -> Tensor:
        """``clamp_``: in place, so that its derivative keeps a copy of what it clipped."""
        y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient, heads_first=x.heads_first)
        copy = Tensor(x.rows, x.cols, x.format, label="clipped", needs_gradient=False)
        self.write(Op("clamp", [x], [y, copy], keeps=[copy], gradients=[(x, "new")]))
        return y
