"""Routers: logits, scores, the choice of experts, operation by operation."""

from llmplan.program.experts import Router, Routing
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs
from llmplan.runtimes.pytorch.products import Products


class Routers(PointwiseVerbs, Products):
    """Routers."""

    def route(self, x: Tensor, router: Router) -> Routing:
        """
        Logits by a matrix of the model; scores in FP32; ``topk``, whose derivative scatters into zeros.

        Raises:
            UnsupportedError: A choice that is not carried out here.
        """
        logits = self._logits(x, router)
        if router.chosen_first:
            chosen, indices = self._topk(logits if router.wide or not router.narrowed else self.cast(logits, "fp32"), router)
            scores = self._score(chosen, router)
        else:
            chosen, indices = self._topk(self._score(self.cast(logits, "fp32"), router), router)
            scores = chosen
        if router.normalized:
            scores = self._normalized(scores)
        if router.scaled:
            scores = self.scale(scores)
        if router.narrowed:
            scores = self.cast(scores, logits.format)
        return Routing(scores=scores, indices=indices, router=router, held=(logits, chosen))

    def _logits(self, x: Tensor, router: Router) -> Tensor:
        """``F.linear`` with the router's matrix; in FP32 where it asks for that."""
        if router.linear:
            return self.linear(x, router.experts, name=router.name)
        weight = self.weight(router.experts, x.cols, role="router", name=router.name)
        bias = self.weight(1.0, router.experts, role="bias", name=f"{router.name}.bias") if router.bias else None
        if router.wide:
            x, weight = self.cast(x, "fp32"), self.cast(weight, "fp32")
        return self.product(x, weight, bias)

    def _score(self, logits: Tensor, router: Router) -> Tensor:
        """A softmax or a sigmoid, which keep their output."""
        return self._unary(router.score, logits, keep="output")

    def _topk(self, x: Tensor, router: Router) -> tuple[Tensor, Tensor]:
        """``topk`` keeps the indices; its derivative makes zeros and a copy of them with the gradients put in."""
        values = Tensor(x.rows, router.per_token, x.format, label="topk", needs_gradient=x.needs_gradient)
        indices = Tensor(x.rows, router.per_token, "int64", label="topk indices", needs_gradient=False)
        gradients: list[tuple[Tensor, Passing]] = [(x, "new")]
        zeros = x.rows * x.cols * ELEMENT_BYTES[x.format]
        self.write(Op("topk", [x], [values, indices], keeps=[indices], gradients=gradients, backward_workspaces=[zeros]))
        return values, indices

    def _normalized(self, x: Tensor) -> Tensor:
        """
        Divided by their sum in place: a copy of them is kept, and the sum. The quotient's derivative makes two quotients
        and their negative first.
        """
        sums = self._unary("sum", x, keep="nothing", cols=1.0)
        copy = Tensor(x.rows, x.cols, x.format, label="copy of scores", needs_gradient=False)
        y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=any_needs([x]))
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (sums, "new")]
        spaces = [x.bytes] * 3
        self.write(Op("div", [x, sums], [y, copy], keeps=[copy, sums], gradients=gradients, backward_workspaces=spaces))
        return y
