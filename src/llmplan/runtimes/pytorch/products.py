"""Matrix products with weights, plain and packed."""

import attrs

from llmplan.nouns.format import Format
from llmplan.program.kernel import Kernel, Matmul, Pointwise
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.packing import unpacked_scales
from llmplan.program.size import rounded
from llmplan.runtimes.pytorch.casting import Casting, any_needs


class Products(Casting):
    """Matrix products with weights, plain and packed."""

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """``F.linear``: keeps its input for the weight's gradient and the weight for the input's."""
        x, w, b = self._operands(x, weight, bias)
        inputs = [x, w] if b is None else [x, w, b]
        keeps = [t for t, other in ((w, x), (x, w)) if other.needs_gradient]
        y = Tensor(x.rows, w.rows, x.format, label="linear", needs_gradient=any_needs(inputs))
        forward, backward = self._linear_kernels(x, w)
        gradients: list[tuple[Tensor, Passing]] = [(i, "new") for i in ([w, x] if b is None else inputs)]
        self.write(Op("linear", inputs, [y], keeps=keeps, gradients=gradients, forward=forward, backward=backward))
        return y

    def _operands(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Input, weight and bias in the format of the product. Autocast casts the last operand first."""
        format_ = self.job.compute if self._autocast else x.format
        if not self._autocast and self.job.casts != "at-use":
            return x, weight, None if bias is None else self.cast(bias, weight.format)
        b = None if bias is None else self.cast(bias, format_)
        w = self.cast(weight, format_)
        return self.cast(x, format_), w, b

    def unpacked_product(self, x: Tensor, weight: Tensor, stored: Format, bias: Tensor | None = None) -> Tensor:
        """
        A product with a packed weight, which is unpacked before the product and again before its derivative; neither
        the input nor the unpacked weight is kept (bitsandbytes, ``MatMul4Bit``). Scales that are packed themselves are there
        in FP32 too; the result is in the input's format (``Linear4bit``).
        """
        given = x.format
        x = self.cast(x, self.job.compute)
        inputs = [x, weight] if bias is None else [x, weight, self.cast(bias, x.format)]
        y = Tensor(x.rows, weight.rows, x.format, label="linear", needs_gradient=any_needs(inputs))
        unpacked = weight.elements * ELEMENT_BYTES[x.format]
        unpack = Pointwise(read=stored.bytes(weight.elements), written=unpacked, fusible=False)
        products = self._linear_kernels(x, weight)
        self.write(
            Op(
                "linear",
                inputs,
                [y],
                gradients=[(i, "new") for i in inputs],
                workspace=rounded(unpacked) + unpacked_scales(stored, weight.elements),
                backward_workspaces=[unpacked],
                forward=[unpack, *products[0]],
                backward=[unpack, *products[1]],
            )
        )
        return self.cast(y, given)

    def _linear_kernels(self, x: Tensor, w: Tensor) -> tuple[list[Kernel], list[Kernel]]:
        """The product, and those for the gradients of its factors where they are needed."""
        size = ELEMENT_BYTES[x.format]
        product = Matmul(m=x.rows, n=w.rows, k=x.cols, format=x.format, element_bytes=size, out_bytes=size)
        backward: list[Kernel] = []
        if x.needs_gradient:
            backward.append(attrs.evolve(product, n=x.cols, k=w.rows))
        if w.needs_gradient:
            backward.append(attrs.evolve(product, m=w.rows, n=x.cols, k=x.rows))
        return [product], backward
