"""The table that a plan prints as."""

import re

import pytest

import llmplan
from llmplan.planning.sections import probability


def test_no_line_is_longer_than_80_columns(plan):
    """Every plan fits a terminal as it was in 1978."""
    assert max(map(len, str(plan).splitlines())) <= 80


def test_it_is_plain(plan):
    """Letters that every console has, no escape codes, no blanks at the ends of lines."""
    text = str(plan)
    assert text.isascii()
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_verdict_comes_first(plans):
    """Whether it fits, how likely, and what is needed against what there is."""
    assert str(plans["least"]).splitlines()[0] == "gpt2 on rtx-4090"
    assert str(plans["least"]).splitlines()[2].startswith("fits (probability 1): needs ")
    assert str(plans["not-fitting"]).splitlines()[2].startswith("does not fit (probability 0): needs ")
    assert str(plans["compiled"]).splitlines()[2].startswith("fits (probability 1): needs ")
    assert str(plans["unknown"]).splitlines()[2] == "whether it fits is not known"


def test_the_job_is_told(plans):
    """Model, machine, work, and the settings that the answers rest on."""
    text = str(plans["site"])
    for words in ("560,988,160 parameters", "1 x rtx-4070", "1,000,000,000 in sequences of 2,048", "tariff tw-residential"):
        assert words in text
    assert "16 nodes of 8" in str(plans["cluster"])
    assert "ZeRO-3" in str(plans["cluster"])
    assert "adamw, in backward" in str(plans["in-backward"])
    assert "states on the host" in str(plans["on-host"])
    assert "adapters of rank 16" in str(plans["adapter"])
    assert "frozen nf4" in str(plans["adapter"])


def test_every_section_has_its_say(plans):
    """Money and carbon only where the site names them; everything else always."""
    headings = [line.split("  ")[0] for line in str(plans["site"]).splitlines() if re.match(r"[A-Z]", line)]
    assert headings[:6] == ["Job", "Memory of one device", "Time", "Energy", "Money", "Carbon"]
    assert "Money" not in str(plans["least"])
    assert "Carbon" not in str(plans["rent"])


def test_assumptions_and_warnings_are_told_one_by_one(plan):
    """Each begins a line."""
    lines = [line.strip() for line in str(plan).splitlines()]
    for sentence in (*map(str, plan.assumptions), *plan.warnings):
        start = sentence[:40]
        assert any(line.startswith(start) for line in lines), sentence


def test_days_are_told_in_hours_too(plans):
    """231 days are a number of hours that somebody has to multiply with."""
    assert re.search(r"in hours +[\d,]+ h", str(plans["not-fitting"]))
    assert "in hours" not in str(plans["least"])


@pytest.mark.parametrize(("p", "said"), [(0.0, "0"), (1.0, "1"), (0.004, "0.01"), (0.998, "0.99"), (0.5, "0.50")])
def test_no_probability_is_rounded_to_certainty(p, said):
    """0.004 is no 0.00."""
    assert probability(p) == said


def test_a_cluster_of_millions_keeps_its_columns():
    """Amounts that are longer than their column get lines of their own."""
    plan = llmplan.plan(
        "llama-3.1-8b",
        "100000x8 h100-sxm",
        llmplan.Training(tokens=1e17, micro_batch_size=1),
        precision="bf16",
        site=llmplan.Site(price="aws-p5-48xlarge", exchange_rate="31.828 TWD/USD on 2026-03-10"),
    )
    assert max(map(len, str(plan).splitlines())) <= 80
