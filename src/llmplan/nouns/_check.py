"""
From a field's annotation to the function that checks its values.

The class bodies of the nouns read like a datasheet (``layers: Count``); what such a line promises is kept here. A check
takes a value and gives it back, tidied (a list becomes a tuple, a dict a Table), or raises :class:`Faults`.
"""

import datetime as dt
import functools
import math
import numbers
import operator
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import attrs

from llmplan.errors import LlmplanError, nearest
from llmplan.nouns._table import Table, freeze, is_unicode
from llmplan.sources import Measures, Sourced
from llmplan.units import CURRENCIES, factor, is_quantity

Check = Callable[[Any], Any]

# Above every capacity, rate and power on Earth in base units; a slip of a prefix stays below, a slip of the keyboard does not.
_ABSURD = 1e24


class Faults(Exception):  # noqa: N818  it carries several, and never leaves this package
    """
    What is wrong with one value, each fault with the path to it inside the value.

    Attributes:
        faults: Pairs of (path, message); the path of the value itself is empty.
    """

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults)
        self.faults = faults


class WrongType(Faults):
    """A value of another type than the *wanted* one: where several would do, all of them are named together."""

    def __init__(self, wanted: str, value: object) -> None:
        super().__init__(("", f"expected {wanted}, got {_told(value)}"))
        self.wanted = wanted


def _fault(message: str) -> Faults:
    return Faults(("", message))


class Rule(Protocol):
    """What an annotation may carry beside a type: ``Annotated[float, Between(0, 1)]``."""

    def check(self, value: Any) -> Any:  # noqa: ANN401
        """Give *value* back, or raise ValueError with a message for people."""


@attrs.frozen
class Between:
    """A number from *low* to *high*; *low* itself only where ``above`` is false."""

    low: float
    high: float
    above: bool = False

    def check(self, value: float) -> float:
        """Give *value* back where it is inside."""
        if value <= self.high and (value > self.low if self.above else value >= self.low):
            return value
        start = f"above {_plain(self.low)} and" if self.above else f"from {_plain(self.low)}"
        link = " at most " if self.above else " to "
        msg = f"expected a number {start}{link}{_plain(self.high)}, got {_plain(value)}"
        raise ValueError(msg)


@attrs.frozen
class NotEmpty:
    """A text that says something: no blanks alone, on one line, of at most 200 characters."""

    longest: int = 200

    def check(self, value: str) -> str:
        """Give *value* back where it can serve as a name."""
        if not value.strip():
            msg = f"expected a text that is not empty, got {value!r}"
            raise ValueError(msg)
        if len(value) > self.longest or not value.isprintable():
            msg = f"expected one line of at most {self.longest} printable characters, got {value!r:.80}"
            raise ValueError(msg)
        return value


@attrs.frozen
class IsoDate:
    """A day, written as ISO 8601 writes it: 2026-12-01."""

    def check(self, value: str) -> str:
        """Give *value* back where the calendar has that day."""
        try:
            day = dt.date.fromisoformat(value)
        except ValueError:
            msg = f"expected a date such as 2026-12-01, got {value!r:.80}"
            raise ValueError(msg) from None
        return day.isoformat()


@attrs.frozen
class TimeZoneName:
    """A zone of the IANA time zone database: Asia/Taipei."""

    def check(self, value: str) -> str:
        """Give *value* back where the database has that zone."""
        import zoneinfo

        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            hint = _hint(value, sorted(zoneinfo.available_timezones()))
            msg = f"expected a time zone such as 'Asia/Taipei', got {value!r:.80}{hint}"
            raise ValueError(msg) from None
        return value


@attrs.frozen
class CurrencyCode:
    """An ISO 4217 currency in use: three capital letters."""

    def check(self, value: str) -> str:
        """Give *value* back where it is one."""
        if value in CURRENCIES:
            return value
        msg = f"expected a currency such as 'USD', three capital letters of ISO 4217, got {value!r:.80}{_hint(value, CURRENCIES)}"
        raise ValueError(msg)


@attrs.frozen
class MayBeZero:
    """Beside a measured kind: this one may be nothing at all, such as the memory that a display holds."""


@attrs.frozen
class Frozen:
    """Beside ``Mapping``: plain data of any shape, kept under its own names (a config.json)."""


