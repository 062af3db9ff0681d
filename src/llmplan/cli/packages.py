"""A survey of the installed packages that offer names."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmplan.registry import Registry


def surveyed() -> dict[str, Any]:
    """Each package and group with its names and their faults, and the packages that cannot be read or found."""
    from llmplan.registry import REGISTRIES, broken, narrowed, not_installed

    allowed = narrowed()
    return {
        "plugins": [row for registry in REGISTRIES.values() for row in _packages(registry)],
        "unreadable": broken(),
        "narrowed_to": None if allowed is None else sorted(allowed),
        "not_installed": list(not_installed()),
    }


def _packages(registry: "Registry[Any]") -> "Iterator[dict[str, Any]]":
    offers: dict[tuple[str, str], list[str]] = {}
    for offer in registry.offers():
        offers.setdefault((offer.origin.package, offer.origin.version), []).append(offer.name)
    errors = registry.failures()
    for (package, version), names in sorted(offers.items()):
        faults = [{"name": name, "message": str(error)} for name, error in errors.items() if package in error.package.split(", ")]
        yield {"package": package, "version": version, "group": registry.group, "names": len(names), "errors": faults}
