"""What a forward makes before its layers: positions, rotary tables, a mask."""

import contextlib
from collections.abc import Iterator

from llmplan.program.emit import Part
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.tables import Tables


class TransformersTables(Tables):
    """What lies on the device beside the weights."""

    def inputs(self) -> None:
        """Token ids and labels; where scores are made in full, a mask of each sequence in the weights' format."""
        for label in ("token ids", "labels"):
            self.constant(label, 8.0 * self.job.tokens)
        length = self.job.sequence_length
        positions = Tensor(length, 1.0, "int64", label="position ids", needs_gradient=False)
        self.write(Op("positions", [], [positions]))
        self.remember("positions", positions)
        self._until_the_head(positions)
        if self.job.attention == "eager":
            mask = Tensor(self.job.tokens, length, self.job.weights, label="mask", needs_gradient=False)
            self.write(Op("mask", [], [mask], workspace=length * length))
            self.remember("mask", mask)
            self._until_the_head(mask)

    @contextlib.contextmanager
    def region(self, part: Part) -> Iterator[None]:
        """A layer that is recomputed is called with the position ids, so that they are kept for it."""
        with super().region(part):
            if self.place is not None and not self.place:
                self.write(Op("call", [self.recall("positions")], [], forward=[]))
            yield

    def rotary_table(self, head_dim: Number, format: str | None = None) -> None:  # noqa: A002  the field's word
        """Cosines and sines of all rotated columns, in the weights' format; frequencies, and a copy of them, stay in FP32."""
        length = self.job.sequence_length
        for label in ("inverse frequencies", "original inverse frequencies"):
            self.constant(label, 2.0 * head_dim)
        tables = [
            Tensor(length, head_dim, format or self.job.weights, label=label, needs_gradient=False)
            for label in ("cosines", "sines")
        ]
        # Angles of half the columns, their doubling, a table and its product with the scale, in FP32.
        self.write(Op("rotary tables", [], tables, workspace=14.0 * length * head_dim))
        for name, table in zip(("cosines", "sines"), tables, strict=True):
            self.remember(name, table)

    def complex_rotary_table(self, head_dim: Number) -> None:
        """A complex number in FP32 for each pair of columns; frequencies, and a copy of them, stay in FP32."""
        length = self.job.sequence_length
        for label in ("inverse frequencies", "original inverse frequencies"):
            self.constant(label, 2.0 * head_dim)
        table = Tensor(length, head_dim, "fp32", label="rotations", needs_gradient=False)
        # Angles, and the table before it is scaled.
        self.write(Op("rotary tables", [], [table], workspace=6.0 * length * head_dim))
        self.remember("rotations", table)

    def embedding(self, table: Tensor) -> Tensor:
        """``nn.Embedding``; a variable holds its output until the last norm."""
        x = super().embedding(table)
        self._until_the_head(x)
        return x

    def _until_the_head(self, x: Tensor) -> None:
        """A variable of the model's forward holds *x* until it returns to the head."""
        self._held.append(x)
