"""From what people write to nouns: a name, a machine text, a path to a config.json, or the noun itself."""

import functools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from llmplan.errors import SpecError, UnknownNameError
from llmplan.registry.instances import REGISTRIES, hardwares, machines, models

if TYPE_CHECKING:
    from llmplan.nouns._noun import Noun
    from llmplan.nouns.hardware import Hardware
    from llmplan.nouns.machine import Machine
    from llmplan.nouns.model import Model

__all__ = ["machine_of", "model_of", "resolve", "resolved"]

N = TypeVar("N", bound="Noun")

# Which fields of which nouns may hold a registry name, and of which kind.
_NAMES_IN: dict[str, dict[str, str]] = {
    "Machine": {"hardware": "hardware"},
    "Training": {"optimizer": "optimizer"},
    "Site": {"tariff": "tariff", "price": "price", "grid": "grid"},
}


def resolve(kind: str, value: Any) -> Any:  # noqa: ANN401  a kind is told by its text, and so is what comes back
    """
    The noun that *value* stands for, with the names inside it replaced by nouns.

    Args:
        kind: ``"hardware"``, ``"machine"``, ``"model"``, ``"precision"``, ...

        value: a name, or a noun of that kind; for machines and models also what :func:`machine_of` and
            :func:`model_of` take.

    Raises:
        UnknownNameError: for a name, or a kind, that there is none of.

        PluginError: where the item behind the name is broken.

        SpecError: for a value of another type.

    Example:
        >>> resolve("hardware", "rtx-4070").name
        'rtx-4070'
    """
    if kind == "machine":
        return machine_of(value)
    if kind == "model":
        return model_of(value)
    if kind not in REGISTRIES:
        what = "kind of noun"
        raise UnknownNameError(what, kind, REGISTRIES)
    registry = REGISTRIES[kind]
    noun = registry[value] if isinstance(value, str) else value
    if not isinstance(noun, registry.cls):
        raise _not_one(kind, value)
    return resolved(noun)


def machine_of(value: "str | Hardware | Machine") -> "Machine":
    """
    The machine that *value* stands for, with its hardware inside.

    Args:
        value: a machine or its name; a text such as ``"8x h100-sxm"``; or a hardware or its name, which stands in the
            default host for its kind, alone. A machine's name comes before a hardware's.

    Raises:
        UnknownNameError: for a name that there is none of.

        PluginError: where the item behind the name is broken.

        SpecError: for a value of another type.

    Example:
        >>> machine_of("rtx-4070").count, machine_of("8x h100-sxm").hardware.name
        (1, 'h100-sxm')
    """
    if isinstance(value, str):
        return resolved(_named_machine(value))
    if isinstance(value, hardwares.cls):
        return machines.hosting(value)
    if isinstance(value, machines.cls):
        return resolved(value)
    raise _not_one(machines.kind, value, " or a hardware")


def model_of(value: "str | os.PathLike[str] | Mapping[str, Any] | Model") -> "Model":
    """
    The model that *value* stands for.

    Args:
        value: a model or its name; the path of a ``config.json`` or of the folder that holds one; or what such a file
            says, as a dict or as its own text. A text is a path where it ends in ``.json``, or where it holds a ``/``
            (or what else the system separates folders with) and something lies there; it is a name otherwise, and no
            name holds a ``/``: what a name stands for never depends on the files that lie about.

    Raises:
        UnknownNameError: for a name that there is none of.

        PluginError: where the item behind the name is broken.

        SpecError: for a file or dict that describes no model, or a value of another type.

    Example:
        >>> model_of({"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12}).architecture
        'gpt2'
    """
    if isinstance(value, models.cls):
        return value
    if isinstance(value, str) and _is_name(value):
        return models[value]
    if isinstance(value, (str, os.PathLike, Mapping)):
        from llmplan.reading import read_config

        return read_config(value)
    raise _not_one(models.kind, value, ", the path of a config.json or a dict")


def resolved(noun: N) -> N:
    """
    *noun* with every name in it replaced by the noun of that name.

    Raises:
        UnknownNameError: for a name that there is none of; it says in which field.

        PluginError: where the item behind the name is broken.
    """
    names = _NAMES_IN.get(type(noun).__name__, {})
    found = {field: REGISTRIES[kind][name] for field, kind in names.items() if isinstance(name := getattr(noun, field), str)}
    return _replaced(noun, tuple(found.items())) if found else noun


@functools.lru_cache(maxsize=256)
def _replaced(noun: N, found: "tuple[tuple[str, Noun], ...]") -> N:
    # Kept, as every plan on a published machine asks for it.
    return noun.evolve(**dict(found))


def _named_machine(name: str) -> "Machine":
    try:
        return machines[name]
    except UnknownNameError:
        if name in hardwares:
            return machines.hosting(hardwares[name])
        if " " in name.strip():  # a text that says how many of what has been told what is wrong with it
            raise
    what = f"{machines.kind} or {hardwares.kind}"
    raise UnknownNameError(what, name, (*machines, *hardwares))


def _is_name(text: str) -> bool:
    if text.endswith(".json") or text.lstrip().startswith("{"):
        return False
    has_folders = any(separator in text for separator in ("/", os.sep, os.altsep) if separator)
    # "meta-llama/Llama-3.1-8B" is a name elsewhere: where no such folder lies here, the nearest name of ours helps most.
    return not (has_folders and os.path.exists(text))  # noqa: PTH110  Path() refuses what exists() merely denies


def _not_one(kind: str, value: object, more: str = "") -> SpecError:
    fault = f"expected a {kind}, its name{more}, got {type(value).__name__} {value!r:.80} @ {kind}"
    return SpecError(kind, (fault,))
