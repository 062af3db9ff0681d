"""Attention: the verb, and the kernels that never write scores to memory."""

from collections.abc import Sequence

import attrs

from llmplan.program.emit import Heads
from llmplan.program.kernel import Attention
from llmplan.program.op import ELEMENT_BYTES, Op, Tensor
from llmplan.program.size import Number, ceil, where
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.scores import Scores
from llmplan.runtimes.pytorch.sdpa import backend_of

#: The flash kernel's backward pads heads up to this many columns to multiples of 32, wider ones to multiples of 64.
_NARROW_HEAD = 128.0


class Attentions(Scores):
    """Attention."""

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        ``F.scaled_dot_product_attention``, or scores made in full, under the recomputation of the core if asked for.

        Scores that a tangent caps are made in full: PyTorch's function has no word for it.
        """
        held = [q, k, v]
        self.hold(*held)
        if self.job.attention == "eager" or heads.softcap:
            with self.region("attention-core"):
                out = self._eager(q, k, v, heads)
            return self._gathered_heads(out, held)
        with self.region("attention-core"):
            q, k, v = reversed([self._compute(t) for t in reversed(held)])  # autocast casts the last operand first
            backend = backend_of(heads, q.format)
            padded = backend == "flash" and not heads.aligned
            if backend == "math":
                out = self._math(q, k, v, heads)
            elif backend == "efficient":
                out = self._efficient(q, k, v, heads)
            else:
                out = self._padded_flash(q, k, v, heads) if padded else self._flash(q, k, v, heads)
        if backend == "math":
            return self._gathered_heads(out, held)
        return self._gathered_heads(out, []) if padded else out

    def _padded_flash(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """The flash kernel on heads that are filled up, and what is cut off its output."""
        wide = [self._padded(t, n) for t, n in ((q, heads.query), (k, heads.kv), (v, heads.kv))]
        padded = self._flash(wide[0], wide[1], wide[2], heads)
        out = Tensor(q.rows, q.cols, q.format, storage=padded.storage, needs_gradient=padded.needs_gradient)
        self.write(Op("slice", [padded], [out], gradients=[(padded, "new")], forward=[]))
        return out

    def sink_attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads, *, sinks: Tensor) -> Tensor:
        """As attention without them, whose kernel or softmax takes the sinks too (flash-attention's does, PyTorch's own not)."""
        out = self.attention(q, k, v, heads)
        self.write(Op("sinks", [out, sinks], [out], gradients=[(sinks, "new")], forward=[], backward=[]))
        return out

    def _gathered_heads(self, x: Tensor, held: list[Tensor]) -> Tensor:
        """The copy that puts a token's heads side by side; the script's variables still hold what it was made of."""
        y = Tensor(x.rows, x.cols, x.format, label="heads", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [x, *held], [y], gradients=[(x, "new")]))
        return y

    def _padded(self, x: Tensor, heads: Number) -> Tensor:
        """Heads filled up to a multiple of eight columns, as the flash kernel wants them."""
        width = ceil(x.cols / heads / 8.0) * 8.0
        y = Tensor(x.rows, heads * width, x.format, label="padding", needs_gradient=x.needs_gradient)
        self.write(Op("pad", [x], [y], gradients=[(x, "new")]))
        return y

    def _flash(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        The flash kernel. Its backward sums queries' gradients in FP32 over padded rows, and takes keys' and values'
        for each query head where they are grouped.
        """
        head_dim = q.cols / heads.query
        rows = self.job.sequences * ceil(self.job.sequence_length / 128.0) * 128.0
        step = where(head_dim <= _NARROW_HEAD, 32.0, 64.0)
        workspaces = [4.0 * rows * heads.query, 4.0 * rows * heads.query * ceil(head_dim / step) * step]
        if heads.grouped:
            workspaces += [q.bytes, q.bytes]
        return self._fused_attention(q, k, v, heads, workspaces)

    def _efficient(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        The memory-efficient kernel, whose row sums are padded to 32 queries. Its backward sums gradients of queries in
        FP32 apart where they are in half precision.
        """
        rows = self.job.sequences * ceil(self.job.sequence_length / 32.0) * 32.0
        workspaces = [4.0 * q.rows * heads.query]
        if q.format != "fp32":
            workspaces.append(4.0 * q.elements)
        bias = [self._bias(q.format)] if heads.masked else []
        return self._fused_attention(q, k, v, heads, workspaces, sum_rows=rows, bias=bias)

    def _bias(self, format: str) -> Tensor:  # noqa: A002  the field's word
        """What a boolean mask becomes at each call: zeros, and minus infinity where the mask's negation holds."""
        rows, length = self._mask_rows(), self.job.sequence_length
        bias = Tensor(rows, length, format, label="attention bias", needs_gradient=False)
        self.write(Op("zeros", self._given_mask(), [bias]))
        self.write(Op("masked_fill", [bias], [], workspace=rows * length))
        return bias

    def _given_mask(self) -> list[Tensor]:
        """The mask that a bias is made of, where it is a tensor of the program's."""
        return []

    def _mask_rows(self) -> Number:
        """Rows of a mask: those of one sequence."""
        return self.job.sequence_length

    def _fused_attention(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: Heads,
        workspaces: list[Number],
        *,
        sum_rows: Number | None = None,
        bias: Sequence[Tensor] = (),
    ) -> Tensor:
        """Keeps queries, keys, values, the output, the log of each row's sum and the state of the random generator."""
        cols = q.cols if heads.value_dim is None else heads.query * heads.value_dim
        out = Tensor(q.rows, cols, q.format, label="attention", needs_gradient=any_needs([q, k, v]))
        sums = Tensor(
            q.rows if sum_rows is None else sum_rows, heads.query, "fp32", label="attention log-sum-exp", needs_gradient=False
        )
        random = [Tensor(1.0, 1.0, "int64", label="attention random state", needs_gradient=False) for _ in range(2)]
        forward = Attention(
            batch=self.job.sequences,
            query_length=self.job.sequence_length,
            key_length=self.job.sequence_length,
            heads=heads.query,
            kv_heads=heads.kv,
            head_dim=q.cols / heads.query,
            value_dim=v.cols / heads.kv,
            window=heads.window,
            format=q.format,
            element_bytes=ELEMENT_BYTES[q.format],
        )
        self.write(
            Op(
                "attention",
                [q, k, v, *bias],
                [out, sums, *random],
                keeps=[*bias, k, q, v, sums, out, *random],
                gradients=[(t, "new") for t in (q, k, v)],
                backward_workspaces=workspaces,
                forward=[forward],
                backward=[attrs.evolve(forward, backward=True)],
            )
        )
        return out
