"""
A mixture of experts: a router, tokens sorted by expert and traded among ranks, grouped products.

Read from Megatron-LM at commit 23e00ed: ``core/transformer/moe`` (``TopKRouter``, ``MoEAlltoAllTokenDispatcher``,
``TEGroupedMLP``) with fused permutation. Tokens are taken to be spread evenly, each expert's share rounded up: so it is
where experts are padded to a capacity of one, and on average where a loss balances them.
"""

import attrs

from llmplan.errors import UnsupportedError
from llmplan.program.experts import Experts, Router, Routing
from llmplan.program.kernel import Collective, Kernel, Matmul, Pointwise
from llmplan.program.op import Op, Passing, Tensor
from llmplan.program.size import Number, ceil
from llmplan.runtimes.megatron.products import SUMMED_BYTES, MegatronProducts


class MegatronExperts(MegatronProducts):
    """``MoELayer``."""

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
        A copy of each token for each of its experts, sorted by expert; to the ranks that have them and sorted there;
        two grouped products around the gated activation, which multiplies by the scores; and all the way back.

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
        there, scores = self._moved(permuted, back=False), self._moved(scores, back=False)
        width = experts.intermediate_size
        both = self._grouped_product(there, 2.0 * width, router, f"{experts.name}.fc1")
        h = Tensor(rows, width, x.format, label="gated activation")
        self.write(Op("gated activation", [both, scores], [h], keeps=[both, scores], gradients=[(both, "new"), (scores, "new")]))
        back = self._moved(self._grouped_product(h, x.cols, router, f"{experts.name}.fc2"), back=True)
        y = Tensor(x.rows, x.cols, x.format, label="sum over experts")
        self.write(Op("unpermute", [back, order], [y], keeps=[order], gradients=[(back, "new")]))
        return y

    def _moved(self, x: Tensor, *, back: bool) -> Tensor:
        """To the ranks that have the experts and sorted by expert there, or back."""
        ranks = self.job.share.expert
        message: list[Kernel] = [Collective(kind="all_to_all", payload=x.bytes, group=ranks)]
        steps: list[tuple[str, list[Kernel]]] = [("sort", [Pointwise(read=x.bytes, written=x.bytes)])]
        if self.job.share.cuts_experts:
            steps.insert(1 if back else 0, ("all-to-all", message))
        for name, kernels in steps:
            y = Tensor(x.rows, x.cols, x.format, label=name)
            self.write(Op(name, [x], [y], gradients=[(x, "new")], forward=kernels, backward=kernels))
            x = y
        return x

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
