"""Folders of TOML files inside installed packages, found without executing the packages."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["CatalogueError", "files_in"]

_SUFFIX = ".toml"


class CatalogueError(Exception):
    """A catalogue that cannot be listed; the text says why. It never leaves the registry, which names the owner."""


def files_in(value: str) -> "dict[str, Traversable]":
    """
    The TOML files of the catalogue *value* (``"acme_gpus.hardware"``), by stem.

    The first part of *value* is a package, the rest a folder in it. Only the package's place is looked up
    (:func:`importlib.util.find_spec` of a top package imports nothing), so a package that raises when imported can
    still be listed. Wheels, zipped wheels and editable installs are read alike.

    Args:
        value: dotted text of an entry point without a colon.

    Returns:
        Stem to file, sorted by stem. Hidden files are no items.

    Raises:
        CatalogueError: where there is no such package or folder, or no TOML file in it.

    Example:
        >>> files_in("no_such_package.hardware")
        Traceback (most recent call last):
        llmplan.registry.catalogue.CatalogueError: there is no package 'no_such_package'
    """
    folder = _folder(value)
    files = {
        item.name.removesuffix(_SUFFIX): item
        for item in folder.iterdir()
        if item.name.endswith(_SUFFIX) and not item.name.startswith(".") and item.is_file()
    }
    if not files:
        msg = f"there is no *{_SUFFIX} file in {value!r}: was it left out of the wheel?"
        raise CatalogueError(msg)
    return dict(sorted(files.items()))


def _folder(value: str) -> "Traversable":
    top, *rest = value.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        msg = f"{value!r} is neither 'package.folder' nor 'module:object'"
        raise CatalogueError(msg)
    folder = _files_of_package(top)
    for part in rest:
        folder = folder.joinpath(part)
    if not folder.is_dir():
        msg = f"there is no folder {'/'.join(rest)!r} in the package {top!r}"
        raise CatalogueError(msg)
    return folder


def _files_of_package(name: str) -> "Traversable":
    from importlib.resources import files
    from importlib.util import find_spec, module_from_spec

    spec = find_spec(name)
    if spec is None:
        msg = f"there is no package {name!r}"
        raise CatalogueError(msg)
    if spec.submodule_search_locations is None:
        msg = f"{name!r} is a module, and a catalogue is a folder in a package"
        raise CatalogueError(msg)
    # The module is made and never executed: it only tells importlib.resources who reads its files.
    return files(module_from_spec(spec))
