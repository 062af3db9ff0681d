"""Optimizer: which states it keeps for a parameter, in what format, and when it runs."""

from collections.abc import Iterable
from typing import Literal

from llmplan.nouns._check import Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Optimizer(Noun):
    """
    What updates the parameters.

    Attributes:
        name: Its registry id, such as "adamw-8bit".

        algorithm: "adamw" (two states a parameter), "sgd" (none), "sgd-momentum" (one), or "muon" (one state a
            parameter of a hidden matrix; AdamW for the rest).

        implementation: "fused" (one kernel for many tensors), "foreach" (an operation over all tensors at a time,
            with temporaries as large as all of them), or "loop" (tensor by tensor).

        state_format: "parameter" (as the parameter itself), "fp32", or "8bit-block" (8 bits an element and a scale a
            block).

        master: Whether it keeps and updates a copy of the parameters in fp32.

        when: "step" (after the last backward of a step), or "backward" (each parameter as soon as its gradient is
            there, so that gradients never exist all at once). "backward" needs one micro-batch a step: a job with
            more is refused, as gradients could not be added up.

        states_on: Where the states live: "device" or "host".

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
    algorithm: Literal["adamw", "sgd", "sgd-momentum", "muon"]
    implementation: Literal["fused", "foreach", "loop"] = "fused"
    state_format: Literal["parameter", "fp32", "8bit-block"] = "parameter"
    master: bool = False
    when: Literal["step", "backward"] = "step"
    states_on: Literal["device", "host"] = "device"
    source: Source

    def _contradictions(self) -> Iterable[str]:
        if self.algorithm == "sgd" and self.state_format != "parameter":
            yield f"plain sgd keeps no states that could be {self.state_format} @ Optimizer.state_format"
