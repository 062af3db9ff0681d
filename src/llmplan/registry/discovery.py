"""The entry points that installed packages offer to llmplan, read once in a process.

Nothing here imports a plugin: an entry point is three words of text and the distribution that they stand in.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint, IDistribution

__all__ = ["CORE", "VARIABLE", "Finder", "Origin", "broken", "forget", "installed", "narrowed", "not_installed", "origin_of"]

CORE = "llmplan"
VARIABLE = "LLMPLAN_PLUGINS"
_PREFIX = "llmplan."
_UNNAMED = "an unnamed package"

Finder = Callable[[str], "Iterable[EntryPoint]"]
"""What a registry asks for the entry points of its group."""


class Origin(NamedTuple):
    """
    Where an item comes from.

    Attributes:
        package: name of the distribution, as its metadata states it.

        version: version of that distribution.

        entry_point: the entry point's value: ``acme_gpus.hardware``.
    """

    package: str
    version: str
    entry_point: str


class _Scan(NamedTuple):
    by_group: "dict[str, tuple[EntryPoint, ...]]"
    broken: dict[str, str]


_lock = threading.Lock()
_scan: _Scan | None = None


def installed(group: str) -> "tuple[EntryPoint, ...]":
    """
    The entry points of *group* that installed packages offer, narrowed by ``LLMPLAN_PLUGINS``.

    The packages are read once in a process; :func:`forget` makes the next call read them again.
    """
    found = _scanned().by_group.get(group, ())
    wanted = narrowed()
    if wanted is None:
        return found
    packages = _packages(found)
    return tuple(entry for entry in found if packages[id(entry.dist)] in wanted)


def narrowed() -> frozenset[str] | None:
    """
    The distributions that ``LLMPLAN_PLUGINS`` allows, our own always among them; None where it is not set.

    Names are separated by commas and compared as package indexes do: case, ``-``, ``_`` and ``.`` make no difference.
    An empty value allows no plugin at all.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    return frozenset({CORE, *(_canonical(part) for part in text.split(",") if part.strip())})


def not_installed() -> tuple[str, ...]:
    """The names in ``LLMPLAN_PLUGINS`` that offer nothing to llmplan: misspelt, or not installed."""
    every = [entry for found in _scanned().by_group.values() for entry in found]
    return tuple(sorted((narrowed() or frozenset()) - set(_packages(every).values()) - {CORE}))


def broken() -> dict[str, str]:
    """The distributions whose own metadata cannot be read (name to reason); all others are found regardless."""
    return dict(_scanned().broken)


def forget() -> None:
    """Let the next question read the installed packages again."""
    from importlib import invalidate_caches

    global _scan  # noqa: PLW0603  # one scan serves every registry of the process
    with _lock:
        _scan = None
    invalidate_caches()


def origin_of(entry: "EntryPoint") -> Origin:
    """The distribution that *entry* stands in; the words for an unknown one where an entry point was made without."""
    dist = getattr(entry, "dist", None)
    return Origin(_stated(dist, "name", _UNNAMED), _stated(dist, "version", "of unknown version"), entry.value)


def _scanned() -> _Scan:
    global _scan  # noqa: PLW0603  # one scan serves every registry of the process
    if _scan is None:
        with _lock:
            if _scan is None:
                _scan = _read()
    return _scan


def _read() -> _Scan:
    import importlib_metadata

    broken: dict[str, str] = {}
    try:
        entries = list(importlib_metadata.entry_points())
    except Exception:  # noqa: BLE001  # one package with unreadable metadata must not hide all the others
        entries = list(_one_by_one(importlib_metadata.distributions(), broken))
    groups: dict[str, list[EntryPoint]] = {}
    for entry in entries:
        if entry.group.startswith(_PREFIX):
            groups.setdefault(entry.group, []).append(entry)
    return _Scan({group: tuple(found) for group, found in groups.items()}, broken)


def _one_by_one(distributions: "Iterable[IDistribution]", broken: dict[str, str]) -> "Iterator[EntryPoint]":
    """The entry points of each distribution that can be read; of two with one name the first counts, as for imports."""
    seen: set[str] = set()
    for dist in distributions:
        name = _stated(dist, "name", _UNNAMED)
        if _canonical(name) in seen:
            continue
        seen.add(_canonical(name))
        try:
            yield from dist.entry_points
        except Exception as exc:  # noqa: BLE001  # whatever is wrong with it is its own fault
            broken[name] = f"{type(exc).__name__}: {exc}"


def _packages(entries: "Iterable[EntryPoint]") -> dict[int, str]:
    """The package of each distribution behind *entries*, by identity: a name costs reading the metadata once."""
    dists = {id(entry.dist): entry for entry in entries}
    return {key: _canonical(origin_of(entry).package) for key, entry in dists.items()}


def _stated(dist: object, attribute: str, otherwise: str) -> str:
    try:
        value = getattr(dist, attribute)
    except Exception:  # noqa: BLE001  # metadata that cannot be read says nothing
        return otherwise
    return value if isinstance(value, str) and value else otherwise


def _canonical(name: str) -> str:
    """A distribution's name as package indexes compare it (PyPA, *Names and normalization*)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
