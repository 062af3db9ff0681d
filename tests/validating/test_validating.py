"""Validation as a product: what it reports, and how the predictions fare."""

import json

import pytest

from llmplan import SpecError, UnknownNameError
from llmplan.validating import validate

MEMORY, BILLS = "tests/data/memory_cases.json", "tests/data/bill_cases.json"
NAMES = {"n", "median_ape", "mape", "p90_ape", "p95_ape", "max_ape", "bias", "geometric", "coverage", "width"}


def test_memory_of_plain_pytorch_is_exact():
    """Every case of the three families is answered within 0.05 % of its peak, and what it keeps within 0.01 %."""
    report = validate("memory", MEMORY)
    statistics = report.statistics()
    assert (report.cases, report.answered) == (48, 37)
    assert statistics["peak"]["all"]["max_ape"] < 5e-6
    assert statistics["saved_for_backward"]["all"]["max_ape"] < 1e-4
    assert statistics["reserved"]["all"]["coverage"] > 0.9
    assert all("Transformers" in reason for reason in report.unanswered)
    assert set(statistics["peak"]) == {"all", "nanochat", "gpt2", "llama"}


def test_bills_are_exact():
    """Every bill is within half a cent or a millionth."""
    report = validate("bills", [BILLS])
    assert report.answered == report.cases == 39
    for c in report.compared:
        assert abs(c.likely - c.measured) <= max(0.005, 1e-6 * abs(c.measured))


@pytest.mark.parametrize(("kind", "path"), [("memory", MEMORY), ("bills", BILLS)])
def test_the_report_is_plain_data(kind, path):
    """One object, in the form that programs rely on; no case's name or result is among a predictor's inputs."""
    data = json.loads(json.dumps(validate(kind, path).to_dict(), allow_nan=False))
    assert set(data) == {"kind", "cases", "answered", "unanswered", "worst", "statistics"}
    assert len(data["worst"]) == 10
    assert all(set(s) == NAMES for groups in data["statistics"].values() for s in groups.values())
    assert not any({"name", "expected", "measured"} & set(case["inputs"]) for case in data["worst"])


@pytest.mark.parametrize(
    ("kind", "paths", "error", "message"),
    [
        ("memry", MEMORY, UnknownNameError, "Did you mean 'memory'"),
        ("memory", "no-such-file.json", SpecError, "cannot be read"),
        ("memory", [3], SpecError, "expected the path of a file"),
        ("memory", "pyproject.toml", SpecError, "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_validated_is_told(kind, paths, error, message):
    """An unknown kind, a file that is none."""
    with pytest.raises(error, match=message):
        validate(kind, paths)
