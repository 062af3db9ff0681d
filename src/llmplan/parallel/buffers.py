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
from llmplan.program.op import ELEMENT_BYTES
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
    """

    shared: bool
    several: bool
    gradients_in: str

    def elements(self, weights: Weights) -> Number:
        """Elements of a buffer of these weights, with what it is filled up by."""
        if not self.shared:
            return total(w.elements * n for w, n in weights)
        filled = total(ceil(w.elements / _BEGINS_AT) * _BEGINS_AT * n for w, n in weights)
        return ceil(filled / _ENDS_AT) * _ENDS_AT

    def parameters(self, weights: Weights) -> Number:
        """Bytes of the weights. [byte]"""
        weights = list(weights)
        return rounded(ELEMENT_BYTES[weights[0][0].format] * self.elements(weights)) if weights else 0.0

    def gradients(self, weights: Weights) -> Number:
        """Bytes of the gradients' buffer. [byte]"""
        return rounded(ELEMENT_BYTES[self.gradients_in] * self.elements(weights))

    def states(self, weights: Weights) -> Number:
        """Bytes of the optimizer on this rank. [byte]"""
        ranks = RANKS if self.shared and self.several else 1.0
        return rounded(_STATE_BYTES * self.elements(weights) / ranks)

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
