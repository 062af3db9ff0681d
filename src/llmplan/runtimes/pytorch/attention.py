"""Attention: the kernel that PyTorch chooses, and the scores made in full."""

import attrs

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Heads
from llmplan.program.kernel import Attention, Matmul
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.size import Number, ceil, where
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs

#: The flash kernel's backward pads heads up to this many columns to multiples of 32, wider ones to multiples of 64.
_NARROW_HEAD = 128.0


class Attentions(PointwiseVerbs):
    """Attention."""

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        ``F.scaled_dot_product_attention``, or scores made in full, under the recomputation of the core if asked for.

        Raises:
            UnsupportedError: Grouped heads in FP32, which no fused kernel of PyTorch takes.
        """
        if self.job.attention == "eager":
            with self.region("attention-core"):
                out = self._eager(q, k, v, heads)
            return self._gathered_heads(out, [q, k, v])
        with self.region("attention-core"):
            q, k, v = (self._compute(t) for t in (q, k, v))
            if q.format == "fp32":
                return self._efficient(q, k, v, heads)
            if heads.aligned:
                return self._flash(q, k, v, heads)
            wide = [self._padded(t, n) for t, n in ((q, heads.query), (k, heads.kv), (v, heads.kv))]
            padded = self._flash(wide[0], wide[1], wide[2], heads)
            out = Tensor(q.rows, q.cols, q.format, storage=padded.storage, needs_gradient=padded.needs_gradient)
            self.write(Op("slice", [padded], [out], gradients=[(padded, "new")], forward=[]))
        return out if heads.aligned else self._gathered_heads(out, [])

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
        """The memory-efficient kernel, which FP32 takes. Its backward sums in place."""
        if heads.grouped:
            raise UnsupportedError(
                "grouped heads in fp32",
                "PyTorch has no fused attention for them and makes the scores in full, which is modelled with "
                'attention="eager" only',
            )
        return self._fused_attention(q, k, v, heads, [4.0 * q.rows * heads.query])

    def _fused_attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads, workspaces: list[Number]) -> Tensor:
        """Keeps queries, keys, values, the output, the log of each row's sum and the state of the random generator."""
        out = Tensor(q.rows, q.cols, q.format, label="attention", needs_gradient=any_needs([q, k, v]))
        sums = Tensor(q.rows, heads.query, "fp32", label="attention log-sum-exp", needs_gradient=False)
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
                [q, k, v],
                [out, sums, *random],
                keeps=[q, k, v, out, sums, *random],
                gradients=[(t, "new") for t in (q, k, v)],
                backward_workspaces=workspaces,
                forward=[forward],
                backward=[attrs.evolve(forward, backward=True)],
            )
        )
        return out

    def _eager(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        Scores in full: keys and values repeated to the queries' heads, a product, a scale, a mask, a softmax (in FP32
        under autocast), a product. A batched product wants heads as its batch, which takes a copy of what several
        sequences hold token by token. The variable ``scores`` holds the masked ones to the end.
        """
        k, v = (self._repeated(t, q) if heads.grouped else t for t in (k, v))
        q, k = self._heads_first(self._compute(q)), self._heads_first(self._compute(k), already=heads.grouped)
        row = heads.query * self.job.sequence_length
        scores = self._batched(q, k, row, heads)
        masked = self._unary("masked_fill", self._unary("scale", scores, keep="nothing"), keep="nothing")
        shares = self._compute(self._unary("softmax", self._full(masked), keep="output"))
        v = self._heads_first(self._compute(v), already=heads.grouped)
        out = self._batched(shares, v, q.cols, heads)
        self._last().inputs.append(masked)
        return out

    def _repeated(self, x: Tensor, q: Tensor) -> Tensor:
        """``repeat_interleave`` of key-value heads; its gradient is a sum over the copies."""
        y = Tensor(q.rows, q.cols, x.format, label="repeated heads", needs_gradient=x.needs_gradient)
        self.write(Op("repeat", [x], [y], gradients=[(x, "new")]))
        return y

    def _heads_first(self, x: Tensor, *, already: bool = False) -> Tensor:
        """A copy with heads before tokens; a single sequence needs none."""
        if already or self.job.single_sequence:
            return x
        y = Tensor(x.rows, x.cols, x.format, label="heads first", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [x], [y], gradients=[(x, "new")]))
        return y

    def _batched(self, a: Tensor, b: Tensor, cols: Number, heads: Heads) -> Tensor:
        """``bmm`` over sequences and heads: keeps both factors."""
        y = Tensor(a.rows, cols, a.format, label="batched product", needs_gradient=any_needs([a, b]))
        length, size = self.job.sequence_length, ELEMENT_BYTES[a.format]
        product = Matmul(
            m=length,
            n=cols / heads.query,
            k=a.cols / heads.query,
            batch=self.job.sequences * heads.query,
            format=a.format,
            element_bytes=size,
            out_bytes=size,
        )
        gradients: list[tuple[Tensor, Passing]] = [(a, "new"), (b, "new")]
        self.write(Op("bmm", [a, b], [y], keeps=[a, b], gradients=gradients, forward=[product], backward=[product, product]))
        return y
