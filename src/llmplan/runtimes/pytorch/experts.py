"""
Experts by grouped products: tokens sorted by expert, one product for all experts' first matrices, one for their second.

``torch.nn.functional.grouped_mm`` (PyTorch 2.10 and later) as Transformers calls it (``integrations/moe.py``, version
5.24). Its memory does not depend on how evenly tokens are spread: a row stands for each token and expert of its.
"""

import attrs

from llmplan.program.experts import Experts, Routing
from llmplan.program.kernel import Kernel, Matmul
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import any_needs, wider
from llmplan.runtimes.pytorch.routing import Routers
from llmplan.runtimes.pytorch.views import Views


@attrs.frozen(kw_only=True)
class _Groups:
    """Rows sorted by expert: the expert of each, where each expert's end, and how many experts there are."""

    ids: Tensor
    offsets: Tensor
    number: Number


class GroupedExperts(Routers, Views):
    """Experts."""

    def experts(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        """
        A gathered copy of each token for each of its experts, the experts on all of them, each row times its score, put
        back in order and added up. The script's variables hold the input, the copies, sorted ids and what was added up until
        it returns.
        """
        rows = x.rows * routing.router.per_token
        ids, order = self._sorted(routing, rows)
        tokens = self._index_vector("tokens", rows)
        gathered = self._gathered_rows("gather", x, tokens, rows)
        flat = Tensor(
            rows, 1.0, routing.scores.format, storage=routing.scores.storage, needs_gradient=routing.scores.needs_gradient
        )
        self.write(Op("reshape", [routing.scores], [flat], gradients=[(routing.scores, "same")], forward=[]))
        scores = self._gathered_rows("gather", flat, order, rows)
        counts, offsets = self._offsets(routing, rows)
        groups = _Groups(ids=ids, offsets=offsets, number=routing.router.experts)
        h = self._within(gathered, groups, experts)
        weighted = self._weighted(h, scores)
        back = self._index_vector("inverse order", rows, workspace=8.0 * rows)
        ordered = self._gathered_rows("restore", weighted, back, rows)
        total = Tensor(x.rows, x.cols, ordered.format, label="sum over experts", needs_gradient=ordered.needs_gradient)
        self.write(Op("sum", [ordered], [total], gradients=[(ordered, "new")]))
        y = self.cast(total, x.format)
        self._last().inputs += [x, ids, gathered, *counts, ordered, *routing.held]
        return y

    def _within(self, x: Tensor, groups: _Groups, experts: Experts) -> Tensor:
        """The experts on rows that are sorted by expert."""
        width = experts.intermediate_size
        first = "gate_up_proj" if experts.gated else "up_proj"
        h = self._grouped(x, groups, 2.0 * width if experts.gated else width, f"{experts.name}.{first}", bias=experts.bias)
        h = self._gate(h, experts) if experts.gated else self.activation(h, experts.function)
        return self._grouped(h, groups, x.cols, f"{experts.name}.down_proj", bias=experts.bias)

    def _gate(self, h: Tensor, experts: Experts) -> Tensor:
        """The activation of one half times the other."""
        gate, up = self.split(h, 2)
        if experts.gate == "glu":
            return self.times(self.activation(gate, experts.function), up)
        gate, up = self._clamped(gate), self._clamped(up)
        glu = self.times(gate, self._unary("sigmoid", self.scale(gate), keep="output"))
        return self.times(self._unary("add", up, keep="nothing"), glu)

    def _clamped(self, x: Tensor) -> Tensor:
        """``clamp`` keeps its input."""
        return self._unary("clamp", x, keep="input")

    def _grouped(self, x: Tensor, groups: _Groups, out: Number, name: str, *, bias: bool) -> Tensor:
        """
        ``grouped_mm`` with the stacked matrices, in their own format also under autocast; a bias row is gathered for each
        row and added in place.
        """
        weight = self.weight(groups.number * out, x.cols, role="expert", name=name)
        x = self.cast(x, weight.format)
        rows = self._bias_rows(groups, out, x, f"{name}_bias") if bias else None
        y = Tensor(x.rows, out, x.format, label="grouped product", needs_gradient=any_needs([x, weight]))
        keeps = [t for t, other in ((x, weight), (weight, x)) if other.needs_gradient]
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (weight, "new")]
        forward, backward = _products(x, weight, groups.number, out)
        inputs = [x, weight, groups.offsets]
        self.write(
            Op("grouped_mm", inputs, [y], keeps=[*keeps, groups.offsets], gradients=gradients, forward=forward, backward=backward)
        )
        return y if rows is None else self._plus_in_place(y, rows)

    def _bias_rows(self, groups: _Groups, out: Number, x: Tensor, name: str) -> Tensor:
        bias = self.weight(groups.number, out, role="expert-bias", name=name)
        y = Tensor(x.rows, out, bias.format, label="bias rows", needs_gradient=bias.needs_gradient)
        self.write(Op("gather", [bias, groups.ids], [y], keeps=[groups.ids], gradients=[(bias, "new")]))
        return y

    def _plus_in_place(self, a: Tensor, b: Tensor) -> Tensor:
        y = Tensor(a.rows, a.cols, a.format, storage=a.storage, needs_gradient=any_needs([a, b]))
        self.write(Op("add", [a, b], [y], gradients=[(a, "same"), (b, "same")]))
        return y

    def _weighted(self, h: Tensor, scores: Tensor) -> Tensor:
        """Rows times their scores; where scores are wider the rows' gradient is a wide product that is then narrowed."""
        y = Tensor(h.rows, h.cols, wider(h, scores), label="product", needs_gradient=any_needs([h, scores]))
        keeps = [t for t, other in ((h, scores), (scores, h)) if other.needs_gradient]
        full = [y.bytes] if scores.needs_gradient else []
        if h.format != y.format and h.needs_gradient:
            full.append(y.bytes)
        narrowed = [scores, h] if h.format != y.format else [scores]
        gradients: list[tuple[Tensor, Passing]] = [(h, "new"), (scores, "new")]
        self.write(Op("mul", [h, scores], [y], keeps=keeps, gradients=gradients, backward_workspaces=full, narrowed=narrowed))
        return y

    # -- order ------------------------------------------------------------------------------------------------------

    def _sorted(self, routing: Routing, rows: Number) -> tuple[Tensor, Tensor]:
        """Experts' ids sorted, and where each came from; the kernel takes as much again."""
        ids = Tensor(rows, 1.0, "int64", label="sorted ids", needs_gradient=False)
        order = Tensor(rows, 1.0, "int64", label="order", needs_gradient=False)
        self.write(Op("sort", [routing.indices], [ids, order], workspace=ids.bytes + order.bytes))
        return ids, order

    def _index_vector(self, label: str, rows: Number, workspace: Number | None = None) -> Tensor:
        y = Tensor(rows, 1.0, "int64", label=label, needs_gradient=False)
        self.write(Op(label, [], [y], workspace=workspace))
        return y

    def _offsets(self, routing: Routing, rows: Number) -> tuple[list[Tensor], Tensor]:
        """How many rows each expert has, and their running sum."""
        narrow = Tensor(rows, 1.0, "int32", label="ids", needs_gradient=False)
        counts = Tensor(1.0, routing.router.experts, "int32", label="rows of each expert", needs_gradient=False)
        offsets = Tensor(1.0, routing.router.experts, "int32", label="offsets", needs_gradient=False)
        self.write(Op("histogram", [], [narrow, counts, offsets]))
        return [narrow, counts], offsets

    def _gathered_rows(self, name: str, x: Tensor, index: Tensor, rows: Number) -> Tensor:
        """Rows by an index, which is kept; the derivative adds them into zeros."""
        y = Tensor(rows, x.cols, x.format, label=name, needs_gradient=x.needs_gradient)
        self.write(Op(name, [x, index], [y], keeps=[index], gradients=[(x, "new")]))
        return y


def _products(x: Tensor, weight: Tensor, number: Number, out: Number) -> tuple[list[Kernel], list[Kernel]]:
    """A product for each expert, of as many rows as there are on average, and those for the gradients."""
    size = ELEMENT_BYTES[x.format]
    rows = x.rows / number
    sizes = {"format": x.format, "element_bytes": size, "out_bytes": size}
    backward: list[Kernel] = []
    if x.needs_gradient:
        backward.append(Matmul(m=rows, n=x.cols, k=out, batch=number, **sizes))  # type: ignore[arg-type]
    if weight.needs_gradient:
        backward.append(Matmul(m=out, n=x.cols, k=rows, batch=number, **sizes))  # type: ignore[arg-type]
    return [Matmul(m=rows, n=out, k=x.cols, batch=number, **sizes)], backward  # type: ignore[arg-type]
