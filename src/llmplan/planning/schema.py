"""
The JSON schema of what :meth:`Plan.to_dict` writes, made from the classes themselves.

``python -m llmplan.planning.schema`` prints it; docs/reference/plan-schema.json is what that says.
"""

import json
import sys
import types
from collections.abc import Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin

import attrs

from llmplan.architectures.architecture import Architecture
from llmplan.nouns._noun import Noun
from llmplan.planning.documented import documented
from llmplan.planning.result import Plan
from llmplan.planning.serial import SCHEMA_VERSION, UNITS, said_fields
from llmplan.sources import Basis, Estimate, Source

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_PLAIN: Final[dict[Any, Schema]] = {str: _TEXT, bool: {"type": "boolean"}}
_NAMES: Final = {"case": "job"}


def schema() -> Schema:
    """
    The schema, in the dialect of 2020-12.

    Example:
        >>> schema()["properties"]["memory"]["anyOf"][0]
        {'$ref': '#/$defs/MemoryReport'}
    """
    found: dict[str, Schema] = {"estimate": _estimate(), "source": _source(), "sourced": _sourced()}
    fields = _object(Plan, found)
    head: Schema = {"schema_version": {"const": SCHEMA_VERSION, "description": "Version of this form."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Plan",
        "description": "What llmplan's Plan.to_dict() writes and Plan.from_dict() reads: every number with its unit.",
        **fields,
        "properties": head | fields["properties"],
        "required": ["schema_version", *fields["required"]],
        "$defs": dict(sorted(found.items())),
    }


def _estimate() -> Schema:
    number = {"type": "number"}
    return _closed(
        {
            "low": number,
            "likely": number,
            "high": number,
            "unit": {**_TEXT, "description": "As pint reads it; empty for a share."},
            "confidence": {**number, "description": "How likely the truth lies from low to high."},
            "basis": {"enum": list(get_args(Basis))},
        }
    )


def _source() -> Schema:
    texts = documented(Source)
    properties = {field.name: {**_TEXT, "description": texts[field.name]} for field in attrs.fields(Source)}
    return _closed(properties) | {"required": ["kind", "title"]}


def _sourced() -> Schema:
    value = {**_TEXT, "description": "A number and its unit: '12 GiB'."}
    return _closed({"value": value, "source": {"$ref": "#/$defs/source"}})


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _object(cls: type, found: dict[str, Schema]) -> Schema:
    """An object with the fields of an attrs class."""
    texts = documented(cls)
    return _closed(
        {
            _NAMES.get(field.alias, field.alias): _described(
                _of(field.type, UNITS.get(field.name, ""), found), texts.get(field.alias)
            )
            for field in said_fields(cls)
        }
    )


def _noun(cls: type) -> Schema:
    """The fields of a noun, as llmplan.reading writes them: what is None is left out."""
    texts, fields = documented(cls), attrs.fields(cls)
    properties = {field.name: _described({}, texts.get(field.name)) for field in fields}
    needed = [field.name for field in fields if field.default is attrs.NOTHING]
    return _closed(properties) | {"required": needed}


def _described(schema: Schema, text: str | None) -> Schema:
    return schema | ({"description": text} if text else {})


def _of(kind: Any, unit: str, found: dict[str, Schema]) -> Schema:  # noqa: ANN401, PLR0911  # an annotation; one line a kind
    origin, members = get_origin(kind), get_args(kind)
    if kind in (Estimate, Source):
        return {"$ref": f"#/$defs/{kind.__name__.lower()}"}
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind in (int, float):
        return _closed({"value": {"type": "integer" if kind is int else "number"}, "unit": {"const": unit}})
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(members[0], unit, found), {"type": "null"}]}
    if origin is Literal:
        return {"enum": list(members)}
    if origin is tuple:
        return _list(members, unit, found)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of(members[1], unit, found)}
    if isinstance(origin or kind, type) and issubclass(origin or kind, Architecture):
        return {**_TEXT, "description": "The name of the architecture."}
    return _named(kind, found)


def _list(members: tuple[Any, ...], unit: str, found: dict[str, Schema]) -> Schema:
    if members[-1] is ...:
        return {"type": "array", "items": _of(members[0], unit, found)}
    each = [_of(member, unit, found) for member in members]
    return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}


def _named(cls: type, found: dict[str, Schema]) -> Schema:
    """A class under its own name."""
    if cls.__name__ not in found:
        found[cls.__name__] = {}  # while its own fields are looked at
        found[cls.__name__] = _noun(cls) if issubclass(cls, Noun) else _object(cls, found)
    return {"$ref": f"#/$defs/{cls.__name__}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
