"""Rule: an optimizer, as far as memory and traffic go."""

import functools
from collections.abc import Iterable
from typing import Final

import attrs

from llmplan.program.kernel import Kernel, Matmul
from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.optimizer import loops
from llmplan.program.optimizer.script import Visit, most_held
from llmplan.program.optimizer.states import (
    BLOCK_BYTES,
    MOMENTS,
    Algorithm,
    Implementation,
    States,
    factor_tensors,
    moment_tensors,
    paged_moment,
)
from llmplan.program.optimizer.tensors import is_hidden_matrix, is_vector
from llmplan.program.size import Number, maximum, minimum, rounded, total

#: What a step binds that goes tensor by tensor; SGD and what is not here updates in place.
_LOOPS: Final[dict[Algorithm, Visit]] = {
    "adamw": loops.adamw,
    "adamw-amsgrad": loops.adamw,
    "nadam": loops.nadam,
    "radam": loops.radam,
    "lion": loops.lion,
    "adafactor": loops.adafactor,
}

#: bitsandbytes' table of the values that a byte stands for: one for each moment, for all parameters together. [byte]
_CODE_TABLE_BYTES: Final = 1024.0


@attrs.frozen(kw_only=True)
class Rule:
    """
    An optimizer, as far as memory and traffic go.

    Attributes:
        algorithm: "adamw", "adamw-amsgrad", "nadam", "radam", "adafactor", "lion", "sgd", "sgd-momentum", or "muon"
            (hidden matrices; the rest by AdamW).
        implementation: "fused" (one kernel for all), "foreach" (one kernel a stage for all), "loop", or a library's own.
        states: "parameter" (the parameter's own format), "fp32", "8bit", "4bit" or "fp8".
        master: Whether an FP32 copy of the weights is kept.
        paged: Whether large states lie in unified memory, which the host's backs.
        embeddings_in_full: Whether embedding tables keep states in FP32 where the others are packed.
        full_gradients: Whether gradients are in FP32, whatever the weights are.
    """

    algorithm: Algorithm = "adamw"
    implementation: Implementation = "fused"
    states: States = "parameter"
    master: bool = False
    paged: bool = False
    embeddings_in_full: bool = False
    full_gradients: bool = False

    # -- what stays ---------------------------------------------------------------------------------------------------

    def state_bytes(self, weight: Tensor) -> Number:
        """
        All that is kept for *weight* between steps, wherever it lies. [byte]

        A master copy stands beside any optimizer's states, and the moments are as it is. Muon keeps a moment of a hidden
        matrix, and AdamW's states of the rest.
        """
        return total(self.state_tensors(weight))

    def state_tensors(self, weight: Tensor) -> list[Number]:
        """The same, tensor by tensor, in the order in which they are made. [byte]"""
        return [*self._moments(weight), *([rounded(4.0 * weight.elements)] if self.master else [])]

    def paged_bytes(self, weight: Tensor) -> Number:
        """The part of them that lies in the host's memory, as unified memory that the device has not asked for. [byte]"""
        if not self.paged:
            return 0.0
        return self._tensors(weight) * paged_moment(weight, self._states_of(weight))

    def device_bytes(self, weight: Tensor) -> Number:
        """The part that lies on the device. [byte]"""
        return self.state_bytes(weight) - self.paged_bytes(weight)

    @property
    def shared_bytes(self) -> float:
        """What is kept for all parameters together. [byte]"""
        packed = self.states == "8bit" and self.implementation == "bitsandbytes"
        return MOMENTS[self.algorithm] * _CODE_TABLE_BYTES if packed else 0.0

    def _moments(self, weight: Tensor) -> list[Number]:
        if self.algorithm == "adafactor":
            return factor_tensors(weight, self.implementation)
        states = self._states_of(weight)
        moments = moment_tensors(weight, self.implementation, states) * int(self._tensors(weight))
        count: list[Number] = [size] if (size := self._step_count(weight, states)) else []
        return [*moments, *count] if states == "fp32" else [*count, *moments]  # ours in FP32 count last, PyTorch first

    def _states_of(self, weight: Tensor) -> States:
        """How the states of *weight* are kept."""
        if self.embeddings_in_full and weight.weight is not None and weight.weight.role in ("embedding", "position"):
            return "fp32"
        return "fp32" if self.master and self.states == "parameter" else self.states

    def _tensors(self, weight: Tensor) -> float:
        """Tensors of the parameter's shape."""
        by_adamw = self.algorithm == "muon" and not is_hidden_matrix(weight)
        return MOMENTS["adamw" if by_adamw else self.algorithm]

    def _step_count(self, weight: Tensor, states: States) -> float:
        """A number on the device: of fused AdamW, and where AdamW runs on FP32 states; others keep it on the host."""
        adamw = self.algorithm in ("adamw", "adamw-amsgrad") or (self.algorithm == "muon" and not is_hidden_matrix(weight))
        by_pytorch = self.implementation in ("fused", "foreach", "loop") and states in ("parameter", "fp32")
        return BLOCK_BYTES if adamw and by_pytorch and (states == "fp32" or self.implementation == "fused") else 0.0

    # -- what comes and goes ------------------------------------------------------------------------------------------

    def temporary_bytes(self, weights: Iterable[tuple[Tensor, Number]]) -> Number:
        """
        The most that a step takes for a moment, beside parameters, gradients and states. [byte]

        Args:
            weights: Trainable parameters in the model's order, and how many like each there are.
        """
        trained = list(weights)
        if self.algorithm == "muon":
            matrices = [w for w, _ in trained if is_hidden_matrix(w)]
            rest = attrs.evolve(self, algorithm="adamw")
            others = rest.temporary_bytes((w, n) for w, n in trained if not is_hidden_matrix(w))
            return maximum(most_held(loops.muon, matrices), others)
        if self.at_once:
            return self._of_all(trained)
        return most_held(self.visit, (w for w, _ in trained)) if self.visit else 0.0

    @property
    def at_once(self) -> bool:
        """Whether a step makes a tensor of each parameter's size, for all parameters together."""
        return self.implementation == "foreach" and not self._in_full and not self._in_place

    @property
    def one_by_one(self) -> bool:
        """Whether a parameter's states are made when its turn comes, and not those of all parameters first."""
        return self._in_full

    @property
    def visit(self) -> Visit | None:
        """What a step that goes tensor by tensor does for one of them; None where a step does not, or binds nothing."""
        if self.algorithm == "muon":
            return loops.muon
        return None if self._in_place or self.at_once else self._visit()

    @property
    def _in_full(self) -> bool:
        """Whether AdamW runs on FP32 states, tensor by tensor."""
        return self.states == "fp32" or self.master

    @property
    def _in_place(self) -> bool:
        """Whether one kernel does all, or nothing is needed beside the states."""
        packed = self.states == "8bit" and self.implementation != "torchao"
        fused = self.implementation == "fused" and not self._in_full
        return fused or packed or self.implementation == "bitsandbytes" or self.algorithm.startswith("sgd")

    def _visit(self) -> Visit:
        """What a step that goes tensor by tensor does for one of them."""
        if self.implementation == "torchao":
            return functools.partial(loops.torchao, states=self.states)
        if self.implementation == "transformers":
            return loops.adafactor_of_transformers
        if self._in_full:
            return loops.in_full(master=self.master, full_gradients=self.full_gradients)
        return _LOOPS[self.algorithm]

    def _of_all(self, weights: list[tuple[Tensor, Number]]) -> Number:
        """
        A tensor of each parameter's size at once: roots of second moments, Lion's updates, Adafactor's estimates.

        Adafactor takes matrices before vectors, and a number for each matrix beside the estimates.
        """
        if self.algorithm != "adafactor":
            return total(rounded(w.bytes) * n for w, n in weights)
        matrices = [(w, n) for w, n in weights if not is_vector(w)]
        vectors = total(rounded(w.bytes) * n for w, n in weights if is_vector(w))
        estimates = total(rounded(w.bytes) * n for w, n in matrices)
        return estimates + maximum(BLOCK_BYTES * total(n for _, n in matrices), vectors)

    # -- what it computes and moves -----------------------------------------------------------------------------------

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


def update_bytes(weight: Tensor, state_bytes: Number) -> tuple[Number, Number]:
    """Bytes that a step reads and writes for *weight*: the gradient and the weight, and its states both ways. [byte]"""
    own = weight.elements * ELEMENT_BYTES[weight.format]
    return 2.0 * own + state_bytes, own + state_bytes
