"""read: from a text, a file or a dict to a noun."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from llmplan.errors import SpecError
from llmplan.nouns._noun import Noun
from llmplan.reading._faults import Fault, faults_of
from llmplan.reading._structure import citing, converter
from llmplan.reading._text import check_depth, load, parse_json, parse_toml
from llmplan.sources import Source

API = 1
"""The number that files state as ``api``. It changes when an old file would be read wrongly."""

N = TypeVar("N", bound=Noun)


def read(source: "str | os.PathLike[str] | Mapping[str, Any]", cls: type[N], *, where: str | None = None) -> N:
    """
    A noun from TOML, JSON or a dict.

    In a document a measured value is a table of value and source, and sources may be named once and used often::

        api = 1
        name = "my-card"
        memory_capacity = { value = "12 GiB", source = "sheet" }

        [sources.sheet]
        kind = "datasheet"
        title = "..."

    Args:
        source: TOML text, JSON text (it starts with ``{``), a path, or a dict. Text of one line that ends in ``.toml``
            or ``.json`` is a path.

        cls: The noun's class.

        where: What to call the document in errors. The path, or ``<string>``, where it is left out.

    Raises:
        SpecError: Whatever is wrong, all of it at once, each fault with its path.

    Example:
        >>> from llmplan.nouns.lora import LoRA
        >>> read('rank = 16', LoRA)
        LoRA(rank=16)
        >>> read('rnak = "16"', LoRA, where="mine.toml")
        Traceback (most recent call last):
        ...
        llmplan.errors.SpecError: mine.toml:
        ...

    .. versionadded:: 0.1.0
    """
    if not (isinstance(cls, type) and issubclass(cls, Noun)):
        raise SpecError(where or "read()", (f"expected the class of a noun, got {cls!r:.80} @ cls",))
    if isinstance(source, Mapping):
        return from_dict(source, cls, where=where or "<dict>")
    if not isinstance(source, (str, os.PathLike)):
        raise SpecError(where or "read()", (f"expected a text, a path or a dict, got {source!r:.80} @ source",))
    path = _path_of(source)
    if path is None:
        return from_dict(_parse(str(source), where or "<string>"), cls, where=where or "<string>")
    return from_dict(_parse(load(path), where or path), cls, where=where or path)


def from_dict(data: Mapping[str, Any], cls: type[N], *, where: str = "<dict>") -> N:
    """
    A noun from plain data: what :func:`~llmplan.reading.to_dict` gave, or what a TOML or JSON parser gave.

    Args:
        data: The fields, and beside them ``api`` and the tables under ``sources``.

        cls: The noun's class.

        where: What to call the data in errors.

    Raises:
        SpecError: Whatever is wrong, all of it at once, each fault with its path.

    Example:
        >>> from llmplan.nouns.lora import LoRA
        >>> from_dict({"rank": 16, "targets": ["q_proj"]}, LoRA)
        LoRA(rank=16, targets=('q_proj',))

    .. versionadded:: 0.1.0
    """
    check_depth(data, where)
    fields = dict(data)
    _check_api(fields.pop("api", API), where)
    faults: list[Fault] = []
    sources = _sources_of(fields.pop("sources", {}), faults)
    made: N | None = None
    with citing(sources):
        try:
            made = converter().structure(fields, cls)
        except Exception as exc:  # noqa: BLE001  a hook that fails is a fault of the document, with a path
            faults += [(f"{cls.__name__}{path}", message) for path, message in faults_of(exc)]
    if faults or made is None:
        raise SpecError(where, tuple(f"{message} @ {path}" for path, message in faults))
    return made


def _path_of(source: "str | os.PathLike[str]") -> str | None:
    if isinstance(source, os.PathLike):
        return os.fspath(source)
    one_line = "\n" not in source and len(source) < 4096  # noqa: PLR2004  no system has longer paths
    return source if one_line and source.lower().endswith((".toml", ".json")) else None


def _parse(text: str, where: str) -> dict[str, Any]:
    return parse_json(text, where) if text.lstrip().startswith("{") else parse_toml(text, where)


def _check_api(number: object, where: str) -> None:
    if type(number) is int and number == API:
        return
    told = f"it says api = {number!r:.40}, and llmplan {_version()} reads api = {API}"
    raise SpecError(where, (f"{told} @ api",))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("llmplan")
    except PackageNotFoundError:
        return "(not installed)"


def _sources_of(tables: object, faults: list[Fault]) -> dict[str, Source]:
    """The tables under [sources]. One that is wrong is told once, and not again wherever it is cited."""
    if not isinstance(tables, Mapping):
        faults.append(("sources", f"expected a table of sources, got {tables!r:.80}"))
        return {}
    made: dict[str, Source] = {}
    for key, table in tables.items():
        try:
            made[key] = converter().structure(table, Source)
        except Exception as exc:  # noqa: BLE001
            faults += [(f"sources.{key}{path}", message) for path, message in faults_of(exc)]
            made[key] = Source.assumption("its table is faulty")
    return made
