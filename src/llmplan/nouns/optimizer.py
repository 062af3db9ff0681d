"""Optimizer: which states it keeps for a parameter, in what format, and when it runs."""

from collections.abc import Iterable
from typing import Final, Literal

from llmplan.nouns._check import Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source

#: Algorithms that bitsandbytes keeps in 8 bits, whatever the implementation is called.
_BY_BITSANDBYTES: Final = ("adamw", "lion")

#: Whose steps there are of each algorithm.
_IMPLEMENTED: Final = {
    "adamw": ("fused", "foreach", "loop", "bitsandbytes", "torchao"),
    "nadam": ("foreach", "loop"),
    "radam": ("foreach", "loop"),
    "adafactor": ("foreach", "loop", "transformers"),
    "lion": ("foreach", "loop", "bitsandbytes"),
}

#: In which formats a library keeps states.
_FORMATS: Final = {
    "bitsandbytes": ("fp32", "8bit-block"),
    "torchao": ("8bit-block", "4bit-block", "fp8-block"),
    "transformers": ("parameter",),
}


@noun
class Optimizer(Noun):
    """
    What updates the parameters.

    Attributes:
        name: Its registry id, such as "adamw-8bit".

        algorithm: "adamw" (two states a parameter), "adamw-amsgrad" (three), "nadam", "radam" (two), "adafactor" (a factor
            for the rows and one for the columns of a matrix), "lion" (one), "sgd" (none), "sgd-momentum" (one), or "muon"
            (one state a parameter of a hidden matrix; AdamW for the rest).

        implementation: Whose step it is. PyTorch's "fused" (one kernel for many tensors), "foreach" (an operation over all
            tensors at a time, with temporaries as large as all of them) or "loop" (tensor by tensor); or a library's:
            "bitsandbytes" (in place), "torchao" (compiled, tensor by tensor), "transformers" (its Adafactor).

        state_format: "parameter" (as the parameter itself), "fp32", "8bit-block" (8 bits an element and a scale a
            block; bitsandbytes' unless the implementation is torchao's), "4bit-block" or "fp8-block" (torchao's).

        embedding_states: "fp32" where states of embedding tables are kept so while others are packed, as Transformers'
            ``Trainer`` asks bitsandbytes for; "same" otherwise.

        master: Whether it keeps and updates a copy of the parameters in fp32.

        when: "step" (after the last backward of a step), or "backward" (each parameter as soon as its gradient is
            there, so that gradients never exist all at once). "backward" needs one micro-batch a step: a job with
            more is refused, as gradients could not be added up.

        states_on: Where the states live: "device", "host", or "paged" (states of 100,000 elements and more in unified
            memory, which moves to the device page by page while it is used and is backed by the host's; scales and smaller
            states stay on the device).

        source: Where its states and temporaries are described.

    Raises:
        SpecError: A field has a value that it cannot have, or two of them contradict each other.

    Example:
        >>> from llmplan.sources import Source
        >>> Optimizer(name="mine", algorithm="adamw", source=Source.assumption("an example")).implementation
        'fused'

    .. versionadded:: 0.1.0
    """

    name: Name
    algorithm: Literal["adamw", "adamw-amsgrad", "nadam", "radam", "adafactor", "lion", "sgd", "sgd-momentum", "muon"]
    implementation: Literal["fused", "foreach", "loop", "bitsandbytes", "torchao", "transformers"] = "fused"
    state_format: Literal["parameter", "fp32", "8bit-block", "4bit-block", "fp8-block"] = "parameter"
    embedding_states: Literal["same", "fp32"] = "same"
    master: bool = False
    when: Literal["step", "backward"] = "step"
    states_on: Literal["device", "host", "paged"] = "device"
    source: Source

    def _contradictions(self) -> Iterable[str]:
        if self.algorithm == "sgd" and self.state_format != "parameter":
            yield f"plain sgd keeps no states that could be {self.state_format} @ Optimizer.state_format"
        known = _IMPLEMENTED.get(self.algorithm, ("fused", "foreach", "loop"))
        packed = self.state_format == "8bit-block" and self.algorithm in _BY_BITSANDBYTES
        if self.implementation not in known and not packed:
            yield f"{self.algorithm} is implemented as {' or '.join(known)}, not {self.implementation} @ Optimizer.implementation"
        formats = _FORMATS.get(self.implementation, ("parameter", "fp32", "8bit-block"))
        if self.implementation in known and self.state_format not in formats:
            yield (f"states of {self.implementation} are {' or '.join(formats)}, not {self.state_format} @ Optimizer.state_format")
        if self.algorithm == "adafactor" and self.state_format != "parameter":
            yield f"adafactor's factors are not kept in {self.state_format} @ Optimizer.state_format"
        if self.states_on == "paged" and self.implementation != "bitsandbytes":
            yield "states are paged by bitsandbytes only @ Optimizer.states_on"
        if self.embedding_states != "same" and self.state_format != "8bit-block":
            yield "embedding tables keep other states only where the rest is 8bit-block @ Optimizer.embedding_states"
