"""What a forward makes before its layers: positions, rotary tables, a mask."""

import contextlib
from collections.abc import Iterator

from llmplan.program.emit import Part, Scaled
from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.tables import SORTED_ABOVE, Tables


class TransformersTables(Tables):
    """What lies on the device beside the weights."""

    def inputs(self) -> None:
        """Token ids, labels and positions; masks where scores are made in full, or where a window may hide something."""
        for label in ("token ids", "labels"):
            self.constant(label, 8.0 * self.job.tokens, of_batch=True)
        length = self.job.sequence_length
        positions = Tensor(length, 1.0, "int64", label="position ids", needs_gradient=False)
        self.write(Op("positions", [], [positions]))
        self.remember("positions", positions)
        self._until_the_head(positions)
        if self.job.attention == "eager":
            if self.job.windows != "all":
                self._mask("mask", self.job.tokens, self.job.weights)
            if self.job.windows != "none":
                self._mask("windowed mask", self.job.tokens, self.job.weights)
        elif self.job.windows != "none" and self.job.window_binds:
            self._mask("windowed mask", length, "bool")

    @contextlib.contextmanager
    def region(self, part: Part) -> Iterator[None]:
        """A layer that is recomputed is called with the position ids, so that they are kept for it."""
        with super().region(part):
            if self.place is not None and not self.place:
                self.write(Op("call", [self.recall("positions")], [], forward=[]))
            yield

    def _mask(self, name: str, rows: Number, format: str) -> None:  # noqa: A002  the field's word
        """Which token sees which: false and true for one sequence, or what is added to the scores of each."""
        length = self.job.sequence_length
        mask = Tensor(rows, length, format, label=name, needs_gradient=False)
        self.write(Op("mask", [], [mask], workspace=length * length))
        self.remember(name, mask)
        self._until_the_head(mask)

    def rotary_table(
        self,
        head_dim: Number,
        format: str | None = None,  # noqa: A002  the field's word
        *,
        name: str = "",
        positions: Number | None = None,
    ) -> None:
        """Cosines and sines of all rotated columns, in the weights' format; frequencies, and a copy of them, stay in FP32."""
        if positions is not None:
            self._looked_up_tables(head_dim, positions)
            return
        length = self.job.sequence_length
        for label in ("inverse frequencies", "original inverse frequencies"):
            self.constant(label, 2.0 * head_dim)
        tables = [
            Tensor(length, head_dim, format or self.job.weights, label=label, needs_gradient=False)
            for label in ("cosines", "sines")
        ]
        # Angles of half the columns, their doubling, a table and its product with the scale, in FP32.
        self.write(Op("rotary tables", [], tables, workspace=14.0 * length * head_dim))
        for label, table in zip(("cosines", "sines"), tables, strict=True):
            self.remember(label + name, table)

    def complex_rotary_table(self, head_dim: Number) -> None:
        """A complex number in FP32 for each pair of columns; frequencies, and a copy of them, stay in FP32."""
        length = self.job.sequence_length
        for label in ("inverse frequencies", "original inverse frequencies"):
            self.constant(label, 2.0 * head_dim)
        table = Tensor(length, head_dim, "fp32", label="rotations", needs_gradient=False)
        # Angles, and the table before it is scaled.
        self.write(Op("rotary tables", [], [table], workspace=6.0 * length * head_dim))
        self.remember("rotations", table)

    def _looked_up_tables(self, head_dim: Number, positions: Number) -> None:
        """One FP32 table of sines beside cosines, of which each forward takes its rows and casts them."""
        self.constant("sines beside cosines", 4.0 * positions * head_dim)
        length = self.job.sequence_length
        both = Tensor(length, head_dim, self.job.weights, label="sines beside cosines", needs_gradient=False)
        self.write(Op("rotary tables", [], [both], workspace=4.0 * length * head_dim))
        self._until_the_head(both)
        for label in ("cosines", "sines"):
            half = Tensor(length, head_dim / 2.0, both.format, storage=both.storage, needs_gradient=False)
            self.remember(label, half)

    def embedding(self, table: Tensor, *, scaled: Scaled | None = None) -> Tensor:
        """``nn.Embedding``; a variable holds its output, or the scaled one, until the last norm."""
        x = self._asked_for_gradients(super().embedding(table, scaled=scaled if scaled == "rows" else None))
        if scaled == "stream":
            x = self.scale(x)
        self._until_the_head(x)
        return x

    def _asked_for_gradients(self, x: Tensor) -> Tensor:
        """
        A frozen embedding's output that gradients are asked for all the same (``enable_input_require_grads``), as Transformers
        does when layers are recomputed: the graph holds it, as a leaf, and what follows keeps what its derivative needs.
        """
        if x.needs_gradient or self.job.recompute != "block":
            return x
        y = Tensor(x.rows, x.cols, x.format, storage=x.storage)
        leaf = Op("requires_grad", [x], [y], forward=[])
        leaf.keeps = [x]
        self.write(leaf)
        return y

    def positions(self, table: Tensor, *, counted: bool = False) -> Tensor:
        """``nn.Embedding`` with the positions that are there; a variable holds its output."""
        ids = self.recall("positions")
        rows = self.job.tokens if counted else self.job.sequence_length
        if counted:
            counts = Tensor(rows, 1.0, "int64", label="position ids", needs_gradient=False)
            ids = Tensor(rows, 1.0, "int64", label="rows of positions", needs_gradient=False)
            self.write(Op("cumsum", [], [counts]))
            self.remember("positions", counts)
            self._until_the_head(counts)
            self.write(Op("add", [counts], [ids]))
        x = self._embedding(table, rows, sort_if=rows > SORTED_ABOVE, ids=[ids])
        self._until_the_head(x)
        return x

    def _until_the_head(self, x: Tensor) -> None:
        """A variable of the model's forward holds *x* until it returns to the head."""
        self._held.append(x)
