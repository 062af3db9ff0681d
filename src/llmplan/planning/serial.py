"""A plan as plain data and back: every number with its unit, every noun with its sources."""

import functools
import json
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

import attrs

from llmplan.architectures.architecture import Architecture
from llmplan.errors import LlmplanError, SpecError, nearest
from llmplan.evaluating.case import Case
from llmplan.nouns._noun import Noun
from llmplan.nouns._table import Table
from llmplan.reading import from_dict, to_dict
from llmplan.reading._faults import faults_of
from llmplan.reading._text import check_depth
from llmplan.sources import Estimate, Source

if TYPE_CHECKING:
    from llmplan.planning.result import Plan

SCHEMA_VERSION: Final = 1
"""Version of the form that :meth:`Plan.to_dict` writes. It changes when an old reader would read a new form wrongly."""

#: What the bare numbers of a plan count, by field: everything else carries its unit itself.
UNITS: Final = {"fit_probability": "1", "num_parameters": "parameter", "steps": "step", "largest": "byte"}

_ESTIMATE: Final = ("low", "likely", "high", "unit", "confidence", "basis")
_NUMBER: Final = ("value", "unit")

#: What :meth:`Plan.to_dict` calls ``Plan.case``.
_CASE: Final = "job"

Read = Callable[[Any, str], Any]
"""From plain data, and the path to it, to what a plan holds; raises _WrongError."""


# ---- from a plan to plain data


def plan_to_dict(plan: "Plan") -> dict[str, Any]:
    """The *plan* as plain data. See :meth:`Plan.to_dict`."""
    fields = {field.alias: _plain(getattr(plan, field.name), UNITS.get(field.name, "")) for field in attrs.fields(type(plan))}
    versions, case = fields.pop("versions"), fields.pop("case")
    return {"schema_version": SCHEMA_VERSION, "versions": versions, **fields, _CASE: case}


def plan_to_json(plan: "Plan", *, indent: int | None) -> str:
    """The *plan* as JSON text. See :meth:`Plan.to_json`."""
    return json.dumps(plan_to_dict(plan), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any, unit: str) -> Any:  # noqa: ANN401, PLR0911  whatever a plan holds; one line a kind
    if isinstance(value, Noun):
        return to_dict(value)
    if isinstance(value, Estimate):
        return dict(zip(_ESTIMATE, (*value.si, value.unit, value.confidence, value.basis), strict=True))
    if isinstance(value, Architecture):
        return value.name
    if attrs.has(type(value)):
        names = [(field.alias or field.name, field) for field in _said(value)]
        return {name: _plain(getattr(value, name), UNITS.get(field.name, "")) for name, field in names}
    if isinstance(value, Mapping):
        return {key: _plain(item, unit) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, unit) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"value": value, "unit": unit}
    return value


def _said(value: Any) -> Iterable["attrs.Attribute[Any]"]:  # noqa: ANN401
    """The fields to be written: all of them, but of a source those that say something."""
    return [f for f in said_fields(type(value)) if not isinstance(value, Source) or getattr(value, f.name) != f.default]


def said_fields(cls: type) -> list[Any]:
    """The fields of a class that plain data says: all but those that only point back."""
    return [f for f in attrs.fields(cls) if f.metadata.get("said", True)]


# ---- from plain data to a plan


