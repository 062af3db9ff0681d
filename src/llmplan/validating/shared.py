"""Training memory of one rank that shares matrices or layers: cases measured on PyTorch with a process group that sends nothing."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import Memory, memory
from llmplan.evaluating.stages import memory_of_stages
from llmplan.nouns.parallelism import Parallelism
from llmplan.registry import resolve

#: The allocated peak does not depend on the card; this machine has cards enough.
_ANY_MACHINE: Final = "8x a100-sxm-80gb"


def is_shared(inputs: Mapping[str, Any]) -> bool:
    """Whether a case says how it is shared."""
    return "tensor" in inputs or "pipeline" in inputs


def shared(case: Case, inputs: Mapping[str, Any]) -> Case:
    """A *case* of one rank as one of several that share it as *inputs* say."""
    tensor = inputs.get("tensor", 1)
    parallelism = Parallelism(
        data=1,
        tensor=tensor,
        sequence=tensor if inputs.get("sequence") else 1,
        pipeline=inputs.get("pipeline", 1),
        schedule=inputs.get("schedule", "1f1b"),
        virtual_stages=inputs.get("virtual_stages", 1),
    )
    return attrs.evolve(case, parallelism=parallelism, machine=resolve("machine", _ANY_MACHINE))


def memory_of(case: Case, inputs: Mapping[str, Any]) -> Memory:
    """The memory of the stage that *inputs* name."""
    if case.parallelism.pipeline == 1:
        return memory(case)
    stage: Memory = memory_of_stages(case, every=True)[inputs.get("stage", 0)]
    return stage
