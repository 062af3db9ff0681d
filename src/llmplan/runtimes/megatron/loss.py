"""The head, whose words are shared, and the cross-entropy over them."""

from llmplan.errors import UnsupportedError
from llmplan.program.kernel import Collective, Pointwise
from llmplan.program.op import Op, Tensor
from llmplan.runtimes.megatron.products import MegatronProducts


class MegatronLoss(MegatronProducts):
    """``ColumnParallelLinear`` as output layer, and ``VocabParallelCrossEntropy`` or Transformer Engine's."""

    def loss(self, x: Tensor, head: Tensor, *, softcap: bool, bias: Tensor | None = None, scaled: bool = False) -> None:
        """
        Logits of this rank's words, and their cross-entropy. Transformer Engine's writes the gradient over the logits
        while it runs forward; Megatron's own makes the shares of all words in FP32 and writes their gradient over them.

        Raises:
            UnsupportedError: The loss is computed in pieces, or of logits that are capped, scaled or have a bias.
        """
        if bias is not None or scaled:
            raise UnsupportedError("logits with a bias or a scale in Megatron-LM", "its models have neither")
        if self.job.loss_chunks > 1 or softcap:
            raise UnsupportedError("a loss in pieces or of capped logits in Megatron-LM", "its cross-entropy takes whole logits")
        if self.job.share.sequence:
            # The output layer gathers into one buffer for all uses (``GlobalMemoryBuffer``), which stays.
            self.constant("buffer of gathered rows", x.bytes * self.job.share.tensor)
        logits = self._product(x, [head], "column")
        self._last().workspace = None
        self._last().backward_workspaces[:] = self._last().backward_workspaces[1:]
        losses = Tensor(logits.rows, 1.0, "fp32", label="losses")
        group = self.job.share.tensor
        sums = [Collective(kind="all_reduce", payload=12.0 * logits.rows, group=group)] if self.job.share.cuts_matrices else []
        read = Pointwise(read=2.0 * logits.bytes, written=logits.bytes, launches=2.0, fusible=False)
        if self.job.loss == "fused":
            self.write(
                Op(
                    "cross-entropy",
                    [logits],
                    [losses],
                    keeps=[logits],
                    gradients=[(logits, "in place")],
                    workspace=3.0 * 4.0 * logits.rows,
                    forward=[read, *sums],
                    backward=[Pointwise(read=logits.bytes, written=logits.bytes)],
                )
            )
        else:
            shares = Tensor(logits.rows, logits.cols, "fp32", label="softmax", needs_gradient=False)
            self.write(
                Op("cross-entropy", [logits], [losses, shares], keeps=[shares], gradients=[(logits, "new")], forward=[read, *sums])
            )
        self._losses.append(losses)
