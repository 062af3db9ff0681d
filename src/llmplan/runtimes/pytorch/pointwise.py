"""Functions of elements: activations, sums, products."""

from typing import Literal

from llmplan.program.emit import Function
from llmplan.program.op import Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import Casting, any_needs, wider


class PointwiseVerbs(Casting):
    """Functions of elements."""

    def activation(self, x: Tensor, kind: Function) -> Tensor:
        """One kernel that keeps its input or output; the squared ReLU is two, the power in FP32 under autocast."""
        if kind == "relu2":
            return self._power(self._unary("relu", x, keep="output"))
        return self._unary(kind, x, keep="output" if kind in ("sigmoid", "relu") else "input")

    def _power(self, x: Tensor) -> Tensor:
        """``pow``, in FP32 under autocast: keeps its input; its derivative makes a power and a product of it first."""
        x = self._full(x)
        return self._unary("pow", x, keep="input", backward_workspaces=[x.bytes, x.bytes])

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """``F.dropout``: one kernel that keeps what it dropped, a byte an element (``native_dropout``)."""
        if not rate:
            return x
        y = Tensor(x.rows, x.cols, x.format, label="dropout", needs_gradient=x.needs_gradient)
        mask = Tensor(x.rows, x.cols, "bool", label="dropout mask", needs_gradient=False)
        self.write(Op("dropout", [x], [y, mask], keeps=[mask], gradients=[(x, "new")]))
        return y

    def _unary(
        self,
        name: str,
        x: Tensor,
        *,
        keep: Literal["input", "output", "nothing"],
        rows: Number | None = None,
        cols: Number | None = None,
        backward_workspaces: tuple[Number, ...] | list[Number] = (),
    ) -> Tensor:
        """A function of one tensor, and what its derivative needs."""
        y = Tensor(
            x.rows if rows is None else rows,
            x.cols if cols is None else cols,
            x.format,
            label=name,
            needs_gradient=x.needs_gradient,
        )
        keeps = {"input": [x], "output": [y], "nothing": []}[keep]
        self.write(Op(name, [x], [y], keeps=keeps, gradients=[(x, "new")], backward_workspaces=backward_workspaces))
        return y

    def plus(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A sum in the wider format: its gradient is passed on as it is where shape and format are the sum's."""
        y = Tensor(a.rows, a.cols, wider(a, b), label="sum", needs_gradient=any_needs([a, b]))
        first: Passing = "same" if a.format == y.format else "new"
        second: Passing = "same" if b.format == y.format and not broadcast else "new"
        # Scripts give the sum the name of the first term, which therefore lives a little longer than the second.
        self.write(Op("add", [b, a], [y], gradients=[(a, first), (b, second)]))
        return y

    def times(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A product: each factor is kept for the other; a smaller factor's gradient is a full product, then summed."""
        y = Tensor(a.rows, a.cols, wider(a, b), label="product", needs_gradient=any_needs([a, b]))
        keeps = [x for x, other in ((b, a), (a, b)) if other.needs_gradient]
        full = [y.bytes] if broadcast and b.needs_gradient else []
        narrowed = [b] if broadcast else []
        gradients: list[tuple[Tensor, Passing]] = [(b, "new"), (a, "new")]
        self.write(Op("mul", [a, b], [y], keeps=keeps, gradients=gradients, backward_workspaces=full, narrowed=narrowed))
        return y

    def scaled_by(self, x: Tensor, factor: Tensor) -> Tensor:
        """A product with a tensor of no dimensions, which does not widen the format; *x* is kept for its gradient."""
        y = Tensor(x.rows, x.cols, x.format, label="product", needs_gradient=any_needs([x, factor]))
        keeps = [x] if factor.needs_gradient else []
        full = [y.bytes] if factor.needs_gradient else []
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (factor, "new")]
        self.write(Op("mul", [x, factor], [y], keeps=keeps, gradients=gradients, backward_workspaces=full))
        return y

    def gated(self, x: Tensor, gate: Tensor, heads: Number) -> Tensor:  # noqa: ARG002  broadcast over a head's columns
        """A product with a gate for each head, broadcast over its columns."""
        return self.times(x, gate, broadcast=True)

    def next_to(self, x: Tensor, gate: Tensor) -> Tensor:
        """Slices one token apart, their gated sum, and a concatenation."""
        before = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        after = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("slice", [x], [before], gradients=[(x, "new")], forward=[]))
        self.write(Op("slice", [x], [after], gradients=[(x, "new")], forward=[]))
        mixed = self.plus(after, self.times(before, gate, broadcast=True))
        y = Tensor(x.rows, x.cols, x.format, label="concatenation", needs_gradient=x.needs_gradient)
        self.write(Op("cat", [mixed], [y], gradients=[(mixed, "new")]))
        return y

    def scale(self, x: Tensor) -> Tensor:
        """A product with a number."""
        y = Tensor(x.rows, x.cols, x.format, label="scale", needs_gradient=x.needs_gradient)
        self.write(Op("scale", [x], [y], gradients=[(x, "new")]))
        return y
