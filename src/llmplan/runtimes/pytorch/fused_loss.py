"""The head and the cross-entropy in one function, whose forward makes their gradients."""

from llmplan.errors import UnsupportedError
from llmplan.program.op import ELEMENT_BYTES, Op, Tensor
from llmplan.program.size import Number, ceil, minimum, power_of_two, where
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.products import Products


class FusedLoss(Products):
    """The head and the cross-entropy in one function."""

    def _fused_loss(self, x: Tensor, head: Tensor, *, plain: bool) -> Tensor:
        """
        Liger's ``LigerFusedLinearCrossEntropyFunction``: the forward makes the gradients of the input and of the head, as many
        tokens at a time as keep their logits as small as the input, and the derivative hands them on.

        Source: linkedin/Liger-Kernel, ``src/liger_kernel/ops/fused_linear_cross_entropy.py``, commit 00eba63.

        Raises:
            UnsupportedError: The logits are not *plain*: the head has a bias, or they are scaled.
        """
        if not plain:
            raise UnsupportedError("a fused loss of logits with a bias or a scale", "the kernel is known without them")
        w = head if self._autocast else self.cast(head, x.format)
        chunk = minimum(power_of_two(ceil(x.rows / ceil(w.rows / w.cols))), x.rows)
        loss = Tensor(1.0, 1.0, "fp32", label="loss", needs_gradient=any_needs([x, w]))
        made = [Tensor(x.rows, x.cols, x.format, label="gradient of the head's input", needs_gradient=False)]
        if w.needs_gradient:
            made.append(Tensor(w.rows, w.cols, w.format, label="gradient of head", needs_gradient=False))
        product = self._linear_kernels(x, w)
        self.write(
            Op(
                "fused cross-entropy",
                [x, w],
                [loss, *made],
                keeps=made,
                gradients=[*zip((x, w), made, strict=False)],
                workspace=5.0 * x.rows + self._chunk_bytes(x, w, chunk),
                forward=[*product[0], *product[1]],
                backward=[],
            )
        )
        return loss

    def _chunk_bytes(self, x: Tensor, w: Tensor, chunk: Number) -> Number:
        """
        What lives beside the gradients while a chunk runs: its logits, and copies of the head where autocast narrows it, or
        a chunk's share of the head's gradient in FP32. [byte]
        """
        if self._autocast and x.format != self.job.compute:
            # One copy of the head is cached from the first chunk on, one is made for each chunk's logits.
            copies = where(chunk < x.rows, 2.0, 1.0)
            return 2.0 * (chunk * w.rows + copies * w.elements + chunk * x.cols)
        share = w.bytes if x.format == "fp32" and w.needs_gradient else 0.0
        return chunk * w.rows * ELEMENT_BYTES[x.format] + share
