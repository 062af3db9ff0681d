"""write: from a noun to a dict or a TOML text that reads back equal."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from llmplan.nouns._noun import Noun, fields_of
from llmplan.nouns._table import NULL
from llmplan.reading._read import API
from llmplan.sources import Source, Sourced

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 120


def to_dict(noun: Noun) -> dict[str, Any]:
    """
    The fields of a noun as plain data, ready for JSON. What is None is left out; every source is written out in place.

    Args:
        noun: Any noun.

    Example:
        >>> from llmplan.nouns.lora import LoRA
        >>> to_dict(LoRA(rank=16))
        {'rank': 16, 'alpha': 16.0, 'targets': 'all-linear', 'dropout': 0.0}

    .. versionadded:: 0.1.0
    """
    return {name: _plain(value) for name, value in _said(noun, with_defaults=True)}


def write(noun: Noun) -> str:
    """
    A noun as TOML text, which :func:`~llmplan.reading.read` reads back equal. Defaults are left out, sources come last.

    Args:
        noun: Any noun.

    Example:
        >>> from llmplan.nouns.lora import LoRA
        >>> print(write(LoRA(rank=16, targets=("q_proj",))), end="")
        api = 1
        rank = 16
        targets = ["q_proj"]

    .. versionadded:: 0.1.0
    """
    keys = _Keys()
    doc: dict[str, Any] = {"api": API, **_table(noun, keys)}
    if keys.tables:
        doc["sources"] = keys.tables
    return "\n".join(_lines(doc, ())).lstrip("\n") + "\n"


def _said(noun: Noun, *, with_defaults: bool) -> Iterator[tuple[str, Any]]:
    for field in fields_of(type(noun)):
        value = getattr(noun, field.name)
        if value is not None and (with_defaults or value != field.default):
            yield field.name, value


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Noun):
        return to_dict(value)
    if isinstance(value, Sourced):
        return {"value": _quantity(value), "source": _plain(value.source)}
    if isinstance(value, Source):
        return _source(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _source(source: Source) -> dict[str, Any]:
    said = ((field.name, getattr(source, field.name), field.default) for field in attrs.fields(Source))
    return {name: value for name, value, default in said if value != default}


def _quantity(value: Sourced) -> str:
    """80 GB, and no 80.0 GB: but a number that reads back to the last bit."""
    number = repr(value.magnitude).removesuffix(".0")
    return f"{number} {value.unit}"


class _Keys:
    """The [sources] tables of a document: each source once, under a short name of its kind."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self._known: dict[Source, str] = {}

    def of(self, source: Source) -> str:
        if source not in self._known:
            taken = sum(1 for key in self.tables if key.split("-")[0] == source.kind)
            key = source.kind if not taken else f"{source.kind}-{taken + 1}"
            self._known[source] = key
            self.tables[key] = _source(source)
        return self._known[source]


def _table(noun: Noun, keys: _Keys) -> dict[str, Any]:
    return {name: _cited(value, keys) for name, value in _said(noun, with_defaults=False)}


def _cited(value: Any, keys: _Keys) -> Any:  # noqa: ANN401
    if isinstance(value, Noun):
        return _table(value, keys)
    if isinstance(value, Sourced):
        return _Inline({"value": _quantity(value), "source": keys.of(value.source)})
    if isinstance(value, Source):
        return keys.of(value)
    if isinstance(value, Mapping):
        return {key: _cited(item, keys) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cited(item, keys) for item in value]
    # TOML has no null; a config.json has, and there it says something else than a key that is absent.
    return _Inline(NULL) if value is None else value


class _Inline(dict[str, Any]):
    """A table that stays on its key's line."""


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    below: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if _has_header(value):
            below.append((key, value))
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in below:
        inner = (*path, key)
        # A header whose tables all have headers of their own says nothing.
        if not value or not all(_has_header(item) for item in value.values()):
            yield ""
            yield f"[{'.'.join(map(_key, inner))}]"
        yield from _lines(value, inner)


def _has_header(value: object) -> bool:
    return isinstance(value, Mapping) and not isinstance(value, _Inline)


def _value(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return _list([_value(item) for item in value])
    return repr(value)


def _list(items: list[str]) -> str:
    line = f"[{', '.join(items)}]"
    if len(line) <= _WIDTH or not any(item.startswith(("[", "{")) for item in items):
        return line
    return "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but TOML wants DEL escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
