"""Parallelism: how a job is divided among cards, under Megatron's names."""

from collections.abc import Iterable
from typing import Annotated, Literal

from llmplan.errors import JobError, LlmplanError
from llmplan.nouns._check import Between, Name
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

        replicate: Copies of the sharded model: ranks of one copy share its parameters, and copies sum their gradients (HSDP).
            A divisor of ``data``; 1 where all ranks share one copy.

        implementation: Whose code: "ddp" (PyTorch's DistributedDataParallel, with its ZeroRedundancyOptimizer in stage 1),
            "fsdp2" (PyTorch's fully_shard on each block and the whole model), or "deepspeed" (stage 2). None: "ddp" in stages 0
            and 1, "fsdp2" in 3, and in 2 what ZeRO's paper describes, without buffers.

        reshard_after_forward: Whether a block's gathered parameters are let go after its forward and gathered again for its
            backward. FSDP2 alone has this choice.

        gradient_sync: Which micro-batches sum their gradients between ranks: "every" one, or the "last" of a step alone, which
            under FSDP2 keeps whole gradients until then. None: "every" under FSDP2 and from stage 2 on, "last" elsewhere.

        gradient_as_bucket_view: Whether gradients lie in the buckets that DDP sends, instead of being copied there.

        reduce_format: Format that FSDP2 sums gradients in. None: that of the precision's gradients.

        reduce_bucket_size: Elements of the bucket that DeepSpeed sums gradients in. [element]

        parameters_on: Where FSDP2's shards live: on the "device", or on the "host", with their gradients and optimizer states.

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
    replicate: _Ways = 1
    implementation: Literal["ddp", "fsdp2", "deepspeed"] | None = None
    reshard_after_forward: bool = True
    gradient_sync: Literal["every", "last"] | None = None
    gradient_as_bucket_view: bool = False
    reduce_format: Name | None = None
    reduce_bucket_size: Annotated[int, Between(1, 1e12)] = 500_000_000
    parameters_on: Literal["device", "host"] = "device"
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

        yield from self._sharding_contradictions()

    def _sharding_contradictions(self) -> Iterable[str]:
        if self.implementation == "fsdp2" and self.shard != 3:  # noqa: PLR2004  a stage
            yield f"FSDP2 shares parameters, which is stage 3, not {self.shard} @ Parallelism.shard"
        if self.implementation == "ddp" and self.shard > 1:
            yield f"DDP shares nothing, or optimizer states alone (stage 1), not stage {self.shard} @ Parallelism.shard"
        if self.gradient_as_bucket_view and self.shard > 1:
            yield f"buckets are DDP's, and stage {self.shard} is not @ Parallelism.gradient_as_bucket_view"
        if self.data is not None and self.data % self.replicate:
            yield f"{self.data} data-parallel ranks are not {self.replicate} copies of equal size @ Parallelism.replicate"
        of_fsdp2 = {
            "replicate": self.replicate > 1,
            "reshard_after_forward": not self.reshard_after_forward,
            "reduce_format": self.reduce_format is not None,
            "parameters_on": self.parameters_on != "device",
        }
        if self.shard != 3:  # noqa: PLR2004  a stage
            for field in (name for name, said in of_fsdp2.items() if said):
                yield f"this is a way of FSDP2, stage 3, and the stage is {self.shard} @ Parallelism.{field}"

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        return JobError(faults)

    @property
    def ranks_per_replica(self) -> int:
        """Cards that hold one copy of the model together: ``tensor * pipeline * context``."""
        return self.tensor * self.pipeline * self.context
