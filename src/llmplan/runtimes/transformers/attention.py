"""Attention: the fused kernels through ``sdpa_attention_forward``, or ``eager_attention_forward``."""

import attrs

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Heads
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.attention import Attentions
from llmplan.runtimes.pytorch.products import Products
from llmplan.runtimes.pytorch.sdpa import backend_of


class TransformersAttention(Attentions, Products):
    """Attention."""

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        As PyTorch has it. The kernel lays its output out as the queries lie; heads that lie after one another take a copy to
        stand side by side. Queries, keys and values are held until the output projection is done.
        """
        if heads.beside_queries:
            raise UnsupportedError(
                "keys and values that lie beside their queries in Transformers' code",
                "it copies them out, and meets them with a mask that it spreads over all heads: not modelled yet",
            )
        if self.job.attention != "eager" and heads.softcap:
            raise UnsupportedError(
                "capped scores in scaled_dot_product_attention", 'Transformers refuses them too: set attention="eager"'
            )
        if self.job.attention == "eager":
            with self.region("attention-core"):
                out = self._scores_in_full(q, k, v, heads)
        else:
            out = self._sdpa(q, k, v, heads)
            if q.heads_first and backend_of(self._asked(heads), self.job.compute if self._autocast else q.format) == "flash":
                out = self._gathered_heads(out, [])
        self._held_by_attention, self._held_beside = [q, k, v, *self._held_beside], []
        return out

    def _sdpa(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """With a mask where a window may hide something; keys and values are then repeated to the queries' heads first."""
        heads = self._asked(heads)
        if heads.masked and heads.grouped:
            k, v = self._repeat_kv(k, heads), self._repeat_kv(v, heads)
            heads = attrs.evolve(heads, grouped=False, kv=heads.query)
        return super().attention(q, k, v, heads)

    def _repeat_kv(self, x: Tensor, heads: Heads) -> Tensor:
        """``repeat_kv``: a copy, but a view where one head serves all; its gradient is a sum."""
        if not heads.multi_query:
            return self._repeated(x, heads)
        y = Tensor(x.rows, x.cols * heads.query, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("expand", [x], [y], gradients=[(x, "new")], forward=[]))
        return y

    def _asked(self, heads: Heads) -> Heads:
        """The heads, with a mask where a window may hide something."""
        return attrs.evolve(heads, masked=True) if heads.window is not None and self.job.window_binds else heads

    def _given_mask(self) -> list[Tensor]:
        """The mask that every layer with a window is called with."""
        return [self.recall("windowed mask")]

    def _mask_rows(self) -> Number:
        """The mask is spread over all sequences of a micro-batch, so that a bias is made for each."""
        return self.job.tokens

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """``nn.Linear``; the one after an attention is done before the attention's variables let go."""
        y = super().product(x, weight, bias)
        self._last().inputs += self._held_by_attention
        self._held_by_attention = []
        return y

    def _scores_in_full(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        Keys and values repeated to the queries' heads, a product, a scale, a mask that is added, a softmax in FP32, a cast to
        the queries' format, a product, and a copy that puts a token's heads side by side.
        """
        q_format, cols = q.format, q.cols if heads.value_dim is None else heads.query * heads.value_dim
        if heads.grouped:
            k, v = self._repeat_kv(k, heads), self._repeat_kv(v, heads)
        k_first, v_first = (not heads.multi_query if heads.grouped else t.heads_first for t in (k, v))
        a = self._heads_first(self._compute(q), already=q.heads_first)
        b = self._heads_first(self._compute(k), already=k_first)
        scores = self.scale(self._batched(a, b, heads.query * self.job.sequence_length, heads))
        if heads.softcap:
            scores = self._softcapped(scores)
        windowed = heads.window is not None
        masked = self.plus(scores, self.recall("windowed mask" if windowed else "mask"), broadcast=True)
        wide = self._unary("softmax", self._full(masked) if heads.narrow_softmax else self.cast(masked, "fp32"), keep="output")
        shares = self.dropout(self.cast(wide, q_format), heads.dropout)
        self._last().inputs.append(masked)
        out = self._batched(self._compute(shares), self._heads_first(self._compute(v), already=v_first), cols, heads)
        y = Tensor(out.rows, out.cols, out.format, label="heads", needs_gradient=out.needs_gradient)
        self.write(Op("copy", [out, k, v, shares], [y], gradients=[(out, "new")]))
        return y
