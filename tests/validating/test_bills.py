"""Bills against cases worked out in exact fractions and checked by other calculators."""

import json
from pathlib import Path

import pytest

from llmplan.errors import SpecError
from llmplan.validating import Report, validate

CASES = Path(__file__).parent.parent / "data" / "bill_cases.json"
DOCUMENT = json.loads(CASES.read_text())


@pytest.fixture(scope="module", name="report")
def _report() -> Report:
    return validate("bills", CASES)


def test_every_case_is_answered(report: Report) -> None:
    """None is beyond the tariffs that are billed here."""
    assert report.cases == report.answered == len(DOCUMENT["cases"])
    assert not report.unanswered


def test_every_bill_is_right_to_the_cent(report: Report) -> None:
    """Within the tolerance that the file states."""
    absolute, relative = (DOCUMENT["tolerance"][name] for name in ("absolute", "relative"))
    assert len(report.compared) == 2 * report.cases
    for c in report.compared:
        assert abs(c.likely - c.measured) <= max(absolute, relative * abs(c.measured)), c.inputs


def test_json(report: Report) -> None:
    """Both quantities, and the group of all."""
    made = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert made["kind"] == "bills"
    assert set(made["statistics"]) == {"whole_bill", "job_adds"}
    assert {group for groups in made["statistics"].values() for group in groups} == {"all"}
    assert made["statistics"]["whole_bill"]["all"]["n"] == report.cases


def test_a_case_that_says_nothing_is_counted(tmp_path: Path) -> None:
    """With its reason."""
    file = tmp_path / "bills.json"
    file.write_text('{"cases": [{}]}')
    report = validate("bills", file)
    assert (report.cases, report.answered) == (1, 0)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cases": 3}', '{"cases": [3]}'])
def test_what_is_no_file_of_cases(tmp_path: Path, content: str) -> None:
    """Told as such."""
    file = tmp_path / "bills.json"
    file.write_text(content)
    with pytest.raises(SpecError):
        validate("bills", file)
