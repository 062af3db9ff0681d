"""Attention whose scores are made in full: written out by hand, and PyTorch's own fallback where no kernel fits."""

from llmplan.program.emit import Heads
from llmplan.program.kernel import Matmul
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Storage, Tensor
from llmplan.program.size import Number, where
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class Scores(PointwiseVerbs):
    """Attention whose scores are made in full."""

    def _eager(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        Scores in full: keys and values repeated to the queries' heads, a product, a scale, a mask, a softmax (in FP32
        under autocast), a product. A batched product wants heads as its batch, which takes a copy of what several
        sequences hold token by token. The variable ``scores`` holds the masked ones to the end.
        """
        k, v = (self._repeated(t, heads) if heads.grouped else t for t in (k, v))
        q, k = self._heads_first(self._compute(q)), self._heads_first(self._compute(k), already=heads.grouped)
        scores = self._unary("scale", self._batched(q, k, self._row(heads), heads), keep="nothing")
        if heads.softcap:
            scores = self._softcapped(scores)
        masked = self._unary("masked_fill", scores, keep="nothing")
        shares = self.dropout(self._unary("softmax", self._full(masked), keep="output"), heads.dropout)
        v = self._heads_first(self._compute(v), already=heads.grouped)
        out = self._batched(self._compute(shares), v, v.cols, heads)
        self._last().inputs.extend([masked, shares])  # the product's factor before it was cast is still on Python's stack
        return out

    def _math(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        ``_scaled_dot_product_attention_math``: in FP32 throughout, queries and keys scaled apart, the mask added in
        place. What it makes on the way lives until it returns.
        """
        given, alive = q.format, [q, k, v]
        q, k, v = (self.cast(t, "fp32") for t in (q, k, v))
        scaled = self._scaled_apart(q)
        alive += [q, k, v, scaled, self._causal_bias()]
        if heads.grouped:
            k, v = self._repeated(k, heads), self._repeated(v, heads)
            alive += [k, v]
            key, value = self._unary("scale", k, keep="nothing"), v
        else:
            key, value = self._batch_first(self._scaled_apart(k)), None
        scores = self._batched(self._batch_first(scaled), key, self._row(heads), heads)
        shares = self.dropout(self._unary("softmax", scores, keep="output"), heads.dropout)
        if given != "fp32":
            alive.append(self.cast(shares, given))  # also returned, though nobody looks at it
        value = value or self._batch_first(v)
        out = self.cast(self._batched(shares, value, value.cols, heads), given)
        self._last().inputs.extend(alive)
        return out

    def _row(self, heads: Heads) -> Number:
        """Scores of a token, of all heads."""
        return heads.query * self.job.sequence_length

    def _softcapped(self, scores: Tensor) -> Tensor:
        """A division, a hyperbolic tangent that keeps its output, and a product."""
        capped = self._unary("tanh", self._unary("scale", scores, keep="nothing"), keep="output")
        return self._unary("scale", capped, keep="nothing")

    def _scaled_apart(self, x: Tensor) -> Tensor:
        """
        A scaled copy, token by token as *x* is. Where there is one sequence it is itself the batched product's factor:
        the copy that :meth:`_batch_first` makes of it stands for both.
        """
        y = Tensor(x.rows, x.cols, x.format, needs_gradient=x.needs_gradient)
        y.storage = Storage(where(self.job.sequences > 1.0, x.bytes, 0.0), "scale")
        self.write(Op("scale", [x], [y], gradients=[(x, "new")]))
        return y

    def _batch_first(self, x: Tensor) -> Tensor:
        """A copy with heads before tokens, whose gradient is passed on as it is."""
        y = Tensor(x.rows, x.cols, x.format, label="heads first", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [x], [y], gradients=[(x, "same")]))
        return y

    def _causal_bias(self) -> Tensor:
        """Zeros and minus infinities in FP32, made by way of two boolean masks."""
        length = self.job.sequence_length
        bias = Tensor(length, length, "fp32", label="causal bias", needs_gradient=False)
        self.write(Op("where", [], [bias], workspace=length * length))
        return bias

    def _repeated(self, x: Tensor, heads: Heads) -> Tensor:
        """``repeat_interleave`` of key-value heads; its gradient is a sum over the copies."""
        cols = x.cols / heads.kv * heads.query
        y = Tensor(x.rows, cols, x.format, label="repeated heads", needs_gradient=x.needs_gradient)
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
        gradients: list[tuple[Tensor, Passing]] = [(b, "new"), (a, "new")]
        self.write(Op("bmm", [a, b], [y], keeps=[b, a], gradients=gradients, forward=[product], backward=[product, product]))
        return y
