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

        context_exchange: How they let its tokens see each other: "a2a" (tokens are traded for heads), or "p2p" (keys
            and values go round a ring).

        expert: Ranks that share the experts of a layer. They are taken from the data-parallel ranks.

        schedule: In which order a pipeline works: "1f1b", "gpipe", "interleaved" (1f1b over virtual stages), or
            "zero-bubble" (weights' gradients are made apart).

        virtual_stages: Pieces of the model on each stage (interleaving).

        first_stage_layers, last_stage_layers: Layers of the first and of the last stage, where they have fewer or more
            than the others. None: as the others.

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
    context_exchange: Literal["a2a", "p2p"] = "a2a"
    expert: _Ways = 1
    schedule: Literal["1f1b", "gpipe", "interleaved", "zero-bubble"] = "1f1b"
    virtual_stages: _Ways = 1
    first_stage_layers: _Ways | None = None
    last_stage_layers: _Ways | None = None

    def _contradictions(self) -> Iterable[str]:
        if self.sequence not in (1, self.tensor):
            yield f"the sequence is shared by 1 or by all {self.tensor} tensor ranks, not by {self.sequence} @ Parallelism.sequence"
        if self.virtual_stages > 1 and self.pipeline == 1:
            yield "virtual stages need a pipeline of two stages or more @ Parallelism.virtual_stages"
        if self.virtual_stages > 1 and self.schedule == "gpipe":
            yield "virtual stages are a way of 1f1b, not of gpipe @ Parallelism.schedule"
        if self.virtual_stages == 1 and self.schedule == "interleaved":
            yield "interleaving needs two virtual stages or more @ Parallelism.virtual_stages"
        if self.pipeline == 1 and (self.first_stage_layers or self.last_stage_layers):
            yield "layers of a first and a last stage need a pipeline of two stages or more @ Parallelism.pipeline"

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        return JobError(faults)

    @property
    def ranks_per_replica(self) -> int:
        """Cards that hold one copy of the model together: ``tensor * pipeline * context``."""
        return self.tensor * self.pipeline * self.context