class _WrongError(Exception):
    """What is wrong with some data: each fault with its path."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)


def plan_from_dict(data: object, cls: "type[Plan]", *, where: str) -> "Plan":
    """
    The plan that *data* describes. See :meth:`Plan.from_dict`.

    Raises:
        SpecError: Whatever is wrong, all of it at once, each fault with its path.
    """
    if not isinstance(data, Mapping):
        raise SpecError(where, (f"expected the object that Plan.to_dict() gave, got {type(data).__name__} @ plan",))
    check_depth(data, where)
    fields = dict(data)
    _check_version(fields.pop("schema_version", None), where)
    try:
        made: Plan = _object(cls, {"case": _CASE})(fields, "")
    except _WrongError as exc:
        raise SpecError(where, tuple(f"{message} @ {path.removeprefix('.')}" for path, message in exc.faults)) from None
    return made


def rebuilt(cls: "type[Plan]", fields: Mapping[str, Any], job: Mapping[str, Any]) -> "Plan":
    """A plan that was pickled: its architecture is the registry's, as an architecture's identity is its name."""
    return cls(case=Case(**job, architecture=_architecture(job["model"].architecture, _CASE)), **fields)


def _check_version(number: object, where: str) -> None:
    if type(number) is int and number == SCHEMA_VERSION:
        return
    from llmplan import __version__

    says = "no schema_version" if number is None else f"schema_version = {number!r:.40}"
    fault = f"it says {says}, and llmplan {__version__} reads schema_version = {SCHEMA_VERSION} @ schema_version"
    raise SpecError(where, (fault,))


@functools.cache
def _reader(kind: Any, unit: str = "") -> Read:  # noqa: ANN401, PLR0911  an annotation; one line a kind
    origin = get_origin(kind)
    if kind is Estimate:
        return _estimate
    if isinstance(origin or kind, type) and issubclass(origin or kind, Architecture):
        return _architecture
    if isinstance(kind, type) and issubclass(kind, Noun):
        return functools.partial(_noun, kind)
    if isinstance(kind, type) and attrs.has(kind):
        return _object(kind)
    if origin in (Union, types.UnionType):
        return functools.partial(_optional, _reader(get_args(kind)[0], unit))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return functools.partial(_mapping, _reader(get_args(kind)[1], unit))
    if origin is tuple:
        members = get_args(kind)
        return functools.partial(_sequence, tuple(_reader(m, unit) for m in members if m is not ...), members[-1] is ...)
    if kind in (int, float):
        return functools.partial(_number, kind, unit)
    return functools.partial(_scalar, str if origin is Literal else kind)


def _object(cls: type, renamed: Mapping[str, str] = types.MappingProxyType({})) -> Read:
    """A reader of an object whose keys are the fields of *cls*."""
    fields = {renamed.get(f.alias, f.alias): f for f in said_fields(cls)}
    readers = {key: _reader(f.type, UNITS.get(f.name, "")) for key, f in fields.items()}
    needed = [key for key, f in fields.items() if f.default is attrs.NOTHING or cls is not Source]

    def read(value: Any, at: str) -> Any:  # noqa: ANN401
        _expect(isinstance(value, Mapping), "an object", value, at)
        faults = [(at, _unknown(key, fields)) for key in value if key not in fields]
        faults += [(f"{at}.{key}", "required field missing") for key in needed if key not in value]
        given = [key for key in fields if key in value]
        found = _gathered(((readers[key], value[key], f"{at}.{key}") for key in given), faults)
        return _made(cls, {fields[key].alias: item for key, item in zip(given, found, strict=True)}, at)

    return read


def _unknown(key: object, known: Iterable[str]) -> str:
    near = nearest(key, known)
    return f"unknown field {key!r:.80}" + (f". Did you mean {near!r}?" if near else "")


def _made(make: Callable[..., Any], fields: Mapping[str, Any], at: str) -> Any:  # noqa: ANN401
    """What the constructor makes of *fields*; its own refusals are faults of the data."""
    try:
        return make(**fields)
    except LlmplanError as exc:
        raise _WrongError((at + path, message) for path, message in faults_of(exc)) from None


def _gathered(steps: Iterable[tuple[Read, Any, str]], faults: Iterable[tuple[str, str]] = ()) -> list[Any]:
    """Everything that can be read, or every fault of what cannot."""
    found, wrong = [], list(faults)
    for read, value, at in steps:
        try:
            found.append(read(value, at))
        except _WrongError as exc:
            wrong += exc.faults
    if wrong:
        raise _WrongError(wrong)
    return found


def _expect(holds: object, wanted: str, value: object, at: str) -> None:
    if not holds:
        raise _WrongError([(at, f"expected {wanted}, got {type(value).__name__} {_told(value)}")])


def _told(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python does not spell out an integer of thousands of digits
        return "that is too long to be told"


def _estimate(value: Any, at: str) -> Estimate:  # noqa: ANN401
    _expect(isinstance(value, Mapping), f"an object of {', '.join(_ESTIMATE)}", value, at)
    faults = [(at, _unknown(key, _ESTIMATE)) for key in value if key not in _ESTIMATE]
    faults += [(f"{at}.{key}", "required field missing") for key in _ESTIMATE if key not in value]
    kinds = {"unit": str, "basis": str}
    _gathered(((_reader_of_part(kinds.get(key, float)), value[key], f"{at}.{key}") for key in _ESTIMATE if key in value), faults)
    made: Estimate = _made(Estimate, value, at)
    return made


def _reader_of_part(kind: type) -> Read:
    return _finite if kind is float else functools.partial(_scalar, kind)


def _number(kind: type, unit: str, value: Any, at: str) -> Any:  # noqa: ANN401
    """A bare number, written with what it counts."""
    _expect(isinstance(value, Mapping) and set(value) == set(_NUMBER), "an object of value and unit", value, at)
    _expect(value["unit"] == unit, f"the unit {unit!r}", value["unit"], f"{at}.unit")
    number = value["value"]
    if kind is float:
        return float(_finite(number, f"{at}.value"))
    _expect(type(number) is int, "a whole number", number, f"{at}.value")
    return number


def _finite(value: Any, at: str) -> Any:  # noqa: ANN401
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A comparison, as an integer may be too large for math.isfinite().
    _expect(is_number and abs(value) <= sys.float_info.max, "a finite number", value, at)
    return value


def _scalar(kind: type, value: Any, at: str) -> Any:  # noqa: ANN401
    wanted = {str: "a text", bool: "true or false"}.get(kind, kind.__name__)
    _expect(type(value) is kind, wanted, value, at)
    return value


def _optional(read: Read, value: Any, at: str) -> Any:  # noqa: ANN401
    return None if value is None else read(value, at)


def _mapping(read: Read, value: Any, at: str) -> Any:  # noqa: ANN401
    _expect(isinstance(value, Mapping), "an object", value, at)
    return Table(dict(zip(value, _gathered((read, item, f"{at}.{key}") for key, item in value.items()), strict=True)))


def _sequence(readers: tuple[Read, ...], repeats: bool, value: Any, at: str) -> Any:  # noqa: ANN401, FBT001  bound above
    _expect(isinstance(value, (list, tuple)), "a list", value, at)
    each = readers * len(value) if repeats else readers
    _expect(len(each) == len(value), f"{len(readers)} items", value, at)
    return tuple(_gathered((read, item, f"{at}[{i}]") for i, (read, item) in enumerate(zip(each, value, strict=True))))


def _noun(cls: type[Noun], value: Any, at: str) -> Noun:  # noqa: ANN401
    _expect(isinstance(value, Mapping), f"an object that describes a {cls.__name__}", value, at)
    noun: Noun = _made(functools.partial(from_dict, value, cls), {}, at)
    return noun


def _architecture(value: Any, at: str) -> Any:  # noqa: ANN401
    """The architecture of a name; the registry knows it, and no plan describes it."""
    _expect(isinstance(value, str), "the name of an architecture", value, at)
    from llmplan.registry import architectures

    return _made(architectures.__getitem__, {"name": value}, at)
