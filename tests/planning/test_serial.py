"""A plan as plain data, read back; and pickled into another process."""

import copy
import json
import math
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmplan
from llmplan import Plan, SpecError


def test_it_reads_back_equal(plan):
    """Through JSON text, all floats to the last bit."""
    back = Plan.from_dict(json.loads(plan.to_json()))
    assert back == plan
    assert hash(back) == hash(plan)
    assert str(back) == str(plan)
    assert back.to_dict() == plan.to_dict()


def test_what_was_read_back_explains_itself(plan):
    """Nothing is lost that the explanation needs."""
    assert str(Plan.from_dict(json.loads(plan.to_json())).explain()) == str(plan.explain())


def test_plans_are_equal_by_value(plans):
    """The same question has the same answer; another question has not."""
    again = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9))
    assert again == plans["least"]
    assert plans["least"] != plans["compiled"]


def test_every_number_has_its_unit(plan):
    """Of the answers: no bare number anywhere beside the nouns."""
    data = plan.to_dict()
    del data["job"], data["schema_version"]

    def bare(value, path):
        if isinstance(value, dict):
            if "unit" in value:
                return []
            return [found for key, item in value.items() for found in bare(item, f"{path}.{key}")]
        if isinstance(value, list):
            return [found for item in value for found in bare(item, path)]
        return [path] if isinstance(value, (int, float)) and not isinstance(value, bool) else []

    assert bare(data, "") == []


def test_it_holds_versions(plan):
    """Of llmplan, and of nothing that nothing came from."""
    assert plan.to_dict()["versions"] == {"llmplan": llmplan.__version__}


def test_it_can_be_pickled_into_a_fresh_process(plan):
    """There it is equal to itself as the other process makes it."""
    code = (
        "import pickle, sys\n"
        "plan = pickle.load(sys.stdin.buffer)\n"
        "import llmplan\n"
        "assert plan == llmplan.Plan.from_dict(plan.to_dict())\n"
        "assert plan.case.architecture is llmplan.architectures[plan.case.model.architecture]\n"
        "sys.stdout.buffer.write(pickle.dumps(plan))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(plan), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert pickle.loads(done.stdout) == plan
    assert copy.deepcopy(plan) == plan


# ---- what is wrong with data is told, with its path


@pytest.fixture
def data(plans):
    """What may be spoilt."""
    return json.loads(plans["site"].to_json())


def refused(data):
    with pytest.raises(SpecError) as caught:
        Plan.from_dict(data, where="plan.json")
    assert caught.value.where == "plan.json"
    return caught.value.faults


@pytest.mark.parametrize("version", [2, 0, "1", True, None, 1.0])
def test_another_schema_version_is_refused_with_both(data, version):
    """Whoever reads the message knows what to install."""
    data["schema_version"] = version
    (fault,) = refused(data)
    assert "schema_version = 1" in fault
    assert llmplan.__version__ in fault
    assert fault.endswith("@ schema_version")
    if version is not None:
        assert f"schema_version = {version!r}" in fault


def test_no_schema_version_is_refused(data):
    """As it may be anything."""
    del data["schema_version"]
    assert "no schema_version" in refused(data)[0]


@pytest.mark.parametrize("what", [None, 3, "{}", [], [1]])
def test_what_is_no_object_is_refused(what):
    """Text is for a JSON parser."""
    assert refused(what) == (f"expected the object that Plan.to_dict() gave, got {type(what).__name__} @ plan",)


def test_all_faults_are_told_at_once(data):
    """Each with its path and, where it is a slip, with the nearest right name."""
    data["memory"]["peek"] = data["memory"].pop("peak")
    data["time"]["steps"] = {"value": 1.5, "unit": "step"}
    data["energy"]["site"]["low"] = 1e99
    data["carbon"]["emitted"]["unit"] = "kgg"
    data["overhead_sources"]["usable"]["kind"] = "hearsay"
    data["job"]["model"]["sauce"] = 3
    data["job"]["architecture"] = "nanochat"
    data["memory"]["largest"][0] = ["only a label"]
    faults = refused(data)
    paths = {fault.rpartition(" @ ")[2] for fault in faults}
    assert paths == {
        "memory",
        "memory.peak",
        "time.steps.value",
        "energy.site",
        "carbon.emitted",
        "overhead_sources.usable.kind",
        "job.model",
        "job.architecture",
        "memory.largest[0]",
    }
    assert any("Did you mean 'peak'?" in fault for fault in faults)
    assert any("Did you mean 'source'?" in fault for fault in faults)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fits", "yes"),
        ("fits", 1),
        ("fit_probability.value", math.nan),
        ("fit_probability.value", True),
        ("fit_probability.unit", "percent"),
        ("time.step.low", "3 s"),
        ("time.step.likely", math.inf),
        ("time.step.high", 10**400),
        ("time.step.basis", "hoped"),
        ("time.step.confidence", 2),
        ("time.bound_by", 3),
        ("memory.terms", []),
        ("warnings", "one"),
        ("warnings", [3]),
        ("assumptions", [{"knob": "x"}]),
        ("num_parameters.total.value", 3.5),
        ("job.site", 3),
        ("job.site.pue", 0.5),
        ("job.parallelism.data", 0),
        ("job.training", None),
        ("job.architecture", 3),
        ("versions.llmplan", 1),
    ],
)
def test_a_wrong_value_is_told_with_its_path(data, path, value):
    """Whatever it is."""
    *steps, last = path.split(".")
    inner = data
    for step in steps:
        inner = inner[step]
    inner[last] = value
    assert any(path.rpartition(".")[0] in fault.rpartition(" @ ")[2] for fault in refused(data))


def test_an_integer_that_python_cannot_spell_is_refused(data):
    """As any other number that is none."""
    data["time"]["step"]["high"] = 10**5000
    assert refused(data) == ("expected a finite number, got int that is too long to be told @ time.step.high",)


def test_deep_nesting_is_refused(data):
    """Before anything walks into it."""
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    data["warnings"] = deep
    assert "deep" in refused(data)[0]


paths = st.lists(st.integers(0, 30), min_size=1, max_size=6)
junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})


@given(path=paths, value=junk)
def test_data_with_anything_replaced_is_a_plan_or_a_spec_error(plans, path, value):
    """Nothing else, whatever stands wherever."""
    data = json.loads(plans["site"].to_json())
    parent, key = data, "schema_version"
    here = data
    for step in path:
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys:
            break
        parent, key = here, keys[step % len(keys)]
        here = parent[key]
    parent[key] = value
    try:
        Plan.from_dict(data)
    except SpecError as error:
        assert error.faults  # noqa: PT017  # which of the two it is depends on what was drawn
