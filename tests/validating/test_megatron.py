"""Megatron-LM's memory on real cards, predicted from the settings alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.errors import LlmplanError, SpecError
from llmplan.evaluating.stages import memory_of_stages
from llmplan.validating.megatron import inputs_of, is_run, measured_of, predict_run, run_of
from llmplan.validating.memory import validate_memory

DATA = Path(__file__).parents[1] / "data"
RUNS = DATA / "megatron_b200.json"
#: Other runs of the same table. The runtime was written on the seven; one of these, Llama 3 of 405 B on two stages, showed
#: that a stage's schedule holds on to the gradient that it sent back.
OTHERS = json.loads((DATA / "megatron_b200_more.json").read_text(encoding="utf-8"))["cases"]
MIB = 2.0**20


def runs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RUNS.read_text(encoding="utf-8"))["cases"]
    return found


def run(name: str) -> dict[str, Any]:
    return next(r for r in runs() if r["id"] == name)


def test_the_source_is_named() -> None:
    """With its licence."""
    assert "Apache-2.0" in json.loads(RUNS.read_text(encoding="utf-8"))["source"]


@pytest.mark.parametrize("name", [r["id"] for r in runs() if r["model"]["kind"] == "dense"])
def test_a_dense_run_is_within_a_hundredth_of_a_percent(name: str) -> None:
    """What is left are a few MiB of the first rank's logging and of buffers that NCCL asks PyTorch for."""
    found, measured = predict_run(inputs_of(run(name))), measured_of(run(name), "")
    assert found["peak"][1] == pytest.approx(measured["peak"], rel=1e-4)
    low, likely, high = found["reserved"]
    assert low <= measured["reserved"] <= high
    assert likely == pytest.approx(measured["reserved"], rel=0.03)


@pytest.mark.parametrize("name", [r["id"] for r in runs() if r["model"]["kind"] == "mla-moe"])
def test_a_run_with_experts_is_within_half_a_percent(name: str) -> None:
    """What is left are small tensors of the router and of its balancing loss, and how tokens lie among experts."""
    found, measured = predict_run(inputs_of(run(name))), measured_of(run(name), "")
    assert found["peak"][1] == pytest.approx(measured["peak"], rel=5e-3)


@pytest.mark.parametrize("other", OTHERS, ids=[r["id"] for r in OTHERS])
def test_another_run_of_the_table(other: dict[str, Any]) -> None:
    """Llama 3 of 405 B, long sequences on more ranks, DeepSeek's third generation."""
    assert predict_run(inputs_of(other))["peak"][1] == pytest.approx(measured_of(other, "")["peak"], rel=1e-3)


def test_each_stage_is_right_not_only_the_worst() -> None:
    """The first stage of two has two micro-batches in flight, the last has the head."""
    name = "llama3_70b_l12_tp1_pp2_dp4_mbc4_cef"
    ranks = run(name)["measured"]["by_rank_mib"]
    first, last = memory_of_stages(run_of(inputs_of(run(name))))
    engine, blas = 32.0 + 1 / 1024, 2 * 8.125
    assert (first.stage, last.stage) == (0, 1)
    assert first.peak / MIB + engine == pytest.approx(ranks["3"]["max_allocated_mib"], rel=1e-5)
    assert last.peak / MIB + engine + blas == pytest.approx(ranks["5"]["max_allocated_mib"], rel=5e-5)


def test_no_more_micro_batches_need_no_more() -> None:
    """Four or 32 micro-batches of one stage: to the byte."""
    names = ("llama3_70b_l12_tp8_pp1_dp1_mbc4_cef", "llama3_70b_l12_tp8_pp1_dp1_mbc32_cef")
    four, many = (predict_run(inputs_of(run(name)))["peak"] for name in names)
    assert four == many


def test_the_predictor_sees_no_result() -> None:
    """Neither the name nor what was measured."""
    for r in runs():
        assert is_run(r)
        assert not {"id", "measured"} & set(inputs_of(r))


def test_the_report_is_a_group_of_its_own() -> None:
    """Judged by the largest of the ranks."""
    report = validate_memory([str(RUNS)])
    made = report.to_dict()
    assert made["cases"] == len(runs())
    assert set(made["statistics"]) == {"peak", "reserved"}
    assert set(made["statistics"]["peak"]) == {"all", "megatron"}


@pytest.mark.parametrize("missing", ["tensor", "seq", "model", "gradients"])
def test_what_a_run_does_not_say_is_a_fault(missing: str) -> None:
    """With its key."""
    inputs = inputs_of(runs()[0])
    del inputs[missing]
    with pytest.raises(SpecError, match=missing):
        run_of(inputs)


@pytest.mark.parametrize(
    "change", [{"tensor": 3}, {"pipeline": 5}, {"dtype": "fp16"}, {"recompute": "some"}, {"context": 3, "pipeline": 1}]
)
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    """By name, never guessed."""
    with pytest.raises(LlmplanError):
        predict_run(inputs_of(runs()[0]) | change)


def test_counters_that_are_not_there() -> None:
    """Are a fault of the file."""
    with pytest.raises(SpecError, match="by_rank_mib"):
        measured_of({"measured": {"by_rank_mib": {"0": {}}}}, "somewhere")
