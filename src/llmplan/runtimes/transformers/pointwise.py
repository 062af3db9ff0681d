"""Activations that are written out in elementary operations."""

from llmplan.program.emit import Function
from llmplan.program.op import Tensor
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class TransformersPointwise(PointwiseVerbs):
    """Activations (``activations.py``)."""

    def activation(self, x: Tensor, kind: Function) -> Tensor:
        """A kernel where PyTorch has one; the older approximations of GELU operation by operation."""
        if kind == "gelu_new":
            return self._gelu_new(x)
        if kind == "gelu_fast":
            return self._gelu_fast(x)
        if kind == "quick_gelu":
            return self.times(x, self._unary("sigmoid", self.scale(x), keep="output"))
        return super().activation(x, kind)

    def _gelu_new(self, x: Tensor) -> Tensor:
        """``NewGELUActivation``: 0.5 x (1 + tanh(c (x + 0.044715 x^3)))."""
        half = self.scale(x)
        inner = self.scale(self.plus(x, self.scale(self._power(x))))
        one_plus = self._unary("add", self._unary("tanh", inner, keep="output"), keep="nothing")
        return self.times(half, one_plus)

    def _gelu_fast(self, x: Tensor) -> Tensor:
        """``FastGELUActivation``: 0.5 x (1 + tanh(0.79788 x (1 + 0.044715 x x)))."""
        half = self.scale(x)
        outer = self.scale(x)
        square = self.times(self.scale(x), x)
        inner = self.times(outer, self._unary("add", square, keep="nothing"))
        one_plus = self._unary("add", self._unary("tanh", inner, keep="output"), keep="nothing")
        return self.times(half, one_plus)
