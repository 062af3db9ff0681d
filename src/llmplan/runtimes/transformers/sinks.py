"""Attention with sinks, whose scores Transformers makes in full."""

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Heads
from llmplan.program.op import Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.transformers.attention import TransformersAttention


class TransformersSinks(TransformersAttention):
    """Attention with sinks (``eager_attention_forward`` of the models that have them)."""

    def sink_attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads, *, sinks: Tensor) -> Tensor:
        """
        Scores and sinks side by side, less the largest of each row, a softmax in their own format, all but the sink's share.

        Raises:
            UnsupportedError: In one kernel, which Transformers refuses too.
        """
        if self.job.attention != "eager":
            raise UnsupportedError(
                "attention with sinks in scaled_dot_product_attention", 'Transformers refuses it too: set attention="eager"'
            )
        with self.region("attention-core"):
            out = self._with_sinks(q, k, v, heads, sinks)
        self._held_by_attention, self._held_beside = [q, k, v, *self._held_beside], []
        return out

    def _with_sinks(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads, sinks: Tensor) -> Tensor:
        if heads.grouped:
            k, v = self._repeated(k, heads), self._repeated(v, heads)
        a = self._heads_first(self._compute(q), already=q.heads_first)
        b = self._heads_first(self._compute(k), already=heads.grouped or k.heads_first)
        scores = self.scale(self._batched(a, b, heads.query * self.job.sequence_length, heads))
        masked = self.plus(scores, self.recall("mask" if heads.window is None else "windowed mask"), broadcast=True)
        combined = self._beside_sinks(masked, sinks, heads.query)
        shifted = self._less_largest(combined, heads.query)
        probabilities = self._unary("softmax", shifted, keep="output")
        self._last().inputs.append(masked)
        shares = Tensor(
            masked.rows,
            masked.cols,
            probabilities.format,
            storage=probabilities.storage,
            needs_gradient=probabilities.needs_gradient,
        )
        self.write(Op("slice", [probabilities], [shares], gradients=[(probabilities, "new")], forward=[]))
        shares = self._compute(self.cast(shares, v.format))
        out = self._batched(shares, self._heads_first(self._compute(v), already=heads.grouped or v.heads_first), q.cols, heads)
        y = Tensor(out.rows, out.cols, out.format, label="heads", needs_gradient=out.needs_gradient)
        self.write(Op("copy", [out, k, v, shares, probabilities], [y], gradients=[(out, "new")]))
        return y

    def _beside_sinks(self, scores: Tensor, sinks: Tensor, heads: Number) -> Tensor:
        """A column more for each head."""
        y = Tensor(
            scores.rows, scores.cols + heads, scores.format, label="concatenation", needs_gradient=any_needs([scores, sinks])
        )
        gradients: list[tuple[Tensor, Passing]] = [(scores, "same"), (sinks, "new")]
        self.write(Op("cat", [scores, sinks], [y], gradients=gradients))
        return y

    def _less_largest(self, x: Tensor, heads: Number) -> Tensor:
        """The largest of each row is subtracted: ``max`` keeps where it was, and puts its gradient into zeros, and those again."""
        values = Tensor(x.rows, heads, x.format, label="largest", needs_gradient=x.needs_gradient)
        indices = Tensor(x.rows, heads, "int64", label="where the largest are", needs_gradient=False)
        self.write(Op("max", [x], [values, indices], keeps=[indices], gradients=[(x, "new")], backward_workspaces=[x.bytes]))
        y = Tensor(x.rows, x.cols, x.format, label="difference", needs_gradient=x.needs_gradient)
        gradients: list[tuple[Tensor, Passing]] = [(x, "same"), (values, "new")]
        self.write(Op("sub", [x, values], [y], gradients=gradients, backward_workspaces=[x.bytes]))
        return y
