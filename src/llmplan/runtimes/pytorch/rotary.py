"""Rotations by tables of cosines and sines."""

from llmplan.program.emit import ROTATION, Rotation
from llmplan.program.kernel import Kernel, Pointwise
from llmplan.program.op import ELEMENT_BYTES, Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class Rotations(PointwiseVerbs):
    """Rotations by tables of cosines and sines."""

    #: What was rotated last, and where that was written down.
    _last_rotated: tuple[Tensor | None, object] = None, None

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
        Both halves times both tables, a sum, a difference and a concatenation. Tables are there anyway, so that nothing is
        kept but sines that are negated anew at each use. Columns that are not rotated are put beside the others: the result
        is as large.
        """
        del heads, columns
        first, second = self._rotary_halves(x)
        upper = self._rotary_sum("add", self._rotary_product(first), self._rotary_product(second))
        if negated_sines:
            by_sines = self._rotary_product(first, self._negated_sines())
            lower = self._rotary_sum("add", by_sines, self._rotary_product(second))
        else:
            by_cosines = self._rotary_product(second)
            lower = self._rotary_sum("sub", by_cosines, self._rotary_product(first))
        y = Tensor(x.rows, x.cols, upper.format, label="rotary", needs_gradient=x.needs_gradient)
        kernels: list[Kernel] = [Pointwise(read=3.0 * y.bytes, written=3.0 * y.bytes, launches=7.0)]
        self.write(Op("cat", [lower, upper], [y], gradients=[(upper, "same"), (lower, "same")], forward=kernels, backward=kernels))
        self._rotary_rebound(x)
        return self.cast(y, x.format) if rotation.narrowed else y

    def _rotary_halves(self, x: Tensor) -> list[Tensor]:
        """``chunk``: two views, whose gradients are put side by side in a new tensor."""
        views = [Tensor(x.rows, x.cols / 2.0, x.format, storage=x.storage, needs_gradient=x.needs_gradient) for _ in range(2)]
        self.write(Op("split", [x], views, gradients=[(x, "new")], forward=[], backward=[]))
        return views

    def _rotary_product(self, x: Tensor, table: Tensor | None = None) -> Tensor:
        """A product with a table that is there anyway, or with one that was made for it. The concatenation counts its kernels."""
        wide = self._rotary_format
        if ELEMENT_BYTES[wide] > ELEMENT_BYTES[x.format]:
            x = self._rotary_promotion(x, wide)
        y = Tensor(x.rows, x.cols, x.format, label="rotary", needs_gradient=x.needs_gradient)
        made = [] if table is None else [table]
        op = self.write(Op("mul", [x, *made], [y], keeps=made, gradients=[(x, "new")], forward=[], backward=[]))
        if table is None and op.gradients:
            op.parameters = [Tensor(self.job.sequence_length, self._rotary_width, wide, label="rotary table", needs_gradient=False)]
        return y

    def _rotary_promotion(self, x: Tensor, format: str) -> Tensor:  # noqa: A002  the field's word
        """What a kernel reads in a wider format than it lies in: no copy, but its gradient is narrowed into a new tensor."""
        y = Tensor(x.rows, x.cols, format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("promotion", [x], [y], gradients=[(x, "new")], forward=[], backward=[]))
        return y

    def _rotary_sum(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """A sum or a difference: what is subtracted has the negated gradient, a new tensor."""
        y = Tensor(a.rows, a.cols, a.format, label="rotary", needs_gradient=a.needs_gradient)
        self.write(Op(name, [a, b], [y], gradients=[(a, "same"), (b, "same" if name == "add" else "new")], forward=[], backward=[]))
        return y

    def _negated_sines(self) -> Tensor:
        """The table of sines, negated anew."""
        rows, cols = self.job.sequence_length, self._rotary_width
        sines = Tensor(rows, cols, self._rotary_format, label="negated sines", needs_gradient=False)
        self.write(Op("neg", [], [sines], forward=[], backward=[]))
        return sines

    def _rotary_rebound(self, x: Tensor) -> None:
        """Scripts rotate queries and keys in one statement: what is not rotated lives until both are, and keys go first."""
        before, place = self._last_rotated
        if place is not self._items:
            self._last_rotated = x, self._items
            return
        self.write(Op("rebind", [x, *([before] if before else [])], [], forward=[]))
        self._last_rotated = None, None
