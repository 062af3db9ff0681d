"""llmplan validate."""

import json
from pathlib import Path

BILLS = Path(__file__).parents[1] / "data" / "bill_cases.json"


def test_it_prints_a_report(cli):
    """For people, with the count of answers first."""
    done = cli("validate", "bills", BILLS)
    assert done.exit_code == 0
    assert done.stdout.startswith("bills: ")


def test_json_is_one_object(cli):
    """With what the report promises."""
    found = json.loads(cli("validate", "bills", BILLS, "--json").stdout)
    assert set(found) >= {"kind", "cases", "answered", "unanswered", "worst", "statistics"}
    assert found["cases"] == found["answered"] + sum(found["unanswered"].values())


def test_wrong_input_is_told(cli, tmp_path):
    """A kind that there is not, a file that there is not, and one that holds something else."""
    (tmp_path / "other.json").write_text('{"cases": 3}')
    for given in (("nosuch", BILLS), ("bills", tmp_path / "nowhere.json"), ("bills", tmp_path / "other.json"), ("bills",)):
        done = cli("validate", *given)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
