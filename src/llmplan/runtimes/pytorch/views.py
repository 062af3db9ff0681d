"""Views of columns, and rotations."""

from collections.abc import Sequence

from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.rotary import Rotations


class Views(Rotations):
    """Views of columns."""

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
