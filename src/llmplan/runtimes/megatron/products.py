"""Matrix products: cut by columns or rows, joined, their weights' gradients summed into a buffer."""

from collections.abc import Sequence
from typing import Final, Literal

import attrs

from llmplan.errors import UnsupportedError
from llmplan.nouns.format import Format
from llmplan.program.emit import Job
from llmplan.program.kernel import Collective, Kernel, Matmul
from llmplan.program.layer import Layer, plain
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.share import Joined, Split
from llmplan.program.size import Number, rounded
from llmplan.program.stretch import Program
from llmplan.runtimes.pytorch.casting import Casting

#: What an element of a sum in FP32 costs that is read and written. [byte]
SUMMED_BYTES: Final = 8.0

#: Grouped products run on so many streams, each with a workspace of its own, on Hopper and later (Transformer Engine
#: 2.11, ``pytorch/cpp_extensions/gemm.py`` and ``common/util/multi_stream.h``). [byte]
_GROUPED_STREAMS: Final = 4
_GROUPED_WORKSPACE: Final = 32.0 * 2**20 + 1024.0


@attrs.define(eq=False)
class JoinedMatrix:
    """
    A matrix product that several linear layers of one input are parts of.

    Attributes:
        op: The product, which grows by each.
        y: Its output.
        shape: As much of its weights as their stand-in wants to know.
        parts: The layers' shares of the output: views.
    """

    op: Op
    y: Tensor
    shape: Tensor
    parts: list[Tensor] = attrs.field(factory=list)


