"""Parallelism: how a job is divided among cards, under Megatron's names."""

from collections.abc import Iterable
from typing import Annotated, Literal

from llmplan.errors import JobError, LlmplanError
from llmplan.nouns._check import Between
from llmplan.nouns._noun import Noun, noun

_Ways = Annotated[int, Between(1, 1e7)]


@noun
class Parallelism(Noun):
    """
    Into how many parts each dimension of a job is cut.

    Attributes:
        data: Ranks that each see other sequences. None: as many as the cards allow.

        shard: What these ranks divide instead of copying (ZeRO's stages): 0 nothing, 1 optimizer states,
            2 gradients too, 3 parameters too (FSDP).

        tensor: Ranks that share each matrix.

        pipeline: Stages that share the layers.

        sequence: 1, or as many as ``tensor``: the ranks of a matrix share the tokens between matrices as well.

        context: Ranks that share each sequence.

        expert: Ranks that share the experts of a layer. They are taken from the data-parallel ranks.

        schedule: In which order a pipeline works: "1f1b" or "gpipe".

        virtual_stages: Pieces of the model on each stage (interleaving).

    Raises:
        SpecError: A field has a value that it cannot have.

        JobError: Two fields contradict each other.

    Example:
        >>> Parallelism(tensor=8, pipeline=4).ranks_per_replica
        32

    .. versionadded:: 0.1.0
    """

    data: _Ways | None = None
    shard: Annotated[int, Between(0, 3)] = 0
    tensor: _Ways = 1
    pipeline: _Ways = 1
    sequence: _Ways = 1
    context: _Ways = 1
    expert: _Ways = 1
    schedule: Literal["1f1b", "gpipe"] = "1f1b"
    virtual_stages: _Ways = 1

    def _contradictions(self) -> Iterable[str]:
        if self.sequence not in (1, self.tensor):
            yield f"the sequence is shared by 1 or by all {self.tensor} tensor ranks, not by {self.sequence} @ Parallelism.sequence"
        if self.virtual_stages > 1 and self.pipeline == 1:
            yield "virtual stages need a pipeline of two stages or more @ Parallelism.virtual_stages"
        if self.virtual_stages > 1 and self.schedule == "gpipe":
            yield "virtual stages are a way of 1f1b, not of gpipe @ Parallelism.schedule"

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        return JobError(faults)

    @property
    def ranks_per_replica(self) -> int:
        """Cards that hold one copy of the model together: ``tensor * pipeline * context``."""
        return self.tensor * self.pipeline * self.context
