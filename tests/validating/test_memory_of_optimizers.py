"""Optimizers, clipping, adapters, packed bases and loss scaling: each measured case of small models, predicted."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from llmplan.errors import JobError
from llmplan.validating.memory import predict

FILE = Path(__file__).parents[1] / "data" / "memory_cases_optimizers.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
#: Numbers of their own that are not modelled (the loss's sum, a random state): a few blocks, whatever the model's size.
BLOCKS = 5 * 512


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, dict[str, float], dict[str, float]]]:
    """Name, predicted and measured of each."""
    found = []
    for case in CASES:
        predicted = {q: likely for q, (_, likely, _) in predict(case["inputs"]).items()}
        found.append((case["name"], predicted, case["measured"]))
    return found


def errors(answers: list[tuple[str, dict[str, float], dict[str, float]]], quantity: str) -> dict[str, float]:
    """The error of each beyond a few blocks, as a share of what was measured."""
    beyond = {n: max(0.0, abs(p[quantity] - m[quantity]) - BLOCKS) for n, p, m in answers}
    return {n: beyond[n] / m[quantity] for n, _, m in answers}


def test_every_case_is_answered_within_the_bar(answers: list[tuple[str, dict[str, float], dict[str, float]]]) -> None:
    """
    Peaks within 0.04 %, half of them within 0.002 %. Over 0.01 % are adapters under autocast over weights in 16 bits, where
    copies of single vectors are not told apart, and QLoRA's prepared base.
    """
    found = errors(answers, "peak")
    assert len(found) == len(CASES) >= 90
    assert max(found.values()) < 4e-4
    over = {name for name, error in found.items() if error > 1e-4}
    assert over <= {"lora gpt2 bf16 autocast fp32 full", "qlora prepared autocast", "qlora prepared autocast full"}
    assert median(abs(p["peak"] / m["peak"] - 1) for _, p, m in answers) < 2e-5


def test_what_is_kept_for_backward(answers: list[tuple[str, dict[str, float], dict[str, float]]]) -> None:
    """Within 0.01 %."""
    assert max(errors(answers, "saved_for_backward").values()) < 1e-4


def test_the_step_is_exact_where_it_is_the_peak(answers: list[tuple[str, dict[str, float], dict[str, float]]]) -> None:
    """To the byte: what stays, and what the optimizer takes for a moment."""
    steps = [(n, p["peak"], m["peak"]) for n, p, m in answers if m["peak_phase"] == "optimizer" and "fp16" not in n]
    assert len(steps) > 25
    assert [n for n, predicted, measured in steps if predicted != measured] == []


def test_a_target_that_no_layer_has_is_refused() -> None:
    """PEFT refuses it too."""
    case = next(c["inputs"] for c in CASES if c["inputs"].get("adapter"))
    with pytest.raises(JobError, match="no linear layer is named query"):
        predict(case | {"adapter": {"rank": 4, "targets": ["query"]}})


def test_adapters_on_more_layers_take_more() -> None:
    """Trained matrices, their gradients and states."""
    case = next(c["inputs"] for c in CASES if c["name"] == "lora llama full fp32 0.0")
    peaks = [
        predict(case | {"adapter": {"rank": 4, "format": "fp32", "targets": targets}})["peak"][1]
        for targets in (["q"], ["q", "v"], ["q", "k", "v", "out"], ["q", "k", "v", "out", "gate", "up", "down"])
    ]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 4
