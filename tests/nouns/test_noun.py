"""What all nouns share: checks, all faults at once, evolve, repr."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from llmplan.errors import LlmplanError, SpecError
from llmplan.nouns._check import Between, Count, Currency, Date, Name, Positive, Share, TimeZone
from llmplan.nouns._noun import Noun, noun
from llmplan.nouns._table import Table
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.lora import LoRA
from llmplan.sources import Bytes, Source, Sourced, Watts
from llmplan.units import quantity

SHEET = Source(kind="datasheet", title="a made-up card")


@noun
class Part(Noun):
    """A noun with a field of every kind."""

    name: Name = "part"
    count: Count = 1
    ratio: float = 0.5
    share: Share = 0.5
    size: Positive = 1.0
    flag: bool = False
    colour: Literal["red", "green"] = "red"
    day: Date = "2026-01-01"
    zone: TimeZone = "UTC"
    money: Currency = "USD"
    pair: tuple[int, str] = (1, "a")
    many: tuple[Count, ...] = ()
    memory: Bytes | None = None
    power: Mapping[Name, Watts] = Table()
    other: Name | LoRA | None = None
    level: Annotated[int, Between(0, 3)] = 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "not empty"),
        ("name", "  ", "not empty"),
        ("name", 3, "expected a text, got the number 3"),
        ("name", "two\nlines", "one line"),
        ("name", "x" * 300, "at most 200"),
        ("name", None, "expected a text, got nothing"),
        ("name", "\ud800", "Unicode"),
        ("count", 0, "from 1 to 1e9, got 0"),
        ("count", -1, "got -1"),
        ("count", 1.5, "whole number, got the number 1.5"),
        ("count", "70B", "whole number, got the text '70B'"),
        ("count", True, "whole number, got the boolean True"),
        ("count", 1e30, "got 1e30"),
        ("count", 10**400, "1e308"),
        ("count", math.nan, "whole number"),
        ("count", math.inf, "whole number"),
        ("ratio", math.nan, "finite"),
        ("ratio", -math.inf, "finite"),
        ("ratio", "0.5", "expected a number, got the text"),
        ("ratio", True, "expected a number, got the boolean"),
        ("ratio", 10**400, "finite"),
        ("share", 1.5, "from 0 to 1"),
        ("size", 0, "above 0"),
        ("size", -2.0, "above 0"),
        ("size", 1e30, "at most 1e18"),
        ("flag", 1, "true or false"),
        ("colour", "gren", "Did you mean 'green'"),
        ("colour", 3, "expected one of 'red', 'green'"),
        ("day", "2026-02-30", "a date such as"),
        ("day", "tomorrow", "a date such as"),
        ("zone", "Asia/Taipeh", "Did you mean 'Asia/Taipei'"),
        ("zone", "../../etc/passwd", "time zone"),
        ("money", "usd", "three capital letters"),
        ("pair", (1,), "a list of 2"),
        ("pair", ("a", 1), "whole number"),
        ("many", 3, "expected a list"),
        ("many", "123", "expected a list"),
        ("memory", "80 GB", "a source is needed"),
        ("memory", 80, "bare number 80"),
        ("memory", quantity(80, "GB"), "a source is needed"),
        ("memory", Sourced("80 W", SHEET), "byte"),
        ("memory", Sourced("80 GB/s", SHEET), "byte"),
        ("memory", Sourced("1e30 GB", SHEET), "below"),
        ("memory", Sourced("0 GB", SHEET), "above zero"),
        ("memory", Sourced("-1 GB", SHEET), "above zero"),
        ("power", 3, "expected a table"),
        ("power", {"a": "3 W"}, "a source is needed"),
        ("power", {"": Sourced("3 W", SHEET)}, "not empty"),
        ("other", 3, "expected a text or a LoRA"),
        ("level", 4, "from 0 to 3"),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any, message: str) -> None:
    """The error says what was expected, what was given, and which field it is."""
    with pytest.raises(SpecError, match=f"(?s){message}.* @ Part.{field}") as caught:
        Part(**{field: value})
    assert isinstance(caught.value, LlmplanError)
    assert caught.value.where == "Part"


def test_all_faults_of_one_call_are_told_at_once() -> None:
    """Nobody mends a file ten times."""
    with pytest.raises(SpecError) as caught:
        Part(name="", count=0, many=[1, 0, -1], power={"a": 3, "b": Sourced("3 GB", SHEET)})  # type: ignore[arg-type, dict-item]
    paths = [fault.rpartition(" @ ")[2] for fault in caught.value.faults]
    assert paths == ["Part.name", "Part.count", "Part.many[1]", "Part.many[2]", "Part.power.a", "Part.power.b"]


def test_values_are_tidied() -> None:
    """Lists become tuples, dicts Tables, whole floats integers, dates texts, numpy's scalars Python's."""
    part = Part(
        count=2e3,  # type: ignore[arg-type]
        many=[np.int64(1), 2],  # type: ignore[arg-type]
        ratio=np.float32(0.5),  # type: ignore[arg-type]
        day=dt.date(2026, 3, 1),  # type: ignore[arg-type]
        power={"a": Sourced("3 W", SHEET)},
    )
    assert type(part.count) is int
    assert part.many == (1, 2)
    assert type(part.many[0]) is int
    assert type(part.ratio) is float
    assert part.day == "2026-03-01"
    assert isinstance(part.power, Table)


def test_annotations_must_be_there_when_the_class_is_made() -> None:
    """A text in place of a type would check nothing: the module has postponed its annotations."""
    with pytest.raises(TypeError, match="from __future__ import annotations"):

        @noun
        class Postponed(Noun):
            name: "str"


def test_nouns_are_keyword_only() -> None:
    """A position says nothing about a unit."""
    with pytest.raises(TypeError):
        Part("part")  # type: ignore[call-arg]


class TestEvolve:
    def test_a_change_without_a_source_is_an_assumption(self) -> None:
        """Text and quantities become sourced values that say who made them up."""
        part = Part(memory=Sourced("80 GB", SHEET))
        for value in ("24 GB", quantity(24, "GB")):
            changed = part.evolve(memory=value).memory
            assert changed is not None
            assert changed.source.kind == "assumption"
            assert changed.si == 24e9
        assert part.memory is not None
        assert part.memory.source == SHEET

    def test_a_change_with_a_source_keeps_it(self) -> None:
        """A Sourced is taken as it is, and other fields keep theirs."""
        changed = Part(memory=Sourced("80 GB", SHEET)).evolve(memory=Sourced("24 GB", SHEET), count=2)
        assert changed == Part(memory=Sourced("24 GB", SHEET), count=2)

    def test_tables_of_values(self) -> None:
        """Each value of a table may be given as text."""
        power = Part().evolve(power={"a": "3 W", "b": Sourced("4 W", SHEET)}).power
        assert power["a"].source.kind == "assumption"
        assert power["b"].source == SHEET

    def test_what_was_measured_can_be_left_out(self) -> None:
        """None is no text without a source."""
        assert Part(memory=Sourced("80 GB", SHEET)).evolve(memory=None).memory is None

    @pytest.mark.parametrize("value", ["80 GBB", "lots", "80 W", "nan GB", "9**9**9 GB"])
    def test_a_wrong_change_is_refused(self, value: str) -> None:
        """An assumption must still be a quantity of the right kind; the error names the field."""
        with pytest.raises(SpecError, match=r"Part\.memory"):
            Part().evolve(memory=value)

    def test_an_unknown_field_is_told_with_the_nearest(self) -> None:
        """A slip of the pen is a SpecError, not a TypeError."""
        with pytest.raises(SpecError, match=r"unknown field 'memori'\. Did you mean 'memory'"):
            Part().evolve(memori="80 GB")


def test_repr_shows_what_is_said() -> None:
    """Fields at their default are left out, and quantities are short."""
    assert repr(Part(count=3, memory=Sourced("80 GB", SHEET))) == "Part(count=3, memory=80 GB)"


def test_there_is_no_hardware_whose_memory_has_no_source() -> None:
    """The promise that the library rests on."""
    with pytest.raises(SpecError, match=r"Hardware\.memory_capacity"):
        Hardware(
            name="card",
            vendor="Acme",
            family="One",
            kind="server",
            memory_capacity="80 GB",  # type: ignore[arg-type]
            memory_bandwidth=Sourced("2 TB/s", SHEET),
            peak_flops={},
            tdp=Sourced("300 W", SHEET),
        )
