"""The draws of calibrated constants."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmplan.costs
from llmplan.costs.constants import along, constants, drawn
from llmplan.errors import UnknownNameError
from llmplan.registry import calibrations

names = st.text("abcdefgh.-", min_size=1, max_size=12)
values = st.dictionaries(names, st.tuples(st.floats(1e-12, 1e15), st.floats(0.0, 1.0)), min_size=1, max_size=6)


class TestDrawn:
    @given(values=values)
    def test_the_median_of_the_draws_is_the_value(self, values):
        """An odd number of draws has each constant's value as its median."""
        found = drawn(values)
        for name, (value, _) in values.items():
            assert np.median(found[name]) == pytest.approx(value)

    @given(values=values)
    def test_one_draw_is_the_value(self, values):
        """With one draw, as sweeps have, each constant is its value."""
        found = drawn(values, count=1)
        assert all(found[name][0] == pytest.approx(value) for name, (value, _) in values.items())

    @given(values=values, other=names)
    def test_a_constant_more_changes_no_other_draws(self, values, other):
        """A constant's draws follow from its own name and numbers alone."""
        before = drawn(values)
        after = drawn({**values, f"new.{other}": (1.0, 0.5)})
        assert all((before[name] == after[name]).all() for name in values)

    def test_two_constants_do_not_move_together(self):
        """Each constant goes through its quantiles in an order of its own."""
        found = drawn({"a": (1.0, 0.3), "b": (1.0, 0.3)})
        assert abs(np.corrcoef(np.log(found["a"]), np.log(found["b"]))[0, 1]) < 0.6

    def test_draws_are_quantiles(self):
        """Sorted, the draws of a log-normal are its quantiles: one above the median is matched by one below."""
        ranked = np.sort(drawn({"a": (2.0, 0.4)})["a"])
        assert ranked * ranked[::-1] == pytest.approx(np.full(33, 4.0))

    def test_an_unknown_constant_is_refused_by_name(self):
        """The error names the nearest constant that there is."""
        with pytest.raises(UnknownNameError, match=r"launch\.eager"):
            drawn({"launch.eager": (8e-6, 0.2)})["launch.eagre"]


class TestDefaultCalibration:
    def test_it_has_as_many_draws_as_it_says(self):
        """33 draws a constant, or as many as are asked for."""
        mine = calibrations["default"]
        assert constants(mine).count == mine.draw_count == 33
        assert constants(mine, count=1).count == 1

    def test_equal_calibrations_share_their_draws(self):
        """Draws are made once."""
        assert constants(calibrations["default"]) is constants(calibrations["default"])

    def test_every_constant_has_a_source_and_a_meaning(self):
        """No number without a source; what nothing measures is called an assumption and is wide."""
        for constant in calibrations["default"].constants.values():
            assert constant.source.title
            assert constant.meaning
            if constant.source.kind == "assumption":
                assert constant.sigma >= 0.05

    def test_every_constant_is_one_that_a_formula_asks_for(self):
        """A constant that nothing reads is a number without a use."""
        folder = Path(llmplan.costs.__file__).parent
        code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
        for name in calibrations["default"].constants:
            head = name.rpartition(".")[0]
            assert f'"{name}"' in code or f'"{head}.{{' in code, name

    def test_along_puts_the_sweep_after_the_draws(self):
        """The first axis is the draw."""
        assert along(np.ones(3), 2).shape == (3, 1, 1)
