"""Reserved memory: the allocator replayed, against what PyTorch's own requests make of it."""

import json
from pathlib import Path

import attrs
import numpy as np
import pytest

import llmplan
from llmplan import Training
from llmplan.errors import UnsupportedError
from llmplan.evaluating.fitting import reserved as held_for
from llmplan.evaluating.replaying import MEASURED_OVER_REPLAYED, replayed, reserved
from llmplan.validating.memory import case_of

FILE = Path("tests/data/memory_cases_reserved.json")


@pytest.fixture(scope="module", name="ratios")
def _ratios() -> tuple[np.ndarray, np.ndarray]:
    """Measured over replayed: reserved, and allocated with what blocks have to spare."""
    cases = json.loads(FILE.read_text("utf-8"))["cases"]
    found = []
    for c in cases:
        held = replayed(case_of({k: v for k, v in c["inputs"].items() if k != "name"}), steps=c["inputs"]["steps"])
        m = c["measured"]
        found.append((m["allocator_peak_reserved"] / held.reserved, m["allocator_peak_allocated"] / held.allocated))
    reserved_, allocated = np.array(found).T
    return reserved_, allocated


class TestAgainstRandomRuns:
    def test_the_interval_is_that_of_the_measured_errors(self, ratios: tuple[np.ndarray, np.ndarray]) -> None:
        """Computed from the file that it is said to come from."""
        low, likely, high = np.quantile(ratios[0], (0.05, 0.5, 0.95))
        assert (low, likely, high) == pytest.approx(MEASURED_OVER_REPLAYED, abs=2e-3)

    def test_reserved_and_allocated(self, ratios: tuple[np.ndarray, np.ndarray]) -> None:
        """Half of the runs to the byte, or nearly; nineteen in twenty to a hundredth, and allocated to a thousandth."""
        for found, p95 in zip(ratios, (0.01, 0.001), strict=True):
            errors = np.abs(1.0 / found - 1.0)
            assert np.median(errors) < 1e-4
            assert np.quantile(errors, 0.95) < p95


class TestPlan:
    def test_it_is_made_when_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A plan and its fit need no replay."""
        asked = []
        monkeypatch.setattr("llmplan.planning.reports.reserved", lambda case, peak: asked.append(case) or reserved(case, peak))
        plan = llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9, micro_batch_size=4))
        assert plan.fits
        assert not asked
        low, likely, high = plan.memory.reserved.si
        assert plan.memory.peak.si[1] <= low <= likely <= high
        assert plan.memory.device.si[1] > likely
        assert len(asked) == 1

    def test_micro_batches_that_change_nothing_are_left_out(self) -> None:
        """A step of many micro-batches holds what one of a few does."""
        few, many = (
            llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9, micro_batch_size=4, global_batch_size=4 * n)).memory.reserved
            for n in (7, 201)
        )
        assert few == many

    def test_what_cannot_be_replayed_has_measured_ratios(self) -> None:
        """Several ranks: the order of their buffers is not modelled."""
        alone = llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9, micro_batch_size=4)).case
        case = attrs.evolve(alone, parallelism=alone.parallelism.evolve(data=2))
        assert reserved(case, 1e9) == held_for(1e9)
        with pytest.raises(UnsupportedError, match="several ranks"):
            replayed(case)

    def test_expandable_segments(self) -> None:
        """They strand less here."""
        case = llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9, micro_batch_size=4)).case
        expandable = attrs.evolve(case, runtime=case.runtime.evolve(expandable_segments=True))
        assert replayed(expandable).reserved < replayed(case).reserved
