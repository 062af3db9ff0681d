"""Dense families in Transformers' own code: each measured case predicted from its inputs alone."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from llmplan.errors import UnsupportedError
from llmplan.validating.memory import predict

CASES = Path(__file__).parents[1] / "data" / "memory_cases_dense.json"

#: Cases whose peak is over 0.01 %, and why.
KNOWN: dict[str, str] = {
    "llama 1x2048 bf16 flash full": (
        "the peak is the optimizer's step: its loop still holds one tensor's FP32 gradient while it makes the next one's"
    ),
}


def _cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CASES.read_text())["cases"]
    return found


@pytest.fixture(scope="module", name="found")
def _all_found() -> dict[str, dict[str, tuple[float, float, float]]]:
    return {case["name"]: predict({k: v for k, v in case["inputs"].items() if k != "name"}) for case in _cases()}


@pytest.fixture(scope="module", name="errors")
def _all_errors(found: dict[str, dict[str, tuple[float, float, float]]]) -> dict[str, tuple[float, float]]:
    """Of the peak, and of what is saved for backward."""
    return {
        case["name"]: tuple(
            abs(found[case["name"]][q][1] / case["measured"][q] - 1)  # type: ignore[misc]
            for q in ("peak", "saved_for_backward")
        )
        for case in _cases()
    }


def test_reserved_memory_is_within_its_interval(found: dict[str, dict[str, tuple[float, float, float]]]) -> None:
    """In nearly nine of ten cases."""
    held = [(found[c["name"]]["reserved"], c["measured"]["allocator_peak_reserved"]) for c in _cases()]
    assert sum(low <= real <= high for (low, _, high), real in held) >= 0.85 * len(held)


@pytest.mark.parametrize("name", [case["name"] for case in _cases()])
def test_every_case_is_within_the_bar(name: str, errors: dict[str, tuple[float, float]]) -> None:
    """The peak and what is saved for backward within 0.01 %; a case that is known to be over is within 0.2 %."""
    peak, saved = errors[name]
    assert saved < 1e-4
    assert peak < (2e-3 if name in KNOWN else 1e-4)


def test_most_cases_are_far_within(errors: dict[str, tuple[float, float]]) -> None:
    """What is left are single numbers in blocks of 512 bytes."""
    assert median(peak for peak, _ in errors.values()) < 1e-5
    assert set(KNOWN) <= set(errors)


def test_all_families_and_settings_are_there() -> None:
    """Each family; each precision; kernels and scores in full; recomputed and not."""
    inputs = [case["inputs"] for case in _cases()]
    assert len({i["model"]["hf"] for i in inputs}) >= 20
    assert {i["dtype"] for i in inputs} >= {"bf16", "fp32", "autocast"}
    assert {(i["attention"], i["checkpoint"]) for i in inputs} == {(a, c) for a in ("flash", "eager") for c in ("none", "full")}


def test_what_transformers_refuses_is_refused() -> None:
    """Capped scores in ``scaled_dot_product_attention``."""
    eager = next(
        c["inputs"] for c in _cases() if c["inputs"]["model"]["hf"] == "Gemma2" and "attn" not in str(c["inputs"]["model"])
    )
    with pytest.raises(UnsupportedError, match="capped scores"):
        predict(eager | {"attention": "flash"})
