"""The published bill cases are reproduced to half a cent, line by line, from their inputs alone."""

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.billing.cases import case_inputs, predict
from llmplan.errors import LlmplanError, SpecError, UnknownNameError

DOCUMENT = json.loads((Path(__file__).parents[1] / "data" / "bill_cases.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
# The expected amounts are written with six decimals.
EXACT = 1e-6


def leaves(value, path=""):
    """Paths of an answer and what stands there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


def differences(predicted, expected):
    """Paths at which a number of *expected* is not there, or not the same."""
    found = dict(leaves(predicted))
    for path, value in leaves(expected):
        # A period's days follow from its dates, and its job's kWh from the two bills.
        if path.startswith(".periods") and path.endswith((".days", ".job_kwh")):
            continue
        same = path in found and found[path] == (pytest.approx(value, abs=EXACT) if isinstance(value, float) else value)
        if not same:
            yield f"{path}: {found.get(path, 'nothing')} for {value}"


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_reproduced(name):
    """Every amount, line and peak of the case is predicted to the digits that are printed."""
    case = CASES[name]
    assert list(differences(predict(case_inputs(DOCUMENT, case)), case["expected"])) == []


def test_there_are_cases():
    """The file is not empty, so that the test above says something."""
    assert len(CASES) == 39


def test_a_prediction_sees_neither_name_nor_result():
    """Inputs hold what the bill depends on, and nothing else."""
    inputs = case_inputs(DOCUMENT, CASES["tw-res-min"])
    assert set(inputs) == {"tariff", "time_zone", "load", "baseline", "bill_periods"}


def test_a_case_that_names_no_tariff_is_refused():
    """A key that the document does not have is told with the nearest one."""
    case = CASES["tw-res-min"] | {"tariff": "tw-res-sumer"}
    with pytest.raises(UnknownNameError, match="Did you mean 'tw-res-summer'"):
        case_inputs(DOCUMENT, case)


def test_a_case_without_inputs_is_refused():
    """All inputs that are missing are told at once."""
    with pytest.raises(SpecError) as caught:
        case_inputs(DOCUMENT, {"tariff": "mb-flat", "load": {}})
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("baseline", [{}, {"kwh": 3}, {"watts": 3, "kwh_per_month": 4}])
def test_a_baseline_of_no_known_form_is_refused(baseline):
    """A baseline has exactly one of four forms."""
    inputs = case_inputs(DOCUMENT, CASES["mb-flat"]) | {"baseline": baseline}
    with pytest.raises(SpecError, match="expected one of kwh_per_month"):
        predict(inputs)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    ("time_zone",),
    ("load",),
    ("load", "start"),
    ("load", "hours"),
    ("load", "watts"),
    ("baseline",),
    ("baseline", "kwh_per_month"),
    ("bill_periods",),
    ("bill_periods", 0),
    ("bill_periods", 0, 0),
    ("tariff",),
    ("tariff", "x"),
    *(("tariff", name) for name in DOCUMENT["tariffs"]["tw-std2-sat"]),
    *(("tariff", "x", name) for name in ("taxes", "by_total", "fixed_by_kwh", "row_overrides", "holidays", "tier_reset")),
    ("tariff", "energyratestructure", 0),
    ("tariff", "energyratestructure", 0, 0),
    ("tariff", "energyweekdayschedule", 3),
    ("tariff", "energyweekdayschedule", 3, 3),
]


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PATHS), ANYTHING)
def test_nonsense_is_refused_in_our_own_words(path, value):
    """Whatever stands in a case, it is billed or refused with an error of the library."""
    inputs = copy.deepcopy(case_inputs(DOCUMENT, CASES["tw-std2-sat"]))
    place = inputs
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with contextlib.suppress(LlmplanError):
        predict(inputs)
