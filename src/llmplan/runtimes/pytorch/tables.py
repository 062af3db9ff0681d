"""What lies on the device beside the weights, and the tables that rows are looked up in."""

from collections.abc import Sequence

from llmplan.program.emit import Scaled
from llmplan.program.kernel import Pointwise
from llmplan.program.op import ELEMENT_BYTES, Op, Tensor
from llmplan.program.size import Number, where
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs

#: The backward of an embedding sorts its indices above this many. [tokens]
SORTED_ABOVE = 3072.0


class Tables(PointwiseVerbs):
    """What lies on the device beside the weights, and the tables that rows are looked up in."""

    def inputs(self) -> None:
        """Token ids and targets, 64-bit integers."""
        for label in ("token ids", "targets"):
            self.constant(label, 8.0 * self.job.tokens, of_batch=True)
        if self.job.attention == "eager":
            self.constant("mask", self.job.sequence_length * self.job.sequence_length)

    def rotary_table(
        self,
        head_dim: Number,
        format: str | None = None,  # noqa: A002  the field's word
        *,
        name: str = "",
        positions: Number | None = None,
    ) -> None:
        """Cosines and sines for half of each head's columns."""
        del name
        self._rotary_format, self._rotary_width = format or self.job.weights, head_dim / 2.0
        rows = self.job.sequence_length if positions is None else positions
        for label in ("cosines", "sines"):
            self.constant(label, rows * head_dim / 2.0 * ELEMENT_BYTES[self._rotary_format])

    def complex_rotary_table(self, head_dim: Number) -> None:
        """A complex number in FP32 for each pair of columns."""
        self.constant("rotations", 4.0 * self.job.sequence_length * head_dim)

    def embedding(self, table: Tensor, *, scaled: Scaled | None = None) -> Tensor:
        """``F.embedding``: keeps the ids. Its backward sorts many ids and sums partial rows in FP32."""
        tokens = self.job.tokens
        x = self._embedding(table, tokens, sort_if=tokens > SORTED_ABOVE)
        return self.scale(x) if scaled else x

    def positions(self, table: Tensor, *, counted: bool = False) -> Tensor:
        """``F.embedding`` with the positions of one sequence or of all, which are made for it (``torch.arange``) and kept."""
        length = self.job.tokens if counted else self.job.sequence_length
        numbers = Tensor(length, 1.0, "int64", label="positions", needs_gradient=False)
        self.write(Op("arange", [], [numbers]))
        return self._embedding(table, length, sort_if=length > SORTED_ABOVE, ids=[numbers])

    def _embedding(self, table: Tensor, rows: Number, *, sort_if: object, ids: Sequence[Tensor] = ()) -> Tensor:
        x = Tensor(rows, table.cols, table.format, label="embedding", needs_gradient=table.needs_gradient)
        sort = [where(sort_if, 8.0 * rows, 0.0)] * 7
        partial = where(sort_if, 4.0 * rows * table.cols, 0.0)
        looked_up = Pointwise(read=x.bytes, written=x.bytes)
        scattered = Pointwise(read=x.bytes, written=table.bytes, launches=2.0)
        op = Op(
            "embedding",
            [table, *ids],
            [x],
            keeps=ids,
            gradients=[(table, "new")],
            backward_workspaces=[*sort, partial],
            forward=[looked_up],
            backward=[scattered],
        )
        self.write(op)
        return x
