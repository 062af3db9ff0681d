"""Norms: one kernel each, that keeps its input and the statistics of each row."""

from typing import Literal

from llmplan.program.op import Op, Tensor
from llmplan.program.size import Number
from llmplan.runtimes.pytorch.casting import Casting, any_needs


class Norms(Casting):
    """Norms."""

    def norm(self, x: Tensor, kind: Literal["rms", "layer"], *, weighted: bool, name: str = "norm") -> Tensor:
        """``F.rms_norm`` or ``F.layer_norm``: one kernel that keeps its input and the statistics of each row."""
        x = self._full(x)
        weights = [self.weight(1.0, x.cols, role="norm", name=name)] if weighted else []
        if weighted and kind == "layer":
            weights.append(self.weight(1.0, x.cols, role="bias", name=f"{name}.bias"))
        return self._fused_norm(x, x.rows, weights, statistics=2 if kind == "layer" else 1, op=f"{kind}_norm")

    def head_norm(self, x: Tensor, heads: Number, *, weighted: bool, name: str = "norm") -> Tensor:
        """``F.rms_norm`` over each head."""
        x = self._full(x)
        weights = [self.weight(1.0, x.cols / heads, role="norm", name=name)] if weighted else []
        return self._fused_norm(x, x.rows * heads, weights, statistics=1, op="rms_norm")

    def _fused_norm(self, x: Tensor, rows: Number, weights: list[Tensor], *, statistics: int, op: str) -> Tensor:
        out = Tensor(x.rows, x.cols, x.format, label=op, needs_gradient=any_needs([x, *weights]))
        kept = [Tensor(rows, 1.0, "fp32", label=f"{op} statistics", needs_gradient=False) for _ in range(statistics)]
        inputs = [x, *weights]
        self.write(Op(op, inputs, [out, *kept], keeps=[x, *kept], gradients=[(i, "new") for i in inputs]))
        return out
