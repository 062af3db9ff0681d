"""explain(): every number of a plan with its formula, its inputs, its source and what it rests on."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs

from llmplan.errors import UnknownNameError
from llmplan.sources import Basis, Estimate, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmplan.planning.result import Plan

_WIDTH = 80
_HEAD = 11


@attrs.frozen(kw_only=True)
class Input:
    """
    Something that a number follows from.

    Attributes:
        name: A field of a noun, a knob of the job, a calibrated constant, or another number of the plan.
        value: What it is here, in words.
        source: Where it comes from; None for another number of the plan, which has an entry of its own, and for what
            the job itself says.
    """

    name: str
    value: str
    source: Source | None = None


@attrs.frozen(kw_only=True)
class Entry:
    """
    How one number came about.

    Attributes:
        name: Its place in the plan: "memory.peak".
        value: The number.
        formula: How it follows from the inputs, in letters or in words.
        inputs: What it follows from.
        source: Where the formula comes from, or the number itself where it is taken as it is.
    """

    name: str
    value: Estimate
    formula: str
    inputs: tuple[Input, ...]
    source: Source

    @property
    def basis(self) -> Basis:
        """What the number rests on: "exact", "measured", "calibrated" or "assumed"."""
        return self.value.basis

    def __str__(self) -> str:
        return "\n".join(self.lines(_cited))

    def lines(self, cite: "Callable[[Source], str]") -> Iterator[str]:
        """
        The entry in lines of at most 80 columns.

        Args:
            cite: How to write a source.
        """
        yield from _wrapped(f"{self.name} = {self._amount()}   [{self.basis}]", "", " " * 4)
        for number, line in enumerate(self.formula.splitlines()):
            yield from _said("" if number else "formula", line)
        for number, given in enumerate(self.inputs):
            source = f"   {cite(given.source)}" if given.source else ""
            yield from _said("" if number else "inputs", f"{given.name} = {given.value}{source}")
        yield from _said("source", cite(self.source))

    def _amount(self) -> str:
        """The value in words; what is counted, to the last one."""
        count = self.value.si[1]
        is_count = self.value.unit == "" and self.basis == "exact" and count == int(count)
        return f"{count:,.0f}" if is_count else str(self.value)

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain data, ready for JSON."""
        low, likely, high = self.value.si
        return {
            "name": self.name,
            "value": {"low": low, "likely": likely, "high": high, "unit": self.value.unit},
            "basis": self.basis,
            "formula": self.formula,
            "inputs": [
                {"name": given.name, "value": given.value} | ({"source": _plain(given.source)} if given.source else {})
                for given in self.inputs
            ],
            "source": _plain(self.source),
        }


class Explanation(Sequence[Entry]):
    """
    Every number of a plan, one entry each. ``str()`` prints them all.

    Example:
        >>> import llmplan
        >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
        >>> explanation = plan.explain()
        >>> explanation["time.steps"].basis
        'exact'
        >>> [entry.name for entry in explanation][:2]
        ['num_parameters.embedding', 'num_parameters.position']
        >>> explanation["time.stepp"]
        Traceback (most recent call last):
        ...
        llmplan.errors.UnknownNameError: no number of this plan is named 'time.stepp'. Did you mean 'time.step'?

    .. versionadded:: 0.1.0
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)
        self._by_name = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: str | int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: str | int | slice) -> Entry | Sequence[Entry]:
        """The entry of a name (or of a place in the order)."""
        if not isinstance(index, str):
            return self._entries[index]
        if index not in self._by_name:
            raise UnknownNameError("number of this plan", index, tuple(self._by_name))
        return self._by_name[index]

    def __str__(self) -> str:
        """All entries, and under them every source once."""
        numbers: dict[Source, int] = {}

        def cite(source: Source) -> str:
            return f"[{numbers.setdefault(source, len(numbers) + 1)}]"

        entries = ["\n".join(entry.lines(cite)) for entry in self._entries]
        sources = [line for source, n in numbers.items() for line in _wrapped(f"[{n}] {_cited(source)}", "", " " * 5)]
        return "\n\n".join([*entries, "\n".join(["Sources", *sources])])

    def __repr__(self) -> str:
        return f"<Explanation of {len(self)} numbers>"

    def to_dict(self) -> list[dict[str, Any]]:
        """All entries as plain data, ready for JSON."""
        return [entry.to_dict() for entry in self._entries]


def explanation(plan: "Plan") -> Explanation:
    """All numbers of a *plan*, explained."""
    from llmplan.planning.reasons_memory import memory_entries, parameter_entries
    from llmplan.planning.reasons_money import carbon_entries, cost_entries, energy_entries
    from llmplan.planning.reasons_time import time_entries

    parts = (parameter_entries, memory_entries, time_entries, energy_entries, cost_entries, carbon_entries)
    return Explanation([entry for part in parts for entry in part(plan)])


def _cited(source: Source) -> str:
    """A source in full: what it is, where, and what one must know."""
    return "; ".join(part for part in (str(source), source.url, source.note) if part)


def _plain(source: Source) -> dict[str, str]:
    return {name: text for name, text in attrs.asdict(source).items() if text}


def _said(head: str, sentence: str) -> list[str]:
    return _wrapped(sentence, f"    {head}".ljust(_HEAD + 2), " " * (_HEAD + 4))


def _wrapped(sentence: str, first: str, further: str) -> list[str]:
    lines = textwrap.wrap(sentence, _WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)
    return lines or [first.rstrip()]
