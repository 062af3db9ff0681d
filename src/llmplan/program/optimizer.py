"""
What an optimizer keeps for each parameter, and what it takes while it steps. [byte]

Sizes are those of PyTorch 2.13 and of bitsandbytes' block-wise states, measured: see the notes at each.
"""

from collections.abc import Iterable
from typing import Literal

import attrs

from llmplan.program.kernel import Kernel, Matmul
from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.size import Number, ceil, largest, maximum, minimum, rounded, total, where

#: bitsandbytes keeps states of smaller tensors in 32 bits, and a scale for each block of larger ones.
_SMALLEST_IN_8_BITS, _BLOCK_ELEMENTS = 4096.0, 256.0

#: A step count on the device: one FP32 number in a block of the allocator's.
_STEP_COUNT_BYTES = 512.0


#: How states are kept: in the parameter's own format, in FP32, or in 8 bits with a scale a block.
States = Literal["parameter", "fp32", "8bit"]


@attrs.frozen(kw_only=True)
class Rule:
    """
    An optimizer, as far as memory and traffic go.

    Attributes:
        algorithm: "adamw", "muon" (hidden matrices; the rest by AdamW), "sgd" or "sgd-momentum".
        implementation: "fused" (one kernel for all), "foreach" (one kernel a stage for all) or "loop".
        states: "parameter" (the parameter's own format), "fp32" or "8bit".
        master: Whether an FP32 copy of the weights is kept.
    """

    algorithm: Literal["adamw", "muon", "sgd", "sgd-momentum"] = "adamw"
    implementation: Literal["fused", "foreach", "loop"] = "fused"
    states: States = "parameter"
    master: bool = False

    def state_bytes(self, weight: Tensor) -> Number:
        """
        All that is kept for *weight* between steps. [byte]

        AdamW has two moments and, where it is fused or keeps FP32 states, a step count on the device; Muon and SGD
        with momentum one moment; 8-bit AdamW a byte a moment and an FP32 scale for each 256 elements. A master copy
        stands beside any of them, and the moments are as it is.
        """
        full = rounded(4.0 * weight.elements)
        return self._moments(weight, full) + (full if self.master else 0.0)

    def _moments(self, weight: Tensor, full: Number) -> Number:
        """The same without a master copy; *full* is the weight in FP32. [byte]"""
        in_full = self.states == "fp32" or self.master
        moment = full if in_full else rounded(weight.bytes)
        if self.algorithm == "sgd":
            return 0.0
        if self.algorithm == "sgd-momentum" or (self.algorithm == "muon" and is_hidden_matrix(weight)):
            return moment
        if self.states == "8bit":
            scales = rounded(4.0 * ceil(weight.elements / _BLOCK_ELEMENTS))
            small = weight.elements < _SMALLEST_IN_8_BITS
            return where(small, 2.0 * full, 2.0 * (rounded(weight.elements) + scales))
        return 2.0 * moment + (_STEP_COUNT_BYTES if in_full or self.implementation == "fused" else 0.0)

    def temporary_bytes(self, weights: Iterable[tuple[Tensor, Number]]) -> Number:
        """
        The most that a step takes for a moment, beside parameters, gradients and states. [byte]

        Args:
            weights: Trainable parameters, and how many like each there are.
        """
        trained = list(weights)
        others = [(w, n) for w, n in trained if not (self.algorithm == "muon" and is_hidden_matrix(w))]
        matrices = [w for w, _ in trained if self.algorithm == "muon" and is_hidden_matrix(w)]
        return maximum(self._elementwise(others), largest(_newton_schulz(w) for w in matrices))

    def _elementwise(self, weights: list[tuple[Tensor, Number]]) -> Number:
        """Temporaries of AdamW and SGD."""
        if self.algorithm.startswith("sgd") or self.states == "8bit":
            return 0.0
        if self.states == "fp32" or self.master:
            # The gradient in FP32, and the weight where there is no master copy, one tensor at a time.
            return largest((1.0 if self.master else 2.0) * rounded(4.0 * w.elements) for w, _ in weights)
        if self.implementation == "foreach":
            # The square roots of all second moments at once.
            return total(rounded(w.bytes) * n for w, n in weights)
        return 0.0 if self.implementation == "fused" else largest(2.0 * rounded(w.bytes) for w, _ in weights)

    def products(self, weight: Tensor) -> list[Kernel]:
        """Matrix products of one Newton-Schulz step of Muon for *weight*, none for other optimizers."""
        if self.algorithm != "muon" or not is_hidden_matrix(weight):
            return []
        short, long = minimum(weight.rows, weight.cols), maximum(weight.rows, weight.cols)
        return [
            Matmul(m=short, n=short, k=long),
            Matmul(m=short, n=short, k=short),
            Matmul(m=short, n=long, k=short),
        ]


def is_hidden_matrix(weight: Tensor) -> bool:
    """Whether Muon takes it: a matrix inside the layers."""
    return weight.weight is not None and weight.weight.role in ("matrix", "adapter", "router")


def _newton_schulz(w: Tensor) -> Number:
    """
    What orthogonalising one gradient takes: the momentum's look-ahead in the parameter's format, the iterate and its
    successor in BF16, and two Gram matrices of the shorter side (``torch.optim.Muon``). [byte]
    """
    short = minimum(w.rows, w.cols)
    iterate, gram = rounded(2.0 * w.elements), rounded(2.0 * short * short)
    return rounded(w.bytes) + 2.0 * iterate + 2.0 * gram


def update_bytes(weight: Tensor, state_bytes: Number) -> tuple[Number, Number]:
    """Bytes that a step reads and writes for *weight*: the gradient and the weight, and its states both ways. [byte]"""
    own = weight.elements * ELEMENT_BYTES[weight.format]
    return 2.0 * own + state_bytes, own + state_bytes
