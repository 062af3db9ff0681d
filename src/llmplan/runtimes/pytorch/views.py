"""Views of columns, and rotations."""

from collections.abc import Sequence

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

    def rotary(self, x: Tensor, heads: Number, *, columns: Number | None = None, negated_sines: bool = False) -> Tensor:
        """
        Products with tables and a concatenation. Tables are there anyway, so that nothing is kept but sines that are
        negated anew at each use. Columns that are not rotated are put beside the others: the result is as large.
        """
        del heads, columns
        y = self._constant_product("rotary", x, self._rotary_format)
        if negated_sines:
            op = self._last()
            sines = Tensor(
                self.job.sequence_length, self._rotary_width, self._rotary_format, label="negated sines", needs_gradient=False
            )
            op.outputs.append(sines)
            op.keeps = [sines] if op.gradients else []
        return y
