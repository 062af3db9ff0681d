"""The head and the cross-entropy, at once or in pieces."""

import attrs

from llmplan.program.op import Op, Tensor
from llmplan.runtimes.pytorch.fused_loss import FusedLoss
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


@attrs.frozen(kw_only=True)
class Ending:
    """What logits are made with; all as of :meth:`llmplan.program.emit.Emitter.loss`."""

    head: Tensor
    bias: Tensor | None
    softcap: bool
    scaled: bool


class Loss(PointwiseVerbs, FusedLoss):
    """The head and the cross-entropy, at once or in pieces."""

    def loss(self, x: Tensor, head: Tensor, *, softcap: bool, bias: Tensor | None = None, scaled: bool = False) -> None:
        """
        ``F.cross_entropy`` on FP32 logits, at once or in pieces that are recomputed.

        The script's variables hold the final norm's output, and ``logits`` until it is bound to their capped form.
        """
        x.storage.to_the_end = True
        if self.job.loss == "fused":
            self._losses.append(self._fused_loss(x, head, plain=bias is None and not scaled))
            return
        ending = Ending(head=head, bias=bias, softcap=softcap, scaled=scaled)
        pieces = self.job.loss_chunks
        if pieces == 1:
            self._losses.append(self._piece_of_loss(x, ending))
            return
        shares = [
            Tensor(x.rows / pieces, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient) for _ in range(pieces)
        ]
        self.write(Op("split", [x], shares, gradients=[(x, "new")], forward=[]))
        for share in shares:
            with self.region("loss"):
                self._losses.append(self._piece_of_loss(share, ending))

    def _piece_of_loss(self, x: Tensor, ending: Ending) -> Tensor:
        z = self._head_product(x, ending)
        z = self.scale(z) if ending.scaled else z
        if self.job.loss != "half":
            z = self.cast(z, "fp32")
        if ending.softcap:
            capped = self._unary("tanh", self._unary("scale", z, keep="nothing"), keep="output")
            logits, z = z, self._unary("scale", capped, keep="nothing")
            self._last().inputs.append(logits)  # the name still holds the uncapped logits while these are made
        return self._cross_entropy(z)

    def _head_product(self, x: Tensor, ending: Ending) -> Tensor:
        """Logits."""
        return self.product(x, ending.head, ending.bias)

    def _cross_entropy(self, z: Tensor) -> Tensor:
        """``F.cross_entropy``: tells log_softmax the logits' own format, which autocast leaves alone; nll_loss it widens."""
        log_probabilities = self._full(self._unary("log_softmax", z, keep="output"))
        return self._unary("nll_loss", log_probabilities, keep="input", rows=1.0, cols=1.0)
