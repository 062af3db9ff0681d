"""What the first measured cases lack: dropout, odd attention, selective recomputation, offloading, losses, frozen weights."""

import json
from pathlib import Path

import pytest

from llmplan.evaluating.memory import memory
from llmplan.validating import validate
from llmplan.validating.memory import case_of

FILE = Path(__file__).parent.parent / "data" / "memory_cases_complete.json"
CASES = {case["name"]: case for case in json.loads(FILE.read_text())["cases"]}


@pytest.fixture(scope="module", name="report")
def _report():
    return validate("memory", [str(FILE)])


def test_all_are_answered(report):
    assert report.answered == report.cases == len(CASES) >= 50
    assert report.unanswered == {}


@pytest.mark.parametrize(("quantity", "error"), [("peak", 1e-5), ("saved_for_backward", 5e-5)])
def test_arithmetic_is_exact_or_nearly(report, quantity, error):
    """What is left are numbers of a few bytes, each of which takes 512: the loss and its divisions."""
    for group, found in report.statistics()[quantity].items():
        assert found["max_ape"] < error, group


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "host" in case["measured"]])
def test_activations_on_the_host(name):
    """Parameters that derivatives need are copied too, and the rotary tables each time."""
    case = CASES[name]
    found = memory(case_of({k: v for k, v in case["inputs"].items() if k != "name"}))
    assert found.host == pytest.approx(case["measured"]["host"], rel=1e-6)
