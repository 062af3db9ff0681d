"""
Heads put together from parts: what multi-head latent attention does beside its products.

As Transformers 5.24 writes it: heads are split into views, neighbouring columns rotated apart, queries' parts
concatenated, keys' parts copied into a new tensor.
"""

from collections.abc import Sequence

from llmplan.program.emit import PairKind
from llmplan.program.kernel import Matmul
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.products import Products
from llmplan.runtimes.pytorch.views import Views


class LatentVerbs(Views, Products):
    """Heads put together from parts."""

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:
        """
        Views of so many columns of each head. Their gradients are put side by side with heads first, which a product
        wants token by token again.
        """
        turned = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("transpose", [x], [turned], gradients=[(x, "new")], forward=[]))
        return self.split(turned, [heads * width for width in widths])

    def rotary_pairs(self, x: Tensor, *, kind: PairKind) -> Tensor:
        """
        Pairs of columns rotated: by products with tables, side by side with heads first, or as complex numbers, which takes
        a copy in FP32 and a product of it. Gradients of neighbours are put into zeros, those of halves side by side.
        """
        complex_numbers = kind == "complex"
        tables = self._rotation_tables(complex_numbers=complex_numbers)
        y = Tensor(x.rows, x.cols, x.format, label="rotary", needs_gradient=x.needs_gradient, heads_first=not complex_numbers)
        wide = 4.0 * x.elements
        forward, backward = (
            ([wide, wide], [wide, wide]) if complex_numbers else ([x.bytes], [(1.0 if kind == "halves" else 1.5) * x.bytes])
        )
        space = forward[0] + forward[1] if complex_numbers else forward[0]
        inputs = [x, *tables]
        self.write(Op("rotary", inputs, [y], keeps=tables, gradients=[(x, "new")], workspace=space, backward_workspaces=backward))
        return y

    def pick_keys(self, x: Tensor, latent: Tensor, *, heads: Number, head_dim: Number) -> None:
        """
        Its parameters, and the products of queries with keys in one kernel that writes no scores.
        Nothing is kept. Attention itself is taken as looking at all keys: its memory does not depend on how many it sees.
        """
        queries = self.weight(heads * head_dim, latent.cols, role="indexer", name="indexer.wq_b")
        keys = self.weight(head_dim, x.cols, role="indexer", name="indexer.wk")
        self.weight(1.0, head_dim, role="indexer", name="indexer.k_norm")
        self.weight(1.0, head_dim, role="indexer", name="indexer.k_norm.bias")
        shares = self.weight(heads, x.cols, role="indexer", name="indexer.weights_proj")
        made: list[Tensor] = []
        for source, weight in ((latent, queries), (x, keys), (x, shares)):
            y = Tensor(source.rows, weight.rows, source.format, label="indexer", needs_gradient=False)
            forward, _ = self._linear_kernels(source, weight)
            self.write(Op("linear", [source, weight], [y], forward=forward))
            made.append(y)
        length, size = self.job.sequence_length, ELEMENT_BYTES[x.format]
        scores = Matmul(
            m=length,
            n=length,
            k=head_dim,
            batch=self.job.sequences * heads,
            format=x.format,
            element_bytes=size,
            out_bytes=0.0,
        )
        self.write(Op("pick", made, [], forward=[scores]))

    def half_rotary_table(self, head_dim: Number) -> None:
        """The tables that there are anyway have a column for each pair."""
        self.rotary_table(head_dim)

    def _rotation_tables(self, *, complex_numbers: bool) -> list[Tensor]:  # noqa: ARG002
        """Tables that a rotation keeps: none, where they are there anyway."""
        return []

    def beside(self, a: Tensor, b: Tensor) -> Tensor:
        """A concatenation of each head's columns: the parts' gradients are views of its own."""
        y = Tensor(a.rows, a.cols + b.cols, a.format, label="concatenation", needs_gradient=any_needs([a, b]), heads_first=True)
        gradients: list[tuple[Tensor, Passing]] = [(a, "same"), (b, "same")]
        self.write(Op("cat", [a, b], [y], gradients=gradients))
        return y

    def beside_shared(self, a: Tensor, shared: Tensor, heads: Number) -> Tensor:
        """
        Each head's columns and those that all heads share, copied into a new tensor one after the other. The derivative of
        such a copy makes a whole gradient anew, and one for the part.
        """
        wide = Tensor(a.rows, heads * shared.cols, a.format, storage=shared.storage, needs_gradient=shared.needs_gradient)
        self.write(Op("expand", [shared], [wide], gradients=[(shared, "new")], forward=[]))
        begun = Tensor(a.rows, a.cols + wide.cols, a.format, label="keys", needs_gradient=a.needs_gradient)
        self.write(Op("copy", [a], [begun], gradients=[(a, "new")], backward_workspaces=[begun.bytes]))
        needs = any_needs([begun, wide])
        y = Tensor(begun.rows, begun.cols, a.format, storage=begun.storage, needs_gradient=needs, heads_first=True)
        gradients: list[tuple[Tensor, Passing]] = [(begun, "new"), (wide, "new")]
        self.write(Op("copy", [begun, wide], [y], gradients=gradients, backward_workspaces=[wide.bytes]))
        return y
