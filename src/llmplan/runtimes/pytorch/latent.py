"""
Heads put together from parts: what multi-head latent attention does beside its products.

As Transformers 5.24 writes it: heads are split into views, neighbouring columns rotated apart, queries' parts
concatenated, keys' parts copied into a new tensor.
"""

from collections.abc import Sequence

from llmplan.program.op import Op, Passing, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.views import Views


class LatentVerbs(Views):
    """Heads put together from parts."""

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:
        """
        Views of so many columns of each head. Their gradients are put side by side with heads first, which a product
        wants token by token again.
        """
        turned = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("transpose", [x], [turned], gradients=[(x, "new")], forward=[]))
        return self.split(turned, [heads * width for width in widths])

    def rotary_pairs(self, x: Tensor, *, complex_numbers: bool) -> Tensor:
        """
        Neighbouring columns rotated: by products of even and odd ones with tables, or as complex numbers, which takes a
        copy in FP32 and a product of it.
        """
        tables = self._rotation_tables(complex_numbers=complex_numbers)
        y = Tensor(x.rows, x.cols, x.format, label="rotary", needs_gradient=x.needs_gradient)
        wide = 4.0 * x.elements
        forward, backward = ([wide, wide], [wide, wide]) if complex_numbers else ([x.bytes], [1.5 * x.bytes])
        space = forward[0] + forward[1] if complex_numbers else forward[0]
        inputs = [x, *tables]
        self.write(Op("rotary", inputs, [y], keeps=tables, gradients=[(x, "new")], workspace=space, backward_workspaces=backward))
        return y

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
