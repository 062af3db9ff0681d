"""
Data parallelism: every rank sees other sequences, and keeps all of the model or a share.

The stages are ZeRO's (Rajbhandari et al., arXiv 1910.02054, section 5): 0 keeps everything on every rank, 1 shares the
optimizer's states, 2 the gradients too, 3 the parameters too (FSDP): they are gathered for each stretch of the program
before it runs and let go after.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from llmplan.program.kernel import Collective
from llmplan.program.op import Tensor
from llmplan.program.size import Number, Size, rounded, total
from llmplan.program.stretch import Program
from llmplan.program.walk import GradientFate

#: What a rank's share is divided by, and how many micro-batches a step has, in letters.
RANKS: Final[Number] = Size.letter("ranks")
MICRO_BATCHES: Final[Number] = Size.letter("micro_batches")

#: ``DistributedDataParallel`` sends gradients in buckets of this size. [byte]
_BUCKET_BYTES: Final = 25.0 * 2**20

_STATES, _GRADIENTS, _PARAMETERS = 1, 2, 3

Weights = Iterable[tuple[Tensor, Number]]
"""Parameters, and how many like each there are."""


@attrs.frozen(kw_only=True)
class DataParallel:
    """
    The data-parallel ranks of a job.

    Attributes:
        stage: ZeRO stage, 0 to 3.
        several: Whether there is more than one rank; a single one shares nothing and sends nothing.
    """

    stage: int
    several: bool

    @property
    def gathers(self) -> bool:
        """Whether a stretch's parameters are gathered before it runs."""
        return self._shares(_PARAMETERS)

    def fate(self, *, used_up: bool) -> GradientFate:
        """What becomes of a gradient in backward; *used_up* where a buffer or the optimizer takes it at once."""
        if used_up:
            return "taken"
        return "sharded" if self._shares(_GRADIENTS) else "stays"

    def states(self, size: Number) -> Number:
        """What a rank keeps of optimizer states of *size*. [byte]"""
        return rounded(size / RANKS) if self._shares(_STATES) else size

    def gradients(self, size: Number) -> Number:
        """What a rank keeps of gradients of *size*. [byte]"""
        return rounded(size / RANKS) if self._shares(_GRADIENTS) else size

    def parameters(self, size: Number) -> Number:
        """What a rank keeps of parameters of *size*. [byte]"""
        return rounded(size / RANKS) if self._shares(_PARAMETERS) else size

    def buckets(self, gradients: Number) -> Number:
        """
        Buffers that gradients are sent from: ``DistributedDataParallel`` copies every gradient into a bucket, unless it
        is told ``gradient_as_bucket_view=True``. [byte]
        """
        return gradients if self.several and self.stage == 0 else 0.0

    @property
    def updated_share(self) -> Number:
        """By what a rank's part of the optimizer's step is divided."""
        return RANKS if self._shares(_STATES) else 1.0

    def messages(self, program: Program, trained: Weights) -> Iterator[tuple[Collective, Number]]:
        """
        What a rank sends in one step, and how often.

        Gradients are summed once a step; from stage 2 on a share of them in each micro-batch. Parameters are gathered
        once after the step, or, in stage 3, for each stretch before its forward and before its backward.
        """
        if not self.several:
            return
        weights = list(trained)
        sums = Collective(kind="all_reduce", payload=_bytes(weights), group=RANKS, launches=_messages(weights))
        if self.stage == 0:
            yield sums, 1.0
            return
        yield attrs.evolve(sums, kind="reduce_scatter"), MICRO_BATCHES if self._shares(_GRADIENTS) else 1.0
        if not self.gathers:
            yield attrs.evolve(sums, kind="all_gather"), 1.0
            return
        for stretch in program.stretches:
            whole = Collective(kind="all_gather", payload=_bytes((w, 1.0) for w in stretch.used()), group=RANKS)
            yield whole, 2.0 * MICRO_BATCHES * program.count(stretch)

    def _shares(self, stage: int) -> bool:
        return self.several and self.stage >= stage


def _bytes(weights: Weights) -> Number:
    return total((w.weight.stored if w.weight else w.bytes) * n for w, n in weights)


def _messages(weights: Weights) -> Number:
    """Into how many messages the weights' gradients are cut."""
    return _bytes(weights) / _BUCKET_BYTES + 1.0
