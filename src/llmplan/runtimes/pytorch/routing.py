"""Routers: logits, scores, the choice of experts, operation by operation."""

from llmplan.program.experts import Router, Routing
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs
from llmplan.runtimes.pytorch.products import Products


class Routers(PointwiseVerbs, Products):
    """Routers."""

    def route(self, x: Tensor, router: Router) -> Routing:
        """Logits by a matrix of the model, scores of all or of the chosen ones, each token's experts."""
        logits = self._logits(x, router)
        if router.choice == "sparse-mixer":
            return self._one_after_the_other(logits, router)
        if router.chosen_first:
            chosen, indices = self._topk(self.cast(logits, "fp32") if router.narrowed else logits, router)
            scores = self._score(chosen, router)
        else:
            scores = self._score(logits if router.score == "sigmoid" else self.cast(logits, "fp32"), router)
            scores, indices = self._chosen_with_help(scores, router) if router.corrected else self._best(scores, router)
            chosen = scores
        if router.normalized:
            scores = self._normalized(scores, router)
        if router.scaled:
            scores = self.scale(scores)
        if router.narrowed:
            scores = self.cast(scores, x.format if router.chosen_first else logits.format)
        return Routing(scores=scores, indices=indices, router=router, held=(logits,) if router.scaled else (logits, chosen))

    def _one_after_the_other(self, logits: Tensor, router: Router) -> Routing:
        """Two experts, each chosen among those whose logits are near the largest, the second without the first."""
        first, index = self._sampled(logits)
        rest = Tensor(logits.rows, logits.cols, logits.format, label="logits of the others", needs_gradient=logits.needs_gradient)
        self.write(Op("scatter", [logits, index], [rest], keeps=[index], gradients=[(logits, "new")]))
        second, other = self._sampled(rest)
        scores = Tensor(logits.rows, 2.0, first.format, label="scores", needs_gradient=logits.needs_gradient)
        self.write(Op("cat", [first, second], [scores], gradients=[(first, "same"), (second, "same")]))
        indices = Tensor(logits.rows, 2.0, "int64", label="indices", needs_gradient=False)
        self.write(Op("cat", [index, other], [indices]))
        return Routing(scores=scores, indices=indices, router=router, held=(logits,))

    def _sampled(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """
        An expert drawn by a softmax of the logits that are near the largest, and its share; the share's gradient is
        estimated by a function of its own, which keeps the share, the index and the softmax.
        """
        rows, form, needs = logits.rows, logits.format, logits.needs_gradient
        mask = Tensor(rows, logits.cols, "bool", label="mask of small logits", needs_gradient=False)
        self.write(Op("threshold", [logits], [mask], workspace=2.0 * logits.bytes))
        masked = Tensor(rows, logits.cols, form, label="masked logits", needs_gradient=needs)
        self.write(Op("masked_fill", [logits, mask], [masked], keeps=[mask], gradients=[(logits, "new")]))
        index = Tensor(rows, 1.0, "int64", label="index", needs_gradient=False)
        self.write(Op("sample", [masked], [index], workspace=2.0 * masked.bytes))
        shares = self._unary("softmax", self._full(masked), keep="output")
        share = Tensor(rows, 1.0, shares.format, label="share", needs_gradient=needs)
        self.write(Op("gather", [shares, index], [share], keeps=[index], gradients=[(shares, "new")]))
        y = Tensor(rows, 1.0, shares.format, label="multiplier", needs_gradient=needs)
        gradients: list[tuple[Tensor, Passing]] = [(logits, "new"), (share, "new")]
        self.write(Op("multiplier", [logits, share, index, shares], [y], keeps=[share, index, shares], gradients=gradients))
        return y, index

    def _best(self, scores: Tensor, router: Router) -> tuple[Tensor, Tensor]:
        """The highest scores, after those of experts in other groups have been set to zero where groups are chosen."""
        if router.grouped:
            mask = Tensor(scores.rows, scores.cols, "bool", label="mask of groups", needs_gradient=False)
            self.write(Op("mask", [scores], [mask], workspace=_group_bytes(scores)))
            masked = Tensor(scores.rows, scores.cols, scores.format, label="masked scores", needs_gradient=scores.needs_gradient)
            self.write(Op("masked_fill", [scores, mask], [masked], keeps=[mask], gradients=[(scores, "new")]))
            scores = masked
        return self._topk(scores, router)

    def _chosen_with_help(self, scores: Tensor, router: Router) -> tuple[Tensor, Tensor]:
        """Experts by the sum of scores and a bias, and their scores without it: ``gather`` keeps the indices."""
        self.constant("correction of scores", 4.0 * router.experts)
        helped = Tensor(scores.rows, scores.cols, "fp32", label="corrected scores", needs_gradient=False)
        self.write(Op("add", [scores], [helped]))
        indices = Tensor(scores.rows, router.per_token, "int64", label="topk indices", needs_gradient=False)
        space = _group_bytes(scores) + helped.bytes if router.grouped else 4.0 * scores.rows * router.per_token
        self.write(Op("topk", [helped], [indices], workspace=space))
        y = Tensor(scores.rows, router.per_token, scores.format, label="gather", needs_gradient=scores.needs_gradient)
        self.write(Op("gather", [scores, indices], [y], keeps=[indices], gradients=[(scores, "new")]))
        return y, indices

    def _logits(self, x: Tensor, router: Router) -> Tensor:
        """``F.linear`` with the router's matrix; both are FP32 where it asks for that."""
        if router.linear:
            return self.linear(x, router.experts, name=router.name)
        form = "fp32" if router.wide else None
        weight = self.weight(router.experts, x.cols, role="router", name=router.name, format=form)
        bias = self.weight(1.0, router.experts, role="bias", name=f"{router.name}.bias") if router.bias else None
        return self.product(self.cast(x, "fp32") if router.wide else x, weight, bias)

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

    def _normalized(self, x: Tensor, router: Router) -> Tensor:
        """
        Divided by their sum in place: a copy of them is kept, and the sum. The quotient's derivative makes two quotients
        and their negative first.
        """
        sums = Tensor(x.rows, 1.0, "fp32" if self._autocast else x.format, label="sum", needs_gradient=x.needs_gradient)
        self.write(Op("sum", [x], [sums], gradients=[(x, "new")]))
        if router.corrected:  # a small number keeps the sum of sigmoids from zero
            sums = self._unary("add", sums, keep="nothing")
        copy = Tensor(x.rows, x.cols, x.format, label="copy of scores", needs_gradient=False)
        y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=any_needs([x]))
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (sums, "new")]
        spaces = [x.bytes] * 3
        self.write(Op("div", [x, sums], [y, copy], keeps=[copy, sums], gradients=gradients, backward_workspaces=spaces))
        return y


def _group_bytes(scores: Tensor) -> Number:
    """What choosing groups takes beside the scores: their mask, widened, inverted, and the masked scores. [byte]"""
    return 6.0 * scores.elements
