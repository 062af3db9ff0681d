"""Attention by cuDNN's fused kernel through Transformer Engine, rotations in one kernel, and trades of tokens for heads."""

import attrs

from llmplan.errors import UnsupportedError
from llmplan.program.emit import ROTATION, Heads, Rotation
from llmplan.program.kernel import Attention, Collective, Pointwise
from llmplan.program.op import ELEMENT_BYTES, Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.megatron.products import MegatronProducts


class MegatronAttention(MegatronProducts):
    """``TEDotProductAttention`` and the fused rotary embedding."""

    def rotary(
        self,
        x: Tensor,
        heads: Number,
        *,
        columns: Number | None = None,
        negated_sines: bool = False,
        rotation: Rotation = ROTATION,
    ) -> Tensor:
        """One kernel, which keeps nothing but the angles that are there anyway."""
        del heads, columns, negated_sines, rotation
        y = Tensor(x.rows, x.cols, x.format, label="rotary")
        kernel = [Pointwise(read=x.bytes, written=x.bytes)]
        self.write(Op("rotary", [x], [y], gradients=[(x, "new")], forward=kernel, backward=kernel))
        return y

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        The fused kernel. It wants queries, keys and values each in one piece: what is a view of their product is copied.

        Raises:
            UnsupportedError: Scores that are made in full.
        """
        if self.job.attention != "flash":
            raise UnsupportedError("attention with scores made in full in Megatron-LM", "modelled is the fused kernel")
        with self.region("attention-core"):
            q, k, v = (self._in_one_piece(t) for t in (q, k, v))
            if not self.job.share.cuts_sequences:
                return self._kernel(q, k, v, heads)
            self._check_exchange()
            q, k, v = (self._traded(t) for t in (q, k, v))
            return self._traded(self._kernel(q, k, v, heads))

    def _check_exchange(self) -> None:
        """
        Only the trade of tokens for heads.

        Raises:
            UnsupportedError: A ring.
        """
        if self.job.share.exchange != "a2a":
            raise UnsupportedError("context parallelism by a ring", "which of its pieces are kept is not modelled")

    def _in_one_piece(self, x: Tensor) -> Tensor:
        """A copy of what is a view of a larger product; *x* where it is not."""
        if id(x) not in self._part_of:
            return x
        y = Tensor(x.rows, x.cols, x.format, label="copy")
        self.write(Op("copy", [x], [y], gradients=[(x, "same")]))
        return y

    def _traded(self, x: Tensor) -> Tensor:
        """All ranks' tokens of some heads for some tokens of all heads, or back: as many elements."""
        y = Tensor(x.rows, x.cols, x.format, label="all-to-all")
        message = Collective(kind="all_to_all", payload=x.bytes, group=self.job.share.context)
        op = Op(
            "all-to-all",
            [x],
            [y],
            gradients=[(x, "new")],
            workspace=x.bytes,
            backward_workspaces=[x.bytes],
            forward=[message],
            backward=[message],
        )
        self.write(op)
        return y

    def _kernel(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        Keeps queries, keys, values, the output, each row's log of a sum and the state of the random generator. What its
        derivative takes for a moment is not documented: the FP32 sums of queries' gradients and of each row that
        flash attention's second generation takes (arXiv 2307.08691, algorithm 2) are assumed.
        """
        out = Tensor(q.rows, heads.query * v.cols / heads.kv, q.format, label="attention")
        sums = Tensor(q.rows, heads.query, "fp32", label="attention log-sum-exp", needs_gradient=False)
        random = Tensor(2.0, 1.0, "int64", label="attention random state", needs_gradient=False)
        context = self.job.share.context
        forward = Attention(
            batch=self.job.sequences,
            query_length=self.job.sequence_length,
            key_length=self.job.sequence_length,
            heads=heads.query / context,
            kv_heads=heads.kv / context,
            head_dim=q.cols / heads.query,
            value_dim=v.cols / heads.kv,
            window=heads.window,
            format=q.format,
            element_bytes=ELEMENT_BYTES[q.format],
        )
        self.write(
            Op(
                "attention",
                [q, k, v],
                [out, sums, random],
                keeps=[q, k, v, out, sums, random],
                gradients=[(t, "new") for t in (q, k, v)],
                backward_workspaces=[2.0 * q.bytes, 4.0 * q.rows * heads.query],
                forward=[forward],
                backward=[attrs.evolve(forward, backward=True)],
            )
        )
        return out
