"""RMS norms, written out; a layer norm is PyTorch's kernel."""

from typing import Literal

from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.norms import Norms
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs


class TransformersNorms(Norms, PointwiseVerbs):
    """Norms."""

    def norm(
        self,
        x: Tensor,
        kind: Literal["rms", "layer"],
        *,
        weighted: bool,
        name: str = "norm",
        bias: bool | None = None,
        offset: bool = False,
        wide: bool = False,
    ) -> Tensor:
        """An RMS norm in elementary operations, or ``nn.LayerNorm``."""
        if kind == "layer":
            normed = super().norm(self.cast(x, "fp32") if wide else x, kind, weighted=weighted, name=name, bias=bias)
            return self.cast(normed, x.format) if wide else normed
        return self._written_out(x, x.rows, name if weighted else None, x.cols, offset=offset, wide=wide)

    def head_norm(
        self, x: Tensor, heads: Number, *, weighted: bool, name: str = "norm", offset: bool = False, wide: bool = False
    ) -> Tensor:
        """The same over each head."""
        return self._written_out(x, x.rows * heads, name if weighted else None, x.cols / heads, offset=offset, wide=wide)

    def _written_out(self, x: Tensor, rows: Number, name: str | None, cols: Number, *, offset: bool, wide: bool) -> Tensor:
        """
        Widened, squared, averaged, the root's inverse, two products and a cast. The widened input, the root's inverse and
        what each product needs are kept; the method's variables hold the mean and the normed rows until it returns.
        """
        h = self.cast(x, "fp32")
        mean = self._unary("mean", self._power(h), keep="nothing", rows=rows, cols=1.0)
        inverse = self._unary("rsqrt", self._unary("add", mean, keep="nothing"), keep="output")
        normed = self.times(h, inverse, broadcast=True)
        if name is None:
            return self.cast(normed, x.format)
        weight = self.weight(1.0, cols, role="norm", name=name)
        if wide:
            return self.cast(self.times(normed, self._widened(weight, offset=offset), broadcast=True), x.format)
        y = self.times(self.cast(normed, x.format), self._plus_one(weight) if offset else weight, broadcast=True)
        self._last().inputs += [normed, mean]
        return y

    def _widened(self, weight: Tensor, *, offset: bool) -> Tensor:
        """Weights in FP32 where one is added to them; otherwise as they are, as a product widens them on its own."""
        return self._plus_one(self.cast(weight, "fp32")) if offset else weight

    def _plus_one(self, weight: Tensor) -> Tensor:
        y = Tensor(weight.rows, weight.cols, weight.format, label="sum", needs_gradient=weight.needs_gradient)
        self.write(Op("add", [weight], [y], gradients=[(weight, "same")]))
        return y
