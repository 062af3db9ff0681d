"""Functions of elements, fused: an activation with its gate is one kernel that keeps what the product before it made."""

from llmplan.program.emit import Function
from llmplan.program.op import Op, Tensor
from llmplan.runtimes.megatron.products import MegatronProducts
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class MegatronPointwise(MegatronProducts, PointwiseVerbs):
    """``bias_swiglu_impl`` and its like (``megatron/core/fusions``)."""

    def activation(self, x: Tensor, kind: Function) -> Tensor:
        """One kernel that keeps its input; of a gate, nothing yet: the product with what it gates is the same kernel."""
        return x if id(x) in self._part_of else super().activation(x, kind)

    def times(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A product; of a gate and what it gates, the fused kernel: its gradient is one tensor, of both."""
        matrix = self._part_of.get(id(a))
        if matrix is None or self._part_of.get(id(b)) is not matrix:
            return super().times(a, b, broadcast=broadcast)
        y = Tensor(a.rows, a.cols, a.format, label="gated activation")
        self.write(Op("gated activation", [matrix.y], [y], keeps=[matrix.y], gradients=[(matrix.y, "new")]))
        return y
