"""What optimizers keep and take, against real optimizers' steps over tensors without bytes, storage by storage."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.program.op import Tensor, Weight
from llmplan.program.optimizer import Rule
from llmplan.validating.memory_optimizers import optimizer_of

STEPS = json.loads((Path(__file__).parents[1] / "data" / "optimizer_steps.json").read_text(encoding="utf-8"))["steps"]
STATES: Any = {"parameter": "parameter", "fp32": "fp32", "8bit-block": "8bit", "4bit-block": "4bit", "fp8-block": "fp8"}


def parameter(index: int, shape: list[int], number_format: str) -> Tensor:
    """A parameter of a measured step; the first is the embedding."""
    rows, cols = (1, *shape) if len(shape) == 1 else shape
    made = Tensor(float(rows), float(cols), number_format)
    role = "norm" if len(shape) == 1 else "matrix" if index else "embedding"
    made.weight = Weight(role, trainable=True, stored=made.bytes, name=f"parameter {index}")
    return made


NAMES = [f"{i}-{s['optimizer']}-{s['implementation']}-{s['format']}" for i, s in enumerate(STEPS)]


@pytest.mark.parametrize("step", STEPS, ids=NAMES)
def test_is_measured_to_the_byte(step: dict[str, Any]) -> None:
    """States after the first step; the most that the second takes beside them."""
    case = {"optimizer_impl": step["implementation"], "optimizer_in_backward": False, "optimizer": step["optimizer"]}
    noun = optimizer_of(case)
    # A master copy of parameters that are in FP32 is these parameters themselves in the script that was measured.
    master = noun.master and step["format"] != "fp32"
    rule = Rule(algorithm=noun.algorithm, implementation=noun.implementation, states=STATES[noun.state_format], master=master)
    weights = [parameter(i, shape, step["format"]) for i, shape in enumerate(step["shapes"])]
    assert sum(map(rule.state_bytes, weights)) + rule.shared_bytes == step["states"]
    assert rule.temporary_bytes([(w, 1.0) for w in weights]) == step["temporaries"]
