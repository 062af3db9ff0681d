"""Sharded memory against PyTorch's own: FSDP2, DDP and ZeroRedundancyOptimizer on fake process groups."""

from pathlib import Path

import pytest

from llmplan.validating import Report, validate

CASES = Path(__file__).parent.parent / "data" / "memory_cases_sharded.json"


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
