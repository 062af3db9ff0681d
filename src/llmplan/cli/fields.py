"""What a noun says of itself: its fields, each with its unit and its source."""

import inspect
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from llmplan.nouns._noun import Noun
from llmplan.nouns.machine import Machine
from llmplan.planning.documented import documented, unit_of
from llmplan.reading import to_dict
from llmplan.registry import Registry, machine_of
from llmplan.sources import Source, Sourced

_FIRST_WITH_COMMAS = 10_000


@attrs.frozen(kw_only=True)
class Described:
    """
    A registry's item, taken apart.

    Attributes:
        title: Kind, name and package.
        rows: Field, value with its unit, and the number of its source.
        sources: Each source once, in the order of their numbers.
        plain: The same as plain data.
    """

    title: str
    rows: list[tuple[str, str, str]]
    sources: list[str]
    plain: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return self.plain


def described(registry: Registry[Any], name: str) -> Described:
    """
    Describe an item.

    Raises:
        UnknownNameError, PluginError: There is none of that name, or it is broken.
    """
    item = registry[name]
    origin = _origin(registry, name, item)
    fields = to_dict(item) if isinstance(item, Noun) else {"name": item.name, "describes": _first_line(type(item))}
    units = _units(item) if isinstance(item, Noun) else {}
    numbers: dict[str, int] = {}
    rows = [
        (field, _text(value, units.get(field.partition(".")[0], "")), _number(_source_of(value), numbers))
        for field, value in _flat(fields)
    ]
    return Described(
        title=f"{registry.kind} {name}, of {origin['package']} {origin['version']}",
        rows=rows,
        sources=list(numbers),
        plain={"kind": registry.kind, "name": name, "origin": origin, "fields": fields, "units": units},
    )


def _origin(registry: Registry[Any], name: str, item: object) -> dict[str, str]:
    """The package of an item; of a machine that was put together from a text, that of the published one."""
    if isinstance(item, Machine):
        from llmplan.planning.origins import package_of_machine

        package, version = package_of_machine(machine_of(item)) or ("llmplan", "")
        return {"package": package, "version": version}
    origin = registry.origin(name)
    return {"package": origin.package, "version": origin.version}


def _flat(fields: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Fields and fields of fields, each with its path; a value with its source, and a source, stay whole."""
    for name, value in fields.items():
        here = f"{path}{name}"
        if isinstance(value, Mapping) and value and not _is_whole(value):
            yield from _flat(value, f"{here}.")
        elif isinstance(value, list) and any(isinstance(item, (list, Mapping)) for item in value):
            yield from _items(value, here)
        else:
            yield here, value


def _items(values: list[Any], path: str) -> Iterator[tuple[str, Any]]:
    """The items of a list of lists or tables; a table of plain values is told on one line."""
    for number, item in enumerate(values):
        here = f"{path}[{number}]"
        if isinstance(item, list) and any(isinstance(inner, (list, Mapping)) for inner in item):
            yield from _items(item, here)
        elif isinstance(item, Mapping) and any(isinstance(inner, (list, Mapping)) for inner in item.values()):
            yield from _flat(item, f"{here}.")
        else:
            yield here, item


def _is_whole(value: Mapping[str, Any]) -> bool:
    return _is_sourced(value) or _is_source(value) or _is_constant(value)


def _is_constant(value: Mapping[str, Any]) -> bool:
    return set(value) == {"value", "sigma", "unit", "meaning", "source"}


def _is_sourced(value: Mapping[str, Any]) -> bool:
    return set(value) == {"value", "source"}


def _is_source(value: Mapping[str, Any]) -> bool:
    return {"kind", "title"} <= set(value) <= {field.name for field in attrs.fields(Source)}


def _source_of(value: Any) -> Mapping[str, str] | None:  # noqa: ANN401  # what JSON can say
    if not isinstance(value, Mapping) or not value:
        return None
    if _is_sourced(value) or _is_constant(value):
        found: Mapping[str, str] = value["source"]
        return found
    return value if _is_source(value) else None


def _number(source: Mapping[str, str] | None, numbers: dict[str, int]) -> str:
    if source is None:
        return ""
    made = Source(**source)  # type: ignore[arg-type]  # it was one a moment ago
    text = "; ".join(part for part in (str(made), made.url, made.note) if part)
    return f"[{numbers.setdefault(text, len(numbers) + 1)}]"


def _text(value: Any, unit: str) -> str:  # noqa: ANN401  # one line a kind
    if isinstance(value, Mapping):
        return _of_table(value)
    if isinstance(value, list):
        return ", ".join(_counted(item, len(list(same)), unit) for item, same in itertools.groupby(value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        # A year is no amount.
        amount = f"{value:,.12g}" if abs(value) >= _FIRST_WITH_COMMAS else f"{value:.12g}"
        return f"{amount} {unit}".rstrip()
    return "none" if value is None else str(value)


def _counted(item: Any, times: int, unit: str) -> str:  # noqa: ANN401
    text = _text(item, unit)
    return text if times == 1 else f"{times} x {text}"


def _of_table(value: Mapping[str, Any]) -> str:
    if not value:
        return "none"
    if _is_sourced(value):
        return str(value["value"])
    if _is_source(value):
        return str(value["title"])
    if _is_constant(value):
        amount = _text(value["value"], "" if value["unit"] == "1" else value["unit"])
        return f"{amount}, sigma {value['sigma']:g}: {value['meaning']}"
    return ", ".join(f"{key} {_text(item, '')}" for key, item in value.items())


def _units(noun: Noun) -> dict[str, str]:
    """The units of the fields that are plain numbers, as the docstring of the class states them."""
    cls: Any = type(noun)
    measured = {field.name for field in attrs.fields(cls) if Sourced in _types(field.type)}
    units = {name: unit_of(text) for name, text in documented(cls).items() if name not in measured}
    currency = getattr(noun, "currency", "currency")
    return {name: unit.replace("currency", currency) for name, unit in units.items() if unit}


def _types(annotation: Any) -> set[Any]:  # noqa: ANN401
    """All types that an annotation is made of."""
    inner = getattr(annotation, "__args__", ())
    return {annotation, getattr(annotation, "__origin__", None)}.union(*map(_types, inner)) if inner else {annotation}


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or cls.__name__).partition("\n")[0]