class MegatronProducts(Casting):
    """``TELayerNormColumnParallelLinear``, ``TERowParallelLinear`` and Megatron's own ``ColumnParallelLinear``."""

    def __init__(self, job: Job, layer: Layer = plain) -> None:
        super().__init__(job, layer)
        self._joined: dict[tuple[int, str], JoinedMatrix] = {}
        self._part_of: dict[int, JoinedMatrix] = {}
        self._shapes: list[Tensor] = []
        self._heads_of: dict[int, tuple[Tensor, list[Tensor]]] = {}
        self._grouped = False

    def program(self, repeats: Sequence[Number]) -> Program:
        """
        What was said. For each shape of weights Transformer Engine keeps one tensor that stands for their gradients,
        which autograd wants and nobody reads (``get_dummy_wgrad``).
        """
        seen = {(str(w.rows), str(w.cols)): w for w in self._shapes}
        for w in seen.values():
            self.constant("stand-ins for gradients", w.bytes)
        if self._grouped:
            for _ in range(_GROUPED_STREAMS):
                self.constant("workspaces of grouped products", _GROUPED_WORKSPACE)
        return super().program(repeats)

    def linear(
        self,
        x: Tensor,
        out: Number,
        *,
        name: str,
        bias: bool = False,
        split: Split | None = None,
        joined: Joined | None = None,
    ) -> Tensor:
        """A product; matrices of one input that are *joined* are one weight and one product, of which each has a view."""
        weight = self.weight(out, x.cols, role="matrix", name=name)
        inputs = [weight]
        if bias:
            inputs.append(self.weight(1.0, out, role="bias", name=f"{name}.bias"))
        if joined is None:
            return self._product(x, inputs, split)
        matrix = self._joined.get((id(x), joined))
        if matrix is None:
            matrix = self._joined[id(x), joined] = self._begun(x, inputs, split, joined)
        else:
            self._grow(matrix, inputs)
        part = Tensor(matrix.y.rows, out, x.format, storage=matrix.y.storage)
        self._part_of[id(part)] = matrix
        matrix.parts.append(part)
        return part

    def _begun(self, x: Tensor, weights: list[Tensor], split: Split | None, joined: Joined) -> JoinedMatrix:
        """The first of joined matrices. Queries, keys and values are split at once; a gate and its like go on as one."""
        y = self._product(x, weights, split)
        matrix = JoinedMatrix(self._last(), y, self._shapes[-1])
        if joined == "qkv":
            op = self.write(Op("split", [y], [], gradients=[(y, "new")], forward=[]))
            matrix.parts = op.outputs
        return matrix

    def _grow(self, matrix: JoinedMatrix, weights: list[Tensor]) -> None:
        """Another matrix is joined to those that are already."""
        y, op, more = matrix.y, matrix.op, weights[0]
        matrix.shape.rows = matrix.shape.rows + more.rows
        y.cols = y.cols + more.rows
        y.storage.bytes = rounded(y.bytes)
        op.inputs += weights
        op.gradients += [(b, "new") for b in weights[1:] if b.needs_gradient]
        op.forward = [_widened(k, "n", more.rows) for k in op.forward]
        # The input's gradient is a sum over the outputs, and the weight's has a row for each.
        op.backward = [_widened(k, "m" if _sums(k) else "k", more.rows) for k in op.backward]

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """A product with a weight that is not cut."""
        return self._product(x, [weight] if bias is None else [weight, bias], None)

    def unpacked_product(self, x: Tensor, weight: Tensor, stored: Format, bias: Tensor | None = None) -> Tensor:
        """
        None of Megatron-LM's.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(f"frozen weights in {stored.name} in Megatron-LM", f"{x.cols} x {weight.rows} {bias is None}")

    def _product(self, x: Tensor, weights: list[Tensor], split: Split | None) -> Tensor:
        """
        One product. Where the sequence is cut too, a matrix cut by columns gathers its input, forward and again
        backward, keeping its own share only; one cut by rows scatters its output's sum.
        """
        share, weight = self.job.share, weights[0]
        cuts = share.cuts_matrices and split is not None
        gathers, scatters = (cuts and share.sequence and split == s for s in ("column", "row"))
        rows = x.rows * share.tensor if gathers else x.rows
        y = Tensor(rows / share.tensor if scatters else rows, weight.rows, x.format, label="linear")
        size = ELEMENT_BYTES[x.format]
        whole_x, whole_y = size * rows * x.cols, size * rows * weight.rows
        product = Matmul(m=rows, n=weight.rows, k=x.cols, format=x.format, element_bytes=size, out_bytes=size)
        forward: list[Kernel] = [product]
        backward: list[Kernel] = [
            attrs.evolve(product, n=x.cols, k=weight.rows),
            attrs.evolve(product, m=weight.rows, n=x.cols, k=rows, out_bytes=SUMMED_BYTES),
        ]
        if cuts:
            first, second = ("all_gather", "reduce_scatter") if share.sequence else (None, "all_reduce")
            payload = whole_x if split == "column" else whole_y
            at_the_end = [Collective(kind=second, payload=payload, group=share.tensor)]
            again = [Collective(kind=first, payload=payload, group=share.tensor)] if first else []
            if split == "column":
                forward, backward = [*again, *forward], [*again, *backward, *at_the_end]
            else:
                forward, backward = [*forward, *at_the_end], [*again, *backward]
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), *((b, "new") for b in weights[1:])]
        spaces = {"column": [whole_x, whole_x], "row": [whole_y]} if gathers or scatters else {}
        self.write(
            Op(
                "matrix product",
                [x, *weights],
                [y],
                keeps=[x],
                gradients=gradients,
                workspace=whole_x if gathers else whole_y if scatters else None,
                backward_workspaces=spaces.get(split or "", []),
                forward=forward,
                backward=backward,
            )
        )
        self._shapes.append(Tensor(weight.rows, weight.cols, weight.format))
        return y


def _sums(kernel: Kernel) -> bool:
    """Whether a product is summed into the buffer of gradients."""
    return isinstance(kernel, Matmul) and kernel.out_bytes == SUMMED_BYTES


def _widened(kernel: Kernel, side: Literal["m", "n", "k"], more: Number) -> Kernel:
    """The kernel of a product whose matrix has *more* rows than before."""
    return attrs.evolve(kernel, **{side: getattr(kernel, side) + more}) if isinstance(kernel, Matmul) else kernel
