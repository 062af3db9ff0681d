"""Table and freeze: plain data that can be hashed."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from strategies_nouns import config_values

from llmplan.nouns._table import NULL, Table, freeze, thaw


class TestTable:
    def test_is_a_mapping_in_the_order_given(self) -> None:
        """A Table iterates as it was given, and equals a dict with the same items in any order."""
        table = Table({"b": 1, "a": 2})
        assert list(table) == ["b", "a"]
        assert table == {"a": 2, "b": 1}
        assert hash(table) == hash(Table({"a": 2, "b": 1}))
        assert table != [("b", 1), ("a", 2)]

    def test_does_not_follow_the_dict_it_was_made_from(self) -> None:
        """Changing the dict afterwards changes nothing."""
        items = {"a": 1}
        table = Table(items)
        items["a"] = 2
        assert table["a"] == 1

    def test_cannot_be_changed(self) -> None:
        """There is no way to set an item."""
        with pytest.raises(TypeError):
            Table({"a": 1})["a"] = 2  # type: ignore[index]

    def test_survives_pickle(self) -> None:
        """A Table that has been hashed is pickled without its hash."""
        table = Table({"a": Table({"b": (1, 2)})})
        hash(table)
        assert pickle.loads(pickle.dumps(table)) == table


class TestFreeze:
    @given(config_values)
    def test_thaws_to_what_it_was(self, value: Any) -> None:
        """Lists and dicts come back from tuples and Tables, and all of it can be hashed."""
        frozen = freeze(value)
        hash(frozen)
        assert freeze(thaw(frozen)) == frozen

    def test_reads_the_null_of_toml(self) -> None:
        """TOML has no null, so one is written as a table."""
        assert freeze({"sliding_window": dict(NULL)}) == {"sliding_window": None}

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (float("nan"), "finite"),
            ([float("inf")], "finite"),
            ({1: 2}, "expected text as a key"),
            (object(), "expected text, a number"),
            ("\ud800", "Unicode"),
        ],
    )
    def test_refuses_what_no_json_says(self, value: Any, message: str) -> None:
        """Neither NaN, nor other keys than text, nor other objects are plain data."""
        with pytest.raises(ValueError, match=message):
            freeze(value)

    def test_refuses_data_that_holds_itself(self) -> None:
        """A list inside itself is deeper than any limit."""
        endless: list[Any] = []
        endless.append(endless)
        with pytest.raises(ValueError, match="deep"):
            freeze(endless)
