"""Runtime: whose code runs a job, and how."""

from typing import Annotated, Literal

from llmplan.nouns._check import Between, Count, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Runtime(Noun):
    """
    The software that carries a job out.

    Attributes:
        name: Its registry id, such as "pytorch".

        framework: Whose code it is: the name of an emitter, such as "pytorch", "transformers", "megatron".

        mode: "eager", or "compiled" (by torch.compile).

        attention: "flash" (scores are never written to memory), or "eager" (they are).

        expandable_segments: Whether PyTorch's caching allocator grows its segments instead of adding new ones
            (``PYTORCH_CUDA_ALLOC_CONF``).

        gpu_memory_utilization: The share of a card's memory that an inference engine takes; None for training.

        block_size: Tokens in one block of an engine's key-value cache; None for training.

        source: Where these settings are described.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source
        >>> Runtime(name="mine", framework="pytorch", mode="compiled", source=Source.assumption("an example")).attention
        'flash'

    .. versionadded:: 0.1.0
    """

    name: Name
    framework: Name
    mode: Literal["eager", "compiled"] = "eager"
    attention: Literal["flash", "eager"] = "flash"
    expandable_segments: bool = False
    gpu_memory_utilization: Annotated[float, Between(0, 1, above=True)] | None = None
    block_size: Count | None = None
    source: Source
