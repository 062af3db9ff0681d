"""explain(): no number without its formula, inputs, source and basis."""

import re

import pytest

import llmplan
from llmplan import Estimate, Source


def test_every_number_has_an_entry_and_every_entry_its_number(plan, numbers):
    """The names of the entries are the paths of the plan's numbers, and their values are those numbers."""
    explanation, expected = plan.explain(), numbers(plan)
    assert [entry.name for entry in explanation if entry.name not in expected] == []
    assert [name for name in expected if name not in {entry.name for entry in explanation}] == []
    for name, value in expected.items():
        found = explanation[name].value
        assert found == value if isinstance(value, Estimate) else found.si == (value, value, value), name


def test_every_entry_says_where_it_comes_from(plan):
    """A formula, a source, a basis; and inputs for all that is not taken as it is."""
    for entry in plan.explain():
        assert entry.formula.strip(), entry.name
        assert isinstance(entry.source, Source)
        assert entry.basis == entry.value.basis
        if not entry.inputs:
            assert entry.formula == "as the source states it" or entry.name.startswith("time.terms."), entry.name


def test_sums_are_sums(plan):
    """Where a formula is a sum of other entries, they add up."""
    explanation = plan.explain()
    summed = 0
    for entry in explanation:
        terms = entry.formula.splitlines()[0].split(" + ")
        if len(terms) < 2 or not all(re.fullmatch(r"(memory|time)\.[\w. ]+", term) for term in terms):
            continue
        for end in (0, 1, 2) if entry.name != "time.step" else (1,):
            total = sum(explanation[term].value.si[end] for term in terms)
            assert total == pytest.approx(entry.value.si[end]), entry.name
        summed += 1
    assert summed >= (1 if plan.fits is None else 4)


def test_utilisation_is_as_its_formula_says(plan):
    """MFU follows from three entries and the peak, which is an input with its source."""
    explanation = plan.explain()
    given = {i.name: i for i in explanation["time.mfu"].inputs}
    compute = plan.case.precision.compute
    peak = given[f"hardware.peak_flops ({compute})"]
    assert peak.source == plan.case.hardware.peak(compute).source
    tokens, flops = explanation["time.tokens_per_second"].value.si[1], explanation["time.flops_per_token"].value.si[1]
    expected = flops * tokens / plan.case.machine.count / plan.case.hardware.peak(compute).si
    assert explanation["time.mfu"].value.si[1] == pytest.approx(expected)


def test_constants_come_with_their_sources(plans):
    """A term of the step names the calibrated constants that it depends on, and no others."""
    names = {i.name: i for i in plans["least"].explain()["time.terms.forward"].inputs}
    efficiency = "calibration.matmul.efficiency.ada-lovelace-gddr"
    known = plans["least"].case.calibration.constants
    assert names[efficiency].source == known[efficiency.removeprefix("calibration.")].source
    assert not [name for name in names if "hopper" in name or "ampere" in name]
    assert "calibration.conditions.consumer" in {i.name for i in plans["least"].explain()["time.step"].inputs}


def test_the_nouns_sources_are_named(plans):
    """Card, tariff, grid, price and overheads: each with the source that its noun has."""
    plan, explanation = plans["site"], plans["site"].explain()

    def sources(name):
        return {i.source for i in explanation[name].inputs} | {explanation[name].source}

    assert plan.case.hardware.memory_usable.source in sources("memory.usable")
    assert plan.case.hardware.tdp.source in sources("energy.board_power")
    assert plan.case.tariff.source in sources("cost.electricity")
    assert plan.case.price.source in sources("cost.rent")
    assert plan.case.grid.carbon_intensity.source in sources("carbon.emitted")
    for name in ("context", "driver", "display"):
        assert plan.overhead_sources[name] in sources(f"memory.terms.{name}")


def test_what_was_assumed_is_told_beside_the_input(plans):
    """A knob that was left open carries the rule that set it."""
    given = {i.name: i for i in plans["least"].explain()["time.steps"].inputs}
    assert given["Training.sequence_length"].source.kind == "assumption"
    assert given["Training.tokens"].source is None


def test_the_peak_has_a_closed_form(plans):
    """In letters, each of which is an input."""
    entry = plans["site"].explain()["memory.peak"]
    assert "hidden_size" in entry.formula
    given = {i.name for i in entry.inputs}
    letters = set(re.findall(r"\b(tokens|hidden_size|vocab_size|n\d)\b", entry.formula))
    assert letters
    assert letters <= given


def test_it_prints_within_80_columns_with_every_source_once(plan):
    """References are numbered, and each number is told at the end."""
    text = str(plan.explain())
    assert max(map(len, text.splitlines())) <= 80
    body, _, sources = text.rpartition("\nSources\n")
    cited = {int(n) for n in re.findall(r" \[(\d+)\]$", body, re.MULTILINE)}
    told = [int(n) for n in re.findall(r"^\[(\d+)\] ", sources, re.MULTILINE)]
    assert told == list(range(1, len(told) + 1))
    assert cited <= set(told)


def test_one_entry_prints_on_its_own(plans):
    """With its sources written out."""
    text = str(plans["site"].explain()["carbon.emitted"])
    assert text.startswith("carbon.emitted = ")
    assert "Taiwan Energy Administration" in text


def test_a_name_that_there_is_not(plans):
    """Is an error that says the nearest one."""
    with pytest.raises(llmplan.UnknownNameError, match=r"Did you mean 'memory\.peak'"):
        plans["least"].explain()["memory.peek"]


def test_it_is_a_sequence(plans):
    """Counted, sliced and walked."""
    explanation = plans["least"].explain()
    assert len(explanation) == len(list(explanation))
    assert explanation[0] is next(iter(explanation))
    assert list(explanation[:2]) == list(explanation)[:2]
    assert [entry["name"] for entry in explanation.to_dict()] == [entry.name for entry in explanation]
