"""Fitting: what a job needs against what a card has, and how sure that is."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmplan
from llmplan import Training, hardwares
from llmplan.evaluating.fitting import RESERVED_OVER_ALLOCATED, _probability, reserved, usable_bytes
from llmplan.evaluating.overheads import overheads

needs = st.lists(st.floats(1e6, 1e12), min_size=3, max_size=3).map(sorted)


class TestProbability:
    @given(needs, st.floats(0, 2e12), st.floats(0, 2e12))
    def test_grows_with_what_there_is(self, need: list[float], one: float, other: float) -> None:
        """From nothing to certainty."""
        less, more = sorted((one, other))
        assert 0.0 <= _probability(*need, less) <= _probability(*need, more) <= 1.0

    @pytest.mark.parametrize(
        ("usable", "probability"), [(10.0, 0.05), (20.0, 0.5), (40.0, 0.95), (8.0, 0.0), (43.0, 1.0), (15.0, 0.275)]
    )
    def test_of_an_interval(self, usable: float, probability: float) -> None:
        """Its ends are the 5 % and the 95 % quantile, its likely value the median."""
        assert _probability(10.0, 20.0, 40.0, usable) == pytest.approx(probability)

    @pytest.mark.parametrize(("usable", "probability"), [(9.9, 0.0), (10.0, 1.0)])
    def test_of_what_is_exact(self, usable: float, probability: float) -> None:
        """It fits or it does not."""
        assert _probability(10.0, 10.0, 10.0, usable) == probability


class TestUsable:
    def test_what_the_driver_says_comes_first(self) -> None:
        """With its source."""
        card = hardwares["rtx-4070"]
        assert card.memory_usable is not None
        assert usable_bytes(card) == (card.memory_usable.si, card.memory_usable.source)

    def test_a_share_of_the_capacity_is_an_assumption(self) -> None:
        """Where nobody has looked."""
        size, source = usable_bytes(hardwares["rtx-4070"].evolve(memory_usable=None))
        assert 0.95 * 12 * 2**30 < size < 12 * 2**30
        assert source.kind == "assumption"


class TestNeed:
    def test_is_the_peak_and_all_that_lies_beside_it(self) -> None:
        """Part by part, likely values adding up to the likely need."""
        plan = llmplan.plan("gpt2", "rtx-4070", Training(tokens=1e9, micro_batch_size=4))
        assert plan.memory is not None
        terms = [term.si[1] for term in plan.memory.terms.values()]
        assert sum(terms) == pytest.approx(plan.memory.needed.si[1], rel=1e-12)
        assert plan.memory.needed.si[1] > plan.memory.peak.si[1]

    def test_reserved_is_shown_and_does_not_decide(self) -> None:
        """PyTorch gives cached segments back before it fails."""
        low, likely, high = reserved(1e9).si
        assert 1e9 < low < likely < high

    def test_ranks_and_displays_take_their_part(self) -> None:
        """Buffers for messages where there are several ranks; a desktop where one is attached."""
        names = [o.name for o in overheads(hardwares["h100-sxm"], 1)]
        assert [o.name for o in overheads(hardwares["h100-sxm"], 8)] == [*names, "communication buffers"]
        assert "display" in [o.name for o in overheads(hardwares["rtx-4070"], 1)]
        assert all(o.source.title for o in overheads(hardwares["rtx-4070"], 8))


def test_reserved_ratios_are_the_percentiles_of_the_measured_runs() -> None:
    """Computed from the file that they are said to come from, so that they cannot be typed wrong."""
    cases = json.loads(Path("tests/data/memory_cases.json").read_text("utf-8"))["cases"]
    ratios = [c["measured"]["allocator_peak_reserved"] / c["measured"]["peak"] for c in cases]
    assert len(ratios) == 48
    assert tuple(round(float(q), 5) for q in np.quantile(ratios, (0.05, 0.5, 0.95))) == RESERVED_OVER_ALLOCATED
