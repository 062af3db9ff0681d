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

    def test_arithmetic_is_exact_or_nearly(self, report: Report) -> None:
        """What is left are a few blocks of 512 bytes."""
        assert report.statistics()["peak"]["all"]["max_ape"] <= 0.0001
