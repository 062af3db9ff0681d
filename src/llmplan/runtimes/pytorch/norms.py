"""Norms: one kernel each, that keeps its input and the statistics of each row."""

from typing import Literal

from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import Casting, any_needs


class Norms(Casting):
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
        """
        ``F.rms_norm`` or ``F.layer_norm``: one kernel that keeps its input and the statistics of each row. Weights that
        one is added to are a copy; the product with them is part of the kernel.
        """
        del wide
        x = self._full(x)
        weights = [self._norm_weight(x.cols, name, offset=offset)] if weighted else []
        if bias if bias is not None else weighted and kind == "layer":
            weights.append(self.weight(1.0, x.cols, role="bias", name=f"{name}.bias"))
        return self._fused_norm(x, x.rows, weights, statistics=2 if kind == "layer" else 1, op=f"{kind}_norm")

    def head_norm(
        self, x: Tensor, heads: Number, *, weighted: bool, name: str = "norm", offset: bool = False, wide: bool = False
    ) -> Tensor:
        """``F.rms_norm`` over each head."""
        del wide
        x = self._full(x)
        weights = [self._norm_weight(x.cols / heads, name, offset=offset)] if weighted else []
        return self._fused_norm(x, x.rows * heads, weights, statistics=1, op="rms_norm")

    def _fused_norm(self, x: Tensor, rows: Number, weights: list[Tensor], *, statistics: int, op: str) -> Tensor:
        out = Tensor(x.rows, x.cols, x.format, label=op, needs_gradient=any_needs([x, *weights]))
        kept = [Tensor(rows, 1.0, "fp32", label=f"{op} statistics", needs_gradient=False) for _ in range(statistics)]
        inputs = [x, *weights]
        self.write(Op(op, inputs, [out, *kept], keeps=[*inputs, *kept], gradients=[(i, "new") for i in inputs]))
        return out

    def _norm_weight(self, cols: Number, name: str, *, offset: bool) -> Tensor:
        """A norm's weights, or the sum of one and them."""
        weight = self.weight(1.0, cols, role="norm", name=name)
        if not offset:
            return weight
        y = Tensor(1.0, cols, weight.format, label="sum", needs_gradient=weight.needs_gradient)
        self.write(Op("add", [weight], [y], gradients=[(weight, "same")]))
        return y
