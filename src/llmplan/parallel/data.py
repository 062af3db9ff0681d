"""
Data parallelism: every rank sees other sequences, and keeps all of the model or a share.

The stages are ZeRO's (Rajbhandari et al., arXiv 1910.02054, section 5): 0 keeps everything on every rank, 1 shares the
optimizer's states, 2 the gradients too, 3 the parameters too (FSDP): they are gathered for each stretch of the program
before it runs and let go after.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from llmplan.parallel.deepspeed import FlatPartition
from llmplan.parallel.fsdp import FullyShard
from llmplan.parallel.sharding import SHARDS
from llmplan.program.kernel import Collective
from llmplan.program.op import Tensor
from llmplan.program.size import Number, Size, power_of_two, rounded, total
from llmplan.program.stretch import Program
from llmplan.program.walk import GradientFate

#: What a rank's share is divided by, and how many micro-batches a step has, in letters.
RANKS: Final[Number] = Size.letter("ranks")
MICRO_BATCHES: Final[Number] = Size.letter("micro_batches")

#: What the rank with the most states keeps and takes for a moment, where whole parameters are dealt out. [byte]
RANK_STATES: Final[Number] = Size.letter("rank_states")
RANK_TEMPORARIES: Final[Number] = Size.letter("rank_temporaries")

#: ``DistributedDataParallel`` sends gradients in buckets of this size. [byte]
_BUCKET_BYTES: Final = 25.0 * 2**20

_STATES, _GRADIENTS = 1, 2

Weights = Iterable[tuple[Tensor, Number]]
"""Parameters, and how many like each there are."""


@attrs.frozen(kw_only=True)
class DataParallel:
    """
    The data-parallel ranks of a job.

    Attributes:
        stage: ZeRO stage, 0 to 3.
        several: Whether there is more than one rank; a single one shares nothing and sends nothing.
        sharding: How FSDP2 shares parameters, in stage 3.
        flat: How DeepSpeed divides one flat buffer, in stage 2.
        bucket_views: Whether gradients lie in the buckets that they are sent from.
        last_only: Whether only the last micro-batch of a step sums gradients between ranks.
    """

    stage: int = 0
    several: bool = False
    sharding: FullyShard | None = None
    flat: FlatPartition | None = None
    bucket_views: bool = False
    last_only: bool = True

    @property
    def on_host(self) -> bool:
        """Whether shards of parameters live in the host's memory."""
        return self.sharding is not None and self.sharding.on_host

    @property
    def partitions(self) -> bool:
        """Whether whole parameters' states are dealt out to the ranks (``ZeroRedundancyOptimizer``)."""
        return self.several and self.stage == _STATES

    @property
    def ranks_differ(self) -> bool:
        """Whether ranks may keep unequal parts: whole parameters fall unevenly, and chunks are padded."""
        return self.partitions or self.sharding is not None or self.flat is not None

    def fate(self, *, used_up: bool) -> GradientFate:
        """What becomes of a gradient in backward; *used_up* where a buffer or the optimizer takes it at once."""
        if self.sharding:
            return "stays"
        if used_up or self.flat or (self.several and self.bucket_views):
            return "taken"
        return "sharded" if self._shares(_GRADIENTS) else "stays"

    def updated(self, program: Program) -> list[tuple[Tensor, Number]]:
        """What a rank's optimizer sees of all that is trained, where it is not a choice among parameters."""
        if self.flat:
            return [(self.flat.share(program), 1.0)]
        how, trained = self.sharding, [(w, n) for w, n in program.weights() if _is_trained(w)]
        return [(how.chunk(w), n) for w, n in trained] if how else trained

    def states(self, size: Number) -> Number:
        """What a rank keeps of the optimizer states of what it updates, all of *size*. [byte]"""
        if self.partitions:
            return RANK_STATES
        divides = self.stage == _GRADIENTS and self.several and not self.flat
        return rounded(size / RANKS) if divides else size

    def temporaries(self, program: Program, size: Number) -> Number:
        """What the step takes for a moment, *size* where the optimizer alone takes something. [byte]"""
        if self.flat:
            return self.flat.step(program)
        return RANK_TEMPORARIES if self.partitions else size

    def parameters(self, program: Program) -> Number:
        """Weights as they lie on a rank. [byte]"""
        if self.flat:
            return self.flat.parameters(program)
        how = self.sharding
        return total(rounded(how.chunk(w).bytes if how else _stored(w)) * n for w, n in program.weights())

    def gradients(self, program: Program) -> Number:
        """What a rank keeps of gradients when backward is done. [byte]"""
        if self.sharding:
            return total(self.sharding.shard_bytes(group) * n for group, n in self.sharding.groups(program))
        if self.flat:
            return self.flat.gradients(program)
        if self.several and self.bucket_views:
            return 0.0
        size = total(rounded(w.bytes) * n for w, n in program.weights() if _is_trained(w))
        return rounded(size / RANKS) if self._shares(_GRADIENTS) else size

    def on_the_host(self, program: Program, states: Number) -> Number:
        """
        What a rank keeps in the host's memory where its shards live there: parameters and gradients in pinned blocks, one a
        parameter, and *states* of an optimizer that steps there. [byte]
        """
        how = self.sharding
        if how is None or not how.on_host:
            return 0.0
        shards = total(power_of_two(how.chunk(w).bytes) * n for w, n in program.weights())
        gradients = total(power_of_two(how.chunk(w).bytes) * n for w, n in program.weights() if _is_trained(w))
        return shards + gradients + states

    def accumulated(self, program: Program) -> Number:
        """Gradients of earlier micro-batches that are there while the last one runs. [byte]"""
        if self.sharding:
            return 0.0 if self.sharding.unsynced else self.gradients(program)
        if self.several and self.bucket_views and self.last_only:
            return attrs.evolve(self, bucket_views=False).gradients(program)
        return self.gradients(program)

    def buckets(self, program: Program) -> Number:
        """
        Buffers that gradients are sent from: ``DistributedDataParallel`` copies every gradient into a bucket, unless it
        is told ``gradient_as_bucket_view=True``; then they are the gradients. [byte]
        """
        if not self.several or self.stage > _STATES:
            return 0.0
        return rounded(total(w.bytes * n for w, n in program.weights() if _is_trained(w)))

    @property
    def updated_share(self) -> Number:
        """By what a rank's part of the optimizer's step is divided."""
        if self.sharding:
            return SHARDS
        return RANKS if self._shares(_STATES) else 1.0

    def messages(self, program: Program, trained: Weights) -> Iterator[tuple[Collective, Number]]:
        """
        What a rank sends in one step, and how often.

        Gradients are summed once a step, or in each micro-batch. Parameters are gathered once after the step, or, in
        stage 3, for each group before its forward and before its backward.
        """
        if not self.several:
            return
        sums = 1.0 if self.last_only else MICRO_BATCHES
        if self.sharding:
            yield from self.sharding.messages(program, MICRO_BATCHES, sums)
            return
        weights = list(trained)
        sent = Collective(kind="all_reduce", payload=_bytes(weights), group=RANKS, launches=_messages(weights))
        if self.stage == 0:
            yield sent, sums
            return
        yield attrs.evolve(sent, kind="reduce_scatter"), sums
        yield attrs.evolve(sent, kind="all_gather"), 1.0

    def _shares(self, stage: int) -> bool:
        return self.several and self.stage >= stage


def _stored(weight: Tensor) -> Number:
    return weight.weight.stored if weight.weight else weight.bytes


def _is_trained(weight: Tensor) -> bool:
    return weight.weight is not None and weight.weight.trainable


def _bytes(weights: Weights) -> Number:
    return total(_stored(w) * n for w, n in weights)


def _messages(weights: Weights) -> Number:
    """Into how many messages the weights' gradients are cut."""
    return _bytes(weights) / _BUCKET_BYTES + 1.0
