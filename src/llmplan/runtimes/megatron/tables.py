"""The batch, the tables of words and of rotations."""

from llmplan.errors import UnsupportedError
from llmplan.program.emit import HasTable, Scaled
from llmplan.program.kernel import Collective, Kernel, Pointwise
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number, ceil
from llmplan.runtimes.megatron.products import MegatronProducts
from llmplan.runtimes.pytorch.tables import Tables

#: Words are filled up to whole multiples of so many on each rank (``--make-vocab-size-divisible-by``).
_WORDS_MULTIPLE = 128.0


class MegatronTables(MegatronProducts, Tables):
    """``VocabParallelEmbedding`` and ``RotaryEmbedding``."""

    def words(self, s: HasTable) -> Number:
        """Rows of the vocabulary's tables on this rank, filled up."""
        return ceil(s.vocab_size / (_WORDS_MULTIPLE * self.job.share.tensor)) * _WORDS_MULTIPLE

    def inputs(self) -> None:
        """Token ids and positions on the first stage, targets and their mask on the last (``get_batch_on_this_tp_rank``)."""
        tokens, share = self.job.tokens, self.job.share
        if share.first:
            for label in ("token ids", "positions"):
                self.constant(label, 8.0 * tokens)
        if share.last:
            self.constant("targets", 8.0 * tokens)
            self.constant("mask of losses", 4.0 * tokens)

    def receive(self, cols: Number, format: str) -> Tensor:  # noqa: A002  the field's word
        """
        The stream from the stage before. The gradient that the last micro-batch sent back there is bound to the
        schedule's variable until the next one's is made (``input_tensor_grad``, ``pipeline_parallel/schedules.py``).
        """
        x = super().receive(cols, format)
        self.constant("gradient that was sent back", x.bytes)
        return x

    def rotary_table(
        self,
        head_dim: Number,
        format: str | None = None,  # noqa: A002  the field's word
        *,
        name: str = "",
        positions: Number | None = None,
    ) -> None:
        """Angles of this rank's positions, in FP32."""
        del name, positions
        self._rotary_format, self._rotary_width = format or self.job.weights, head_dim
        self.constant("angles", 4.0 * self.job.sequence_length / self.job.share.context * head_dim)

    def embedding(self, table: Tensor, *, scaled: Scaled | None = None) -> Tensor:
        """
        Rows of the words that this rank has and zeros for others, summed over the ranks, or scattered among them where
        the sequence is cut too.
        """
        if self.job.share.cuts_matrices:
            rows = self._shared_embedding(table)
            return self.scale(rows) if scaled else rows
        return super().embedding(table, scaled=scaled)

    def _shared_embedding(self, table: Tensor) -> Tensor:
        """The same of words that ranks share."""
        share, rows = self.job.share, super().embedding(table)
        ids = Tensor(rows.rows, 1.0, "int64", label="ids of this rank's words", needs_gradient=False)
        looked_up = self._last()
        looked_up.outputs.append(ids)
        looked_up.keeps = [ids] if looked_up.gradients else []
        payload = rows.bytes
        kind, back = ("reduce_scatter", "all_gather") if share.sequence else ("all_reduce", None)
        y = Tensor(rows.rows / share.tensor, rows.cols, rows.format, label="scattered") if share.sequence else rows
        forward: Kernel = Collective(kind=kind, payload=payload, group=share.tensor)
        # The gradient is copied, and zeros are put where the words are others'.
        backward: list[Kernel] = [Pointwise(read=payload, written=payload)]
        if back is not None:
            backward.insert(0, Collective(kind=back, payload=payload, group=share.tensor))
        if y is rows:
            looked_up.forward = [*looked_up.forward, forward]
            looked_up.backward[:0] = backward
            looked_up.backward_workspaces.append(payload)
            return rows
        self.write(
            Op(
                kind,
                [rows],
                [y],
                gradients=[(rows, "new")],
                backward_workspaces=[payload],
                forward=[forward],
                backward=backward,
            )
        )
        return y

    def positions(self, table: Tensor, *, counted: bool = False) -> Tensor:
        """
        Rows for each position.

        Raises:
            UnsupportedError: Ranks share the tokens between matrices, which Megatron-LM then shares later.
        """
        if self.job.share.sequence:
            raise UnsupportedError(
                "sequence parallelism with learned positions", "where Megatron-LM cuts their sum is not modelled"
            )
        return super().positions(table, counted=counted)
