"""Memory against PyTorch's own allocations: measured cases, each predicted from its inputs alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.errors import SpecError, UnsupportedError
from llmplan.validating import Report, validate
from llmplan.validating.memory import predict

DATA = Path(__file__).parent.parent / "data"
CASES, RANDOM = DATA / "memory_cases.json", DATA / "memory_cases_random.json"


def cases(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())["cases"]
    return found


@pytest.fixture(scope="module", name="report")
def _report() -> Report:
    return validate("memory", CASES)


@pytest.fixture(scope="module", name="drawn")
def _drawn() -> Report:
    return validate("memory", RANDOM)


class TestAccuracy:
    def test_every_plain_case_is_answered(self, report: Report) -> None:
        """GPT-2, Llama and nanochat in plain PyTorch, and Llama's relatives in Transformers' own code."""
        left = [c["inputs"]["model"]["hf"] for c in cases(CASES) if c["inputs"]["model"].get("hf") == "Mixtral"]
        assert sum(report.unanswered.values()) <= len(left)
        assert report.answered + sum(report.unanswered.values()) == report.cases == len(cases(CASES))

    @pytest.mark.parametrize(("quantity", "error"), [("peak", 0.0005), ("saved_for_backward", 0.0001)])
    def test_arithmetic_is_exact_or_nearly(self, report: Report, quantity: str, error: float) -> None:
        """In every group."""
        for group, found in report.statistics()[quantity].items():
            assert found["max_ape"] <= error, group

    def test_reserved_memory_is_replayed(self, report: Report, drawn: Report) -> None:
        """Half of the runs to a thousandth, nineteen in twenty within 5 %, and most within the interval."""
        for found in (r.statistics()["reserved"]["all"] for r in (report, drawn)):
            assert found["median_ape"] < 0.001
            assert found["p95_ape"] < 0.05
            assert found["width"] < 1.05
        compared = [c for r in (report, drawn) for c in r.compared if c.quantity == "reserved"]
        assert sum(c.low <= c.measured <= c.high for c in compared) >= 0.85 * len(compared)

    def test_settings_drawn_at_random(self, drawn: Report) -> None:
        """Those that no rule was made for; the one whose peak comes as the model is built has a test of its own."""
        assert drawn.answered == drawn.cases
        statistics = drawn.statistics()
        assert statistics["peak"]["all"]["p95_ape"] < 1e-5
        assert statistics["saved_for_backward"]["all"]["max_ape"] < 0.001

    def test_what_is_refused_is_refused_with_its_reason(self) -> None:
        """Never answered by something near it."""
        inputs = next(c["inputs"] for c in cases(CASES) if c["inputs"]["model"].get("family") == "gpt2")
        for changes, reason in (
            ({"optimizer": "sophia"}, "sophia"),
            ({"model": inputs["model"] | {"family": "llama", "dropout": 0.1}}, "dropout"),
            ({"model": {"family": "mamba"}}, "mamba"),
        ):
            with pytest.raises(UnsupportedError, match=reason):
                predict(inputs | changes)


class TestHonesty:
    def test_the_predictor_sees_neither_name_nor_result(self, tmp_path: Path) -> None:
        """With both changed the predictions are the same."""
        some = cases(CASES)[:6]
        changed = [
            {"name": "?", "inputs": c["inputs"] | {"name": "?"}, "measured": dict.fromkeys(c["measured"], 1) | {"parameters": 1}}
            for c in some
        ]
        reports = []
        for name, those in (("as-they-are", some), ("changed", changed)):
            file = tmp_path / f"{name}.json"
            file.write_text(json.dumps({"cases": those}))
            reports.append(validate("memory", file))
        one, other = ([(c.quantity, c.low, c.likely, c.high) for c in report.compared] for report in reports)
        assert one == other
        assert all("name" not in c.inputs for c in reports[0].compared)

    def test_a_case_is_never_skipped(self, tmp_path: Path) -> None:
        """What cannot be answered is counted, reason by reason."""
        file = tmp_path / "cases.json"
        plain = next(c for c in cases(CASES) if c["inputs"]["model"].get("family") == "llama")
        others = [plain | {"inputs": plain["inputs"] | {"optimizer": name}} for name in ("sophia", "shampoo", "sophia")]
        file.write_text(json.dumps({"cases": [plain, *others]}))
        report = validate("memory", file)
        assert (report.cases, report.answered) == (4, 1)
        assert sorted(report.unanswered.values()) == [1, 2]


class TestForm:
    NAMES = ("n", "median_ape", "mape", "p90_ape", "p95_ape", "max_ape", "bias", "geometric", "coverage", "width")

    def test_json(self, report: Report) -> None:
        """One object: kind, cases, answered, unanswered, worst, statistics by quantity and group."""
        made = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert set(made) == {"kind", "cases", "answered", "unanswered", "worst", "statistics"}
        assert made["kind"] == "memory"
        assert set(made["statistics"]) == {"peak", "reserved", "saved_for_backward"}
        for groups in made["statistics"].values():
            assert set(groups) >= {"all", "nanochat", "gpt2", "llama", "hf-llama", "hf-qwen3", "hf-gemma", "hf-gptneox"}
            assert groups["all"]["n"] == sum(found["n"] for group, found in groups.items() if group != "all")
            for found in groups.values():
                assert set(found) == set(self.NAMES)
        exact = made["statistics"]["peak"]["all"]
        assert exact["coverage"] is None is exact["width"]

    def test_the_worst_come_first(self, report: Report) -> None:
        """Ten of them, each with what it was asked, what was predicted and what was measured."""
        worst = report.to_dict()["worst"]
        assert len(worst) == 10
        assert all(set(w) >= {"inputs", "predicted", "measured"} for w in worst)
        errors = [abs(w["predicted"] / w["measured"] - 1) for w in worst]
        assert errors == sorted(errors, reverse=True)

    def test_text(self, report: Report) -> None:
        """Lines for people."""
        lines = report.text().splitlines()
        assert lines[0] == f"memory: {report.answered} of {report.cases} cases answered"
        assert max(map(len, lines)) < 140

    def test_files_together_are_files_one_by_one(self, report: Report, drawn: Report) -> None:
        """Several files are one set of cases."""
        both = validate("memory", [CASES, str(RANDOM)])
        assert both.cases == report.cases + drawn.cases
        assert list(both.compared) == [*report.compared, *drawn.compared]

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "{}", '{"cases": 3}', '{"cases": [3]}', '{"cases": [{}]}', '{"cases": [{"inputs": 3, "measured": {}}]}'],
    )
    def test_what_is_no_file_of_cases(self, tmp_path: Path, content: str) -> None:
        """Named, with what was expected."""
        file = tmp_path / "cases.json"
        file.write_text(content)
        with pytest.raises(SpecError, match=r"cases\.json"):
            validate("memory", file)

    @pytest.mark.parametrize(
        "changes", [{"seq": "long"}, {"seq": None}, {"model": {"family": "gpt2"}}, {"micro_batch": 0}, {"dtype": "int3"}]
    )
    def test_inputs_that_are_none(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        """A case whose inputs cannot be read is told, or counted, and nothing else escapes."""
        plain = next(c for c in cases(CASES) if c["inputs"]["model"].get("family") == "gpt2")
        file = tmp_path / "cases.json"
        file.write_text(json.dumps({"cases": [plain | {"inputs": plain["inputs"] | changes}]}))
        try:
            report = validate("memory", file)
        except SpecError as error:
            assert str(file) in str(error)  # noqa: PT017  either is right
        else:
            assert report.answered == 0