# The kinds that are not measured, named as the nouns use them.
Name = Annotated[str, NotEmpty()]
Count = Annotated[int, Between(1, 1e9)]
"""A whole number of things: cards, heads, tokens of one sequence."""
Whole = Annotated[int, Between(0, 1e9)]
"""A whole number that may be zero."""
Positive = Annotated[float, Between(0, 1e18, above=True)]
NotNegative = Annotated[float, Between(0, 1e18)]
Share = Annotated[float, Between(0, 1)]
Date = Annotated[str, IsoDate()]
TimeZone = Annotated[str, TimeZoneName()]
Currency = Annotated[str, CurrencyCode()]


def check_of(annotation: Any) -> Check:  # noqa: ANN401  annotations are of no common type
    """
    The check of a field that is annotated so.

    Knows int, float, str, bool, Any, classes, Literal, ``X | Y | None``, ``tuple[X, ...]``, ``tuple[X, Y]``,
    ``Mapping[str, X]`` and ``Annotated`` with :class:`Rule` or ``Measures`` beside any of them.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in _GENERIC:
        return _GENERIC[origin](args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return functools.partial(_table, check_of(args[0]), check_of(args[1]))
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type):
        return functools.partial(_instance, annotation)
    msg = f"no check for a field annotated {annotation!r}: does its module say `from __future__ import annotations`?"
    raise TypeError(msg)


def _annotated(args: tuple[Any, ...]) -> Check:
    base, *marks = args
    measures = [mark for mark in marks if isinstance(mark, Measures)]
    if measures:
        may_be_zero = any(isinstance(mark, MayBeZero) for mark in marks)
        return functools.partial(_measured, measures[0], may_be_zero)
    if any(isinstance(mark, Frozen) for mark in marks):
        return _frozen
    rules = [mark.check for mark in marks if callable(getattr(mark, "check", None))]
    return functools.partial(_ruled, check_of(base), rules)


def _ruled(check: Check, rules: list[Check], value: Any) -> Any:  # noqa: ANN401
    value = check(value)
    for rule in rules:
        try:
            value = rule(value)
        except (ValueError, LlmplanError) as exc:
            raise _fault(str(exc)) from None
    return value


def _measured(measures: Measures, may_be_zero: bool, value: Any) -> Sourced:  # noqa: ANN401, FBT001
    unit = measures.unit
    if not isinstance(value, Sourced):
        raise _fault(_without_source(unit, value))
    try:
        in_unit = value.magnitude * factor(value.unit, unit)
    except LlmplanError as exc:
        raise _fault(str(exc)) from None
    if not (0 <= in_unit < _ABSURD) or (in_unit == 0 and not may_be_zero):
        least = "not negative" if may_be_zero else "above zero"
        raise _fault(f"expected a quantity in {unit} {least} and below {_ABSURD:g}, got {value.magnitude:g} {value.unit}")
    return value


def _without_source(unit: str, value: object) -> str:
    if isinstance(value, (int, float)):
        return f"expected a quantity in {unit} with its source, got the bare number {value!r}"
    if isinstance(value, str) or is_quantity(value):
        return (
            f"a source is needed for {str(value)!r:.80}: write Sourced({str(value)!r:.80}, Source(...)), "
            "or change a noun with evolve(), which calls it an assumption"
        )
    return f"expected a quantity in {unit} with its source, got {_told(value)}"


def _union(members: tuple[Any, ...]) -> Check:
    checks = [check_of(member) for member in members if member is not type(None)]
    return functools.partial(_any_of, checks, len(checks) < len(members))


def _any_of(checks: list[Check], or_none: bool, value: Any) -> Any:  # noqa: ANN401, FBT001
    if value is None and or_none:
        return None
    refusals: list[Faults] = []
    for check in checks:
        try:
            return check(value)
        except Faults as exc:
            refusals.append(exc)
    wanted = [refusal.wanted for refusal in refusals if isinstance(refusal, WrongType)]
    # A member that recognised the type has the most to say.
    told = [refusal for refusal in refusals if not isinstance(refusal, WrongType)]
    raise (told[0] if told else WrongType(" or ".join(wanted), value)) from None


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    shown = ", ".join(repr(choice) for choice in choices)
    if not isinstance(value, str):
        raise WrongType(f"one of {shown}", value)
    raise _fault(f"expected one of {shown}, got {value!r:.80}{_hint(value, [c for c in choices if isinstance(c, str)])}")


def _tuple(members: tuple[Any, ...]) -> Check:
    if members[-1:] == (Ellipsis,):
        return functools.partial(_tuple_of, check_of(members[0]))
    return functools.partial(_tuple_like, [check_of(member) for member in members])


def _tuple_of(check: Check, value: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(value, (list, tuple)):
        raise WrongType("a list", value)
    return tuple(_each((f"[{i}]", functools.partial(check, item)) for i, item in enumerate(value)))


def _tuple_like(checks: list[Check], value: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(value, (list, tuple)) or len(value) != len(checks):
        raise WrongType(f"a list of {len(checks)}", value)
    pairs = zip(checks, value, strict=True)
    return tuple(_each((f"[{i}]", functools.partial(check, item)) for i, (check, item) in enumerate(pairs)))


def _table(key_check: Check, check: Check, value: Any) -> Table[Any, Any]:  # noqa: ANN401
    if not isinstance(value, Mapping):
        raise WrongType("a table", value)
    pair = functools.partial(_pair, key_check, check)
    return Table(dict(_each((f".{key}", functools.partial(pair, key, item)) for key, item in value.items())))


def _pair(key_check: Check, check: Check, key: Any, item: Any) -> tuple[Any, Any]:  # noqa: ANN401
    pair = _each((("", functools.partial(key_check, key)), ("", functools.partial(check, item))))
    return pair[0], pair[1]


def _each(steps: Iterable[tuple[str, Callable[[], Any]]]) -> list[Any]:
    """Carry every check out, and tell the faults of all of them."""
    done: list[Any] = []
    faults: list[tuple[str, str]] = []
    for path, step in steps:
        try:
            done.append(step())
        except Faults as exc:
            faults += [(path + inner, message) for inner, message in exc.faults]
    if faults:
        raise Faults(*faults)
    return done


def _frozen(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, Mapping):
        raise WrongType("a table", value)
    try:
        return freeze(value)
    except ValueError as exc:
        raise _fault(str(exc)) from None


def _whole(value: Any) -> int:  # noqa: ANN401
    if not isinstance(value, (bool, str)):
        try:
            return operator.index(value)
        except TypeError:
            pass
    # 38e9 is how people, and TOML, write a large whole number.
    if isinstance(value, float) and value.is_integer() and math.isfinite(value):
        return int(value)
    raise WrongType("a whole number", value)


def _number(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise WrongType("a number", value)
    try:
        plain = float(value)
    except OverflowError:
        plain = math.inf
    if not math.isfinite(plain):
        raise _fault(f"expected a finite number, got {plain}")
    return plain


def _text(value: Any) -> str:  # noqa: ANN401
    # TOML has dates of its own, and a text field that holds a date means the same day.
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    if not isinstance(value, str):
        raise WrongType("a text", value)
    if not is_unicode(value):
        raise _fault(f"expected Unicode, got half a character in {value!r:.80}")
    return value


def _truth(value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise WrongType("true or false", value)
    return value


def _anything(value: Any) -> Any:  # noqa: ANN401
    return value


def _instance(cls: type, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, cls):
        raise WrongType(f"a {cls.__name__}", value)
    return value


_GENERIC: dict[Any, Callable[[tuple[Any, ...]], Check]] = {
    Annotated: _annotated,
    Union: _union,
    types.UnionType: _union,
    Literal: lambda choices: functools.partial(_one_of, choices),
    tuple: _tuple,
}
_PLAIN: dict[Any, Check] = {int: _whole, float: _number, str: _text, bool: _truth, Any: _anything}


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "the boolean"),
    (str, "the text"),
    (numbers.Number, "the number"),
    (Mapping, "a table"),
    ((list, tuple), "a list"),
)


def _told(value: object) -> str:
    """What *value* is, for the end of a message: ``the text '70B'``."""
    if value is None:
        return "nothing"
    for cls, word in _KINDS:
        if isinstance(value, cls):
            return f"{word} {_shown(value)}"
    return f"the {type(value).__name__} {_shown(value)}"


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:
        # Python writes no integer of more than 4,300 digits out.
        return "of more digits than can be shown"


def _plain(value: float) -> str:
    """1000000000.0 as 1e9, 200 as 200."""
    try:
        text = f"{value:g}"
    except OverflowError:
        return "more than 1e308"
    return re.sub(r"e\+?(-?)0*", r"e\1", text)


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f". Did you mean {near!r}?" if near else ""
