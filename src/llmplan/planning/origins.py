"""Origins: which packages the nouns of a case come from, and in which version."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from llmplan.errors import LlmplanError
from llmplan.evaluating.case import Case
from llmplan.nouns._noun import Noun
from llmplan.nouns.machine import Machine, parse_machine_text
from llmplan.registry import REGISTRIES, machines

_KINDS: Final = {
    "model": "model",
    "hardware": "hardware",
    "optimizer": "optimizer",
    "precision": "precision",
    "frozen_format": "format",
    "runtime": "runtime",
    "calibration": "calibration",
    "tariff": "tariff",
    "grid": "grid",
    "price": "price",
}
"""Fields of a case that hold a noun of a registry, and which registry."""


def versions(case: Case) -> dict[str, str]:
    """
    The version of llmplan and of every package that an item of a *case* comes from, by package.

    An item that somebody made, or changed so far that it has another source, comes from no package.
    """
    from llmplan import __version__

    found = dict(sorted(filter(None, _packages(case))))
    return {"llmplan": __version__} | {package: version for package, version in found.items() if package != "llmplan"}


def _packages(case: Case) -> Iterator[tuple[str, str] | None]:
    yield _package_of_name("architecture", case.model.architecture)
    for field, kind in _KINDS.items():
        noun = getattr(case, field)
        if noun is not None:
            yield _package(kind, noun)
    yield package_of_machine(case.machine)


@lru_cache(maxsize=1024)
def _package_of_name(kind: str, name: str) -> tuple[str, str] | None:
    try:
        origin = REGISTRIES[kind].origin(name)
    except LlmplanError:
        return None
    return origin.package, origin.version


@lru_cache(maxsize=1024)
def _package(kind: str, noun: Any) -> tuple[str, str] | None:  # noqa: ANN401  a noun of any kind
    """The package of a *noun* that a registry has under its own name, unchanged or with knobs changed."""
    published = _published(kind, noun.name)
    if published is None or not (published == noun or _source(published) == _source(noun) is not None):
        return None
    return _package_of_name(kind, noun.name)


@lru_cache(maxsize=1024)
def package_of_machine(machine: Machine) -> tuple[str, str] | None:
    """That of the published machine which this one is, or which was taken so many times, or with other hardware."""
    for name in _candidates(machine):
        published = _published("machine", name)
        package = _package_of_name("machine", name)
        if package and isinstance(published, Machine) and _as_many(published, machine) == machine:
            return package
    return None


def _candidates(machine: Machine) -> Iterator[str]:
    hardware = machine.hardware if isinstance(machine.hardware, str) else machine.hardware.name
    yield from (machine.name, f"{machine.gpus_per_node}x-{hardware}", f"host-{machine.kind}")
    if parse_machine_text(machine.name) is not None:
        yield from machines  # the registry has looked through all of them to find it


def _as_many(published: Machine, machine: Machine) -> Machine:
    counts = {name: getattr(machine, name) for name in ("name", "hardware", "gpus_per_node", "nodes")}
    return published.evolve(**counts)


def _published(kind: str, name: str) -> Noun | None:
    try:
        found: Noun = REGISTRIES[kind][name]
    except LlmplanError:
        return None
    return found


def _source(noun: Noun) -> object:
    return getattr(noun, "source", None)
