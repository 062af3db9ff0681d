"""From bytes or text to plain dicts, within limits: what a stranger's file may not do to a program."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Never

from llmplan.errors import SpecError

MOST_BYTES = 10_000_000
DEEPEST = 32

_SCALARS = frozenset({str, int, float, bool, type(None)})


def load(path: "str | os.PathLike[str]") -> str:
    """The text of a file, which must be UTF-8 and no larger than 10 MB."""
    where = os.fspath(path)
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise SpecError(where, (f"expected a file of at most {MOST_BYTES:,} bytes, got {size:,} @ file",))
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise SpecError(where, (f"expected UTF-8, got the byte {exc.object[exc.start]:#x} at offset {exc.start} @ file",)) from None
    except (OSError, ValueError) as exc:
        # ValueError: a path with a null character in it.
        raise SpecError(where, (f"the file cannot be read: {getattr(exc, 'strerror', None) or exc} @ file",)) from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; a fault of the language comes with its line."""
    return _parsed(_located_toml, text, where, "TOML")


def parse_json(text: str, where: str) -> dict[str, Any]:
    """The object of a JSON text. Stricter than Python's own: no key twice, no NaN, no Infinity."""
    return _parsed(_strict_json, text, where, "JSON")


def _parsed(parse: Any, text: str, where: str, language: str) -> dict[str, Any]:  # noqa: ANN401
    if len(text) > MOST_BYTES:
        raise SpecError(where, (f"expected a text of at most {MOST_BYTES:,} characters, got {len(text):,} @ file",))
    try:
        doc = parse(text)
    except RecursionError:
        raise SpecError(where, (f"tables and lists lie more than {DEEPEST} deep inside one another @ file",)) from None
    except ValueError as exc:
        raise SpecError(where, (f"not {language}: {exc} @ file",)) from None
    if not isinstance(doc, dict):
        raise SpecError(where, (f"expected a table, got {type(doc).__name__} @ file",))
    check_depth(doc, where)
    return doc


def check_depth(doc: Mapping[str, Any], where: str) -> None:
    """Refuse tables and lists that lie too deep inside one another, before anything walks into them."""
    level: list[Any] = [doc]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return
    raise SpecError(where, (f"tables and lists lie more than {DEEPEST} deep inside one another @ file",))


def _members(value: Any) -> Iterable[Any]:  # noqa: ANN401
    inside = value if isinstance(value, (list, tuple)) else value.values()
    # Asking an abstract class costs ten times as much as asking a real one, and every value of every file is asked.
    return [item for item in inside if type(item) not in _SCALARS and isinstance(item, (dict, list, tuple, Mapping))]


def _located_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        # The parser knows the line of every fault but one on the last line.
        line = text.rstrip().count("\n") + 1
        raise ValueError(str(exc).replace("(at end of document)", f"(at line {line}, the end)")) from None


def _strict_json(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    msg = f"the key {twice!r:.80} is there twice"
    raise ValueError(msg)


def _no_constant(text: str) -> Never:
    msg = f"{text} is no number"
    raise ValueError(msg)
