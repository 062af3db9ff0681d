"""
Megatron-LM's data parallelism: weights and gradients each in one buffer, and an optimizer that ranks share.

Read from Megatron-LM at commit 23e00ed: ``core/distributed/param_and_grad_buffer.py`` and
``core/optimizer/distrib_optimizer.py``. The gradients' buffer stands all the time, in FP32 where micro-batches and
ranks are summed in it; the distributed optimizer keeps its rank's share of the moments and of the weights in FP32.
"""

from collections.abc import Iterator

import attrs

from llmplan.parallel.data import RANKS, Weights
from llmplan.program.kernel import Collective
from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.size import Number, ceil, rounded, total

#: A weight begins at a multiple of so many elements, and a buffer ends at one, where the optimizer is shared.
_BEGINS_AT, _ENDS_AT = 64.0, 128.0

#: A weight in FP32 and Adam's two moments. [byte]
_STATE_BYTES = 12.0


@attrs.frozen(kw_only=True)
class Buffers:
    """
    What stands beside the work on each rank.

    Attributes:
        shared: Whether ranks share the optimizer.
        several: Whether there is more than one rank to share with, or to sum over.
        gradients_in: Format of the gradients' buffer.
        expert: Ranks that share the experts of a layer.
    """

    shared: bool
    several: bool
    gradients_in: str
    expert: Number = 1.0

    def elements(self, weights: Weights) -> Number:
        """Elements of a buffer of these weights, with what it is filled up by."""
        if not self.shared:
            return total(w.elements * n for w, n in weights)
        filled = total(ceil(w.elements / _BEGINS_AT) * _BEGINS_AT * n for w, n in weights)
        return ceil(filled / _ENDS_AT) * _ENDS_AT

    def parameters(self, weights: Weights) -> Number:
        """Bytes of the weights. [byte]"""
        return total(rounded(ELEMENT_BYTES[own[0][0].format] * self.elements(own)) for own in _kinds(weights) if own)

    def gradients(self, weights: Weights) -> Number:
        """Bytes of the gradients' buffers. [byte]"""
        return total(rounded(ELEMENT_BYTES[self.gradients_in] * self.elements(own)) for own in _kinds(weights))

    def states(self, weights: Weights) -> Number:
        """Bytes of the optimizer on this rank; experts' are shared by the ranks that have the same ones. [byte]"""
        dense, experts = _kinds(weights)
        ranks = RANKS if self.shared and self.several else 1.0
        alike = RANKS / self.expert if self.shared and self.several else 1.0
        states = rounded(_STATE_BYTES * self.elements(dense) / ranks)
        return states + rounded(_STATE_BYTES * self.elements(experts) / alike) if experts else states

    @property
    def updated_share(self) -> Number:
        """By what a rank's part of the optimizer's step is divided."""
        return RANKS if self.shared and self.several else 1.0

    def messages(self, weights: Weights) -> Iterator[tuple[Collective, Number]]:
        """What a rank sends in one step, and how often."""
        if not self.several:
            return
        gradients = Collective(kind="reduce_scatter" if self.shared else "all_reduce", payload=self.gradients(weights), group=RANKS)
        yield gradients, 1.0
        if self.shared:
            yield Collective(kind="all_gather", payload=self.parameters(weights), group=RANKS), 1.0


def _kinds(weights: Weights) -> tuple[list[tuple[Tensor, Number]], list[tuple[Tensor, Number]]]:
    """Weights that all ranks have, and those of experts, which lie in buffers of their own."""
    found = list(weights)
    experts = [(w, n) for w, n in found if w.weight is not None and w.weight.role == "expert"]
    return [(w, n) for w, n in found if all(w is not e for e, _ in experts)], experts
