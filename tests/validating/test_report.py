"""Error statistics, against figures worked out by hand, and what validate() refuses."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.errors import SpecError, UnknownNameError
from llmplan.validating import Report, validate
from llmplan.validating.statistics import Compared, statistics


def compared(measured: float, likely: float, low: float | None = None, high: float | None = None, **more: Any) -> Compared:
    """One quantity of one case."""
    return Compared(
        quantity=more.get("quantity", "peak"),
        groups=more.get("groups", ()),
        measured=measured,
        low=likely if low is None else low,
        likely=likely,
        high=likely if high is None else high,
        inputs=more.get("inputs", {}),
    )


class TestStatistics:
    def test_by_hand(self) -> None:
        """Errors of +10 %, -20 %, 0 and +40 %; three intervals, two of which hold the measurement."""
        found = statistics(
            [compared(100, 110, 90, 130), compared(100, 80, 70, 90), compared(100, 100), compared(100, 140, 100, 200)]
        )
        assert found["n"] == 4
        assert found["median_ape"] == pytest.approx(0.15)
        assert found["mape"] == pytest.approx(0.175)
        assert found["max_ape"] == pytest.approx(0.4)
        assert found["p90_ape"] == pytest.approx(0.34)
        assert found["p95_ape"] == pytest.approx(0.37)
        assert found["bias"] == pytest.approx(0.075)
        assert found["geometric"] == pytest.approx(math.exp((math.log(1.1) + math.log(1.25) + math.log(1.4)) / 4) - 1)
        assert found["coverage"] == pytest.approx(2 / 3)
        assert found["width"] == pytest.approx(130 / 90)

    def test_nothing_predicted_where_nothing_was_is_right(self) -> None:
        """0 of 0 is no error; something of 0 is one without bounds."""
        assert compared(0, 0).error == 0
        assert compared(0, 1).error == math.inf

    @given(st.lists(st.tuples(st.floats(1, 1e12), st.floats(1, 1e12)), min_size=1, max_size=20), st.floats(1e-3, 1e3))
    def test_units_do_not_matter(self, pairs: list[tuple[float, float]], factor: float) -> None:
        """Errors are fractions of the measurement."""
        one = statistics([compared(m, p) for m, p in pairs])
        other = statistics([compared(m * factor, p * factor) for m, p in pairs])
        assert [x for x in other.values() if x is not None] == pytest.approx(
            [x for x in one.values() if x is not None], rel=1e-9, abs=1e-9
        )
        assert one["median_ape"] <= one["p90_ape"] <= one["p95_ape"] <= one["max_ape"]  # type: ignore[operator]


class TestReport:
    def test_groups(self) -> None:
        """Those of each case, and all of them together."""
        cases = [compared(1, 1, groups=("a", "b")), compared(1, 2, groups=("a",)), compared(1, 3)]
        found = Report(kind="memory", cases=4, compared=cases, unanswered={"reason": 1}).statistics()["peak"]
        assert {group: s["n"] for group, s in found.items()} == {"all": 3, "a": 2, "b": 1}

    def test_answered(self) -> None:
        """All but those with a reason."""
        assert Report(kind="memory", cases=7, compared=(), unanswered={"one": 2, "another": 1}).answered == 4

    def test_nothing_at_all(self) -> None:
        """A file without cases is reported as such."""
        empty = Report(kind="memory", cases=0, compared=(), unanswered={})
        assert empty.to_dict()["statistics"] == {}
        assert empty.text() == "memory: 0 of 0 cases answered"


class TestValidate:
    def test_an_unknown_kind(self) -> None:
        """With the nearest."""
        with pytest.raises(UnknownNameError, match=r"'memry'\. Did you mean 'memory'\?"):
            validate("memry", [])

    def test_a_file_that_is_not_there(self) -> None:
        """With its name."""
        with pytest.raises(SpecError, match=r"nowhere\.json:\n.*cannot be read"):
            validate("memory", ["nowhere.json"])

    def test_what_is_no_path(self) -> None:
        """A number is none."""
        with pytest.raises(SpecError, match="expected the path of a file, got 3 @ paths"):
            validate("memory", [3])  # type: ignore[list-item]
