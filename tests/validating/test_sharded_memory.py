"""Sharded memory against PyTorch's own: FSDP2, DDP and ZeroRedundancyOptimizer on fake process groups."""

from pathlib import Path

import pytest

from llmplan.validating import Report, validate

DATA = Path(__file__).parent.parent / "data"
CASES, RANDOM = DATA / "memory_cases_sharded.json", DATA / "memory_cases_sharded_random.json"


@pytest.fixture(scope="module", name="report")
def _report() -> Report:
    return validate("memory", CASES)


class TestAccuracy:
    def test_every_case_is_answered(self, report: Report) -> None:
        """None is left out."""
        assert not report.unanswered
        assert report.answered == report.cases >= 30

    @pytest.mark.parametrize(("quantity", "error"), [("peak", 0.00005), ("saved_for_backward", 0.001)])
    def test_arithmetic_is_exact_or_nearly(self, report: Report, quantity: str, error: float) -> None:
        """What is left are a few blocks of 512 bytes, of the loss's own scalars."""
        assert report.statistics()[quantity]["all"]["max_ape"] <= error

    def test_settings_drawn_at_random(self) -> None:
        """Those that no rule was made for: small models, of which a few blocks of 512 bytes are a larger share."""
        drawn = validate("memory", RANDOM)
        assert not drawn.unanswered
        assert drawn.statistics()["peak"]["all"]["max_ape"] <= 0.0002
        assert all(abs(c.likely - c.measured) <= 4 * 512 for c in drawn.compared if c.quantity == "peak")
