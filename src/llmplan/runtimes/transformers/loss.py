"""The head and ``ForCausalLMLoss``."""

from llmplan.program.op import Op, Tensor
from llmplan.runtimes.pytorch.loss import Ending, Loss


class TransformersLoss(Loss):
    """The loss."""

    def loss(self, x: Tensor, head: Tensor, *, softcap: bool, bias: Tensor | None = None, scaled: bool = False) -> None:
        """The model's forward returns, and its variables let go; then the head and the loss."""
        self.write(Op("return", self._held, [], forward=[]))
        self._held = []
        super().loss(x, head, softcap=softcap, bias=bias, scaled=scaled)

    def _piece_of_loss(self, x: Tensor, ending: Ending) -> Tensor:
        """
        Logits, capped in their own format; widened; labels shifted by one; the cross-entropy. The output object holds the
        logits.
        """
        logits = self.product(x, ending.head, ending.bias)
        if ending.scaled:
            logits = self.scale(logits)
        if ending.softcap:
            logits = self.scale(self._unary("tanh", self.scale(logits), keep="output"))
        logits.storage.to_the_end = True
        wide = self.cast(logits, "fp32")
        labels = Tensor(x.rows, 1.0, "int64", label="shifted labels", needs_gradient=False)
        self.write(Op("shift", [], [labels], workspace=8.0 * (x.rows + self.job.sequences)))
        log_probabilities = self._unary("log_softmax", wide, keep="output")
        loss = Tensor(1.0, 1.0, "fp32", label="nll_loss", needs_gradient=log_probabilities.needs_gradient)
        count = Tensor(1.0, 1.0, "fp32", label="total weight", needs_gradient=False)
        keeps = [labels, count]
        inputs = [log_probabilities, labels, wide]
        self.write(Op("nll_loss", inputs, [loss, count], keeps=keeps, gradients=[(log_probabilities, "new")]))
        return loss
