"""
A mixture of experts: a router, tokens sorted by expert and traded among ranks, grouped products.

Read from Megatron-LM at commit 23e00ed: ``core/transformer/moe`` (``TopKRouter``, ``MoEAlltoAllTokenDispatcher``,
``TEGroupedMLP``) with fused permutation. Tokens are taken to be spread evenly, each expert's share rounded up: so it is
where experts are padded to a capacity of one, and on average where a loss balances them.
"""

import attrs

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Job
from llmplan.program.experts import Experts, Router, Routing
from llmplan.program.kernel import Collective, Kernel, Matmul, Pointwise
from llmplan.program.layer import Layer, plain
from llmplan.program.op import Op, Passing, Tensor
from llmplan.program.size import Number, ceil
from llmplan.runtimes.megatron.pointwise import MegatronPointwise
from llmplan.runtimes.megatron.products import SUMMED_BYTES


@attrs.frozen(kw_only=True, eq=False)
class _Dispatched:
    """
    Rows that have come to the ranks of their experts.

    Attributes:
        rows, scores: They, and the score of each.
        order: Where each came from.
        held: What the script's variables hold until the sum over experts is there.
        router, experts: Who chose, and who works.
    """

    rows: Tensor
    scores: Tensor
    order: Tensor
    held: tuple[Tensor, ...]
    router: Router
    experts: Experts


class MegatronExperts(MegatronPointwise):
    """``MoELayer``."""

    def __init__(self, job: Job, layer: Layer = plain) -> None:
        super().__init__(job, layer)
        self._dispatched: dict[int, _Dispatched] = {}

    def plus(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A sum. Experts that every token goes through run between the others' dispatch and their products."""
        for term in (a, b):
            dispatched = self._dispatched.pop(id(term), None)
            if dispatched is not None:
                self._computed(dispatched, term)
        return super().plus(a, b, broadcast=broadcast)

    def route(self, x: Tensor, router: Router) -> Routing:
        """
        A product, a softmax in FP32, the choice, the drop of what is over an expert's capacity, and the loss that
        balances experts, which takes a softmax of its own. All are small beside a token's columns.

        Raises:
            UnsupportedError: Experts that are not chosen by the highest scores.
        """
        if router.choice != "top-k" or router.bias:
            raise UnsupportedError(
                "such a router in Megatron-LM", f"modelled are the highest scores without a bias: {router.choice}"
            )
        weight = self.weight(router.experts, x.cols, role="router", name=router.name)
        logits = Tensor(x.rows, router.experts, x.format, label="router logits")
        product = Matmul(m=x.rows, n=router.experts, k=x.cols, format=x.format)
        self.write(
            Op(
                "linear",
                [x, weight],
                [logits],
                keeps=[x],
                gradients=[(x, "new"), (weight, "new")],
                forward=[product],
                backward=[product, product],
            )
        )
        kept = [
            Tensor(x.rows, router.experts, form, label="routing", needs_gradient=False) for form in ("fp32", "fp32", "bool", "bool")
        ]
        kept += [Tensor(x.rows, router.per_token, "int64", label="routing", needs_gradient=False) for _ in range(2)]
        scores = Tensor(x.rows, router.experts, x.format, label="scores of experts")
        indices = Tensor(x.rows, router.experts, "bool", label="map of experts", needs_gradient=False)
        self.write(Op("routing", [logits], [scores, indices, *kept], keeps=kept, gradients=[(logits, "new")]))
        return Routing(scores=scores, indices=indices, router=router)

    def experts(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        """
        A copy of each token for each of its experts, sorted by expert, to the ranks that have them. There they are sorted
        and go through two grouped products around the gated activation, which multiplies by the scores, and all the way
        back: when :meth:`plus` adds what comes of it.

        Raises:
            UnsupportedError: Experts of another kind than SwiGLU's.
        """
        if not experts.gated or experts.bias or experts.gate != "glu":
            raise UnsupportedError("such experts in Megatron-LM", "modelled are gated ones without biases")
        self._grouped = True
        router = routing.router
        rows = ceil(x.rows * router.per_token / router.experts) * router.experts
        order = Tensor(x.rows, 2.0 * router.experts + 1.0, "fp32", label="places of rows", needs_gradient=False)
        permuted = Tensor(rows, x.cols, x.format, label="sorted rows")
        scores = Tensor(rows, 1.0, routing.scores.format, label="sorted scores")
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (routing.scores, "new")]
        self.write(
            Op("permute", [x, routing.scores, routing.indices], [permuted, scores, order], keeps=[order], gradients=gradients)
        )
        rows_there, scores_there = self._traded_among_experts(permuted), self._traded_among_experts(scores)
        y = Tensor(x.rows, x.cols, x.format, label="sum over experts")
        self._dispatched[id(y)] = _Dispatched(
            rows=rows_there, scores=scores_there, order=order, held=(permuted, rows_there), router=router, experts=experts
        )
        return y

    def _computed(self, d: "_Dispatched", y: Tensor) -> None:
        """
        The products of rows that have come in, and all the way back to *y*. The script's variables hold the rows before
        and after they were sent, and those that are sent back, until it returns.
        """
        rows, scores = self._sorted(d.rows), self._sorted(d.scores)
        width = d.experts.intermediate_size
        both = self._grouped_product(rows, 2.0 * width, d.router, f"{d.experts.name}.fc1")
        h = Tensor(rows.rows, width, rows.format, label="gated activation")
        self.write(Op("gated activation", [both, scores], [h], keeps=[both, scores], gradients=[(both, "new"), (scores, "new")]))
        sorted_back = self._sorted(self._grouped_product(h, y.cols, d.router, f"{d.experts.name}.fc2"))
        back = self._traded_among_experts(sorted_back)
        op = Op("unpermute", [back, d.order, *d.held, sorted_back], [y], keeps=[d.order], gradients=[(back, "new")])
        op.forward = op.backward = [Pointwise(read=back.bytes, written=y.bytes)]
        self.write(op)

    def _sorted(self, x: Tensor) -> Tensor:
        """Rows of one expert put beside one another, or back."""
        y = Tensor(x.rows, x.cols, x.format, label="sort")
        self.write(Op("sort", [x], [y], gradients=[(x, "new")]))
        return y

    def _traded_among_experts(self, x: Tensor) -> Tensor:
        """Rows go to the ranks that have their experts, or back; *x* itself where each rank has all."""
        if not self.job.share.cuts_experts:
            return x
        y = Tensor(x.rows, x.cols, x.format, label="all-to-all")
        kernels: list[Kernel] = [Collective(kind="all_to_all", payload=x.bytes, group=self.job.share.expert)]
        self.write(Op("all-to-all", [x], [y], gradients=[(x, "new")], forward=kernels, backward=kernels))
        return y

    def _grouped_product(self, x: Tensor, out: Number, router: Router, name: str) -> Tensor:
        """One product for each expert of this rank, their weights' gradients summed into the buffer."""
        here = router.experts / self.job.share.expert
        weight = self.weight(here * out, x.cols, role="expert", name=name)
        y = Tensor(x.rows, out, x.format, label="grouped product")
        product = Matmul(m=x.rows / here, n=out, k=x.cols, batch=here, format=x.format)
        back = [
            attrs.evolve(product, n=x.cols, k=out),
            attrs.evolve(product, m=out, n=x.cols, k=x.rows / here, out_bytes=SUMMED_BYTES),
        ]
        self.write(Op("grouped product", [x, weight], [y], keeps=[x], gradients=[(x, "new")], forward=[product], backward=back))
        self._shapes.append(Tensor(out, x.cols, weight.format))
        return y
