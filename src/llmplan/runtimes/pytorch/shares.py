"""
Shared matrices in plain PyTorch: what comes in is copied or gathered, what goes out is summed or scattered.

The script is the plain one: functions around ``all_reduce``, ``all_gather_into_tensor`` and ``reduce_scatter_tensor``
at the ends of each half of a block (arXiv 1909.08053 and 2205.05198), each input gathered once for all matrices that
read it, a table of words of which each rank has a share, and a cross-entropy over shared words.
"""

from llmplan.program.emit import Scaled
from llmplan.program.kernel import Collective, Kernel, Pointwise
from llmplan.program.op import Op, Passing, Tensor
from llmplan.runtimes.pytorch.loss import Ending, Loss
from llmplan.runtimes.pytorch.tables import Tables


class Shares(Loss, Tables):
    """The ends of shared matrices, and what is made of shared words."""

    def enter(self, x: Tensor) -> Tensor:
        """*x* itself, whose gradient is summed over the ranks in place; all ranks' rows where they share those too."""
        known = self._entered.get(id(x))
        if known is not None and known[0] is x:
            return known[1]
        share = self.job.share
        if share.sequence:
            y = Tensor(x.rows * share.tensor, x.cols, x.format, label="gathered rows", needs_gradient=x.needs_gradient)
            self._exchange("all_gather", "reduce_scatter", x, y, "new")
        else:
            y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
            self._exchange(None, "all_reduce", x, y, "same")
        self._entered[id(x)] = x, y
        return y

    def leave(self, x: Tensor) -> Tensor:
        """The sum over the ranks, in place; of some rows where ranks share those too."""
        share = self.job.share
        if share.sequence:
            y = Tensor(x.rows / share.tensor, x.cols, x.format, label="scattered sum", needs_gradient=x.needs_gradient)
            self._exchange("reduce_scatter", "all_gather", x, y, "new")
        else:
            y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
            self._exchange("all_reduce", None, x, y, "same")
        return y

    def _exchange(self, kind: str | None, back: str | None, x: Tensor, y: Tensor, how: Passing) -> None:
        """A message forward, and one backward, of the larger of the two tensors."""
        payload = x.bytes if kind in ("reduce_scatter", "all_reduce") or how == "same" else y.bytes
        forward, backward = ([Collective(kind=k, payload=payload, group=self.job.share.tensor)] if k else [] for k in (kind, back))
        self.write(Op(kind or "copy", [x], [y], gradients=[(x, how)], forward=forward, backward=backward))

    def embedding(self, table: Tensor, *, scaled: Scaled | None = None) -> Tensor:
        """Rows of this rank's words, zeros for others', and their sum; ids and which are others' are kept."""
        if not self.job.share.cuts_matrices:
            return super().embedding(table, scaled=scaled)
        x = super().embedding(table)
        looked_up = self._last()
        ids = Tensor(x.rows, 1.0, "int64", label="ids of this rank's words", needs_gradient=False)
        looked_up.outputs.append(ids)
        looked_up.keeps = [ids] if looked_up.gradients else []
        others = Tensor(x.rows, 1.0, "bool", label="which words are others'", needs_gradient=False)
        y = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        zeros: list[Kernel] = [Pointwise(read=x.bytes, written=x.bytes)]
        self.write(Op("masked_fill", [x], [y, others], keeps=[others], gradients=[(x, "new")], forward=zeros, backward=zeros))
        rows = self.leave(y)
        return self.scale(rows) if scaled else rows

    def _head_product(self, x: Tensor, ending: Ending) -> Tensor:
        """Logits of this rank's words."""
        return super()._head_product(self.enter(x) if self.job.share.cuts_matrices else x, ending)

    def _cross_entropy(self, z: Tensor) -> Tensor:
        """
        Logits less their largest, their exponents for a sum over all words, the log-probabilities, which are kept; the
        derivative makes the exponents again.
        """
        if not self.job.share.cuts_matrices:
            return super()._cross_entropy(z)
        kept = Tensor(z.rows, z.cols, z.format, label="log_softmax", needs_gradient=False)
        loss = Tensor(1.0, 1.0, z.format, label="loss")
        sums: list[Kernel] = [Collective(kind="all_reduce", payload=4.0 * z.rows, group=self.job.share.tensor, launches=3.0)]
        passes: list[Kernel] = [Pointwise(read=3.0 * z.bytes, written=3.0 * z.bytes, launches=4.0)]
        self.write(
            Op(
                "cross-entropy",
                [z],
                [loss, kept],
                keeps=[kept],
                gradients=[(z, "new")],
                workspace=z.bytes,
                forward=[*passes, *sums],
                backward=[Pointwise(read=2.0 * z.bytes, written=2.0 * z.bytes, launches=3.0)],
            )
        )
        return loss
