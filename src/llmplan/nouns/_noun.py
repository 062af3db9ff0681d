"""``noun``, which makes a class one of the nouns, and ``Noun``, what they have in common."""

import functools
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Self, TypeVar, dataclass_transform, get_args, get_origin

import attrs

from llmplan.errors import LlmplanError, SpecError, nearest
from llmplan.nouns._check import Faults, check_of
from llmplan.nouns._table import Table
from llmplan.sources import Measures, Source, Sourced
from llmplan.units import is_quantity

T = TypeVar("T")


class Noun:
    """
    What all nouns share: every field is checked, and all faults of one call are told at once.

    A noun is frozen, hashable, equal by value and keyword-only. Change one with :meth:`evolve`.
    """

    __slots__ = ()

    def __attrs_post_init__(self) -> None:
        faults = [f"{message} @ {type(self).__name__}.{path}" for path, message in self._refused()]
        if faults:
            raise SpecError(type(self).__name__, tuple(faults))
        contradictions = tuple(self._contradictions())
        if contradictions:
            raise self._contradicted(contradictions)

    def _refused(self) -> Iterable[tuple[str, str]]:
        """The faults that the fields' own checks left behind, as (path, message)."""
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            if isinstance(value, _Refused):
                yield from ((field.name + path, message) for path, message in value.faults)

    def _contradictions(self) -> Iterable[str]:
        """Rules across fields: a sentence for each that is broken, ending in ``@ Class.field``."""
        return ()

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        """The error that broken rules across fields make."""
        return SpecError(type(self).__name__, faults)

    def evolve(self, **changes: Any) -> Self:
        """
        The same noun with some fields changed, checked anew.

        A measured field may be given as text or as a pint quantity. As that has no source, it becomes an assumption,
        and says so.

        Raises:
            SpecError: A field that this noun does not have, or a value that it cannot have.

        Example:
            >>> from llmplan.nouns.hardware import Hardware
            >>> from llmplan.sources import Source, Sourced
            >>> sheet = Source(kind="datasheet", title="a made-up card")
            >>> card = Hardware(name="card", vendor="Acme", family="One", kind="desktop",
            ...     memory_capacity=Sourced("12 GiB", sheet), memory_bandwidth=Sourced("504 GB/s", sheet),
            ...     peak_flops={"bf16/fp32": Sourced("58 TFLOPS", sheet)}, tdp=Sourced("200 W", sheet))
            >>> larger = card.evolve(memory_capacity="24 GiB")
            >>> larger.memory_capacity.source.kind
            'assumption'

        .. versionadded:: 0.1.0
        """
        fields = {field.name: field for field in fields_of(type(self))}
        unknown = tuple(unknown_field(type(self), name) for name in changes if name not in fields)
        if unknown:
            raise SpecError(type(self).__name__, unknown)
        faults: list[str] = []
        assumed: dict[str, Any] = {}
        for name, value in changes.items():
            try:
                assumed[name] = _assumed(fields[name].type, value)
            except LlmplanError as exc:
                faults.append(f"{exc} @ {type(self).__name__}.{name}")
        if faults:
            raise SpecError(type(self).__name__, faults)
        return attrs.evolve(self, **assumed)  # type: ignore[misc]  # mypy does not know that every noun is an attrs class

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={_shown(getattr(self, field.name))}"
            for field in fields_of(type(self))
            if field.default is attrs.NOTHING or getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attrs.field,))
def noun(cls: type[T]) -> type[T]:
    """
    Make *cls*, a child of :class:`Noun`, a frozen keyword-only class whose fields are checked as they are annotated.

    The module must not use ``from __future__ import annotations``: the annotations are read when the class is made.
    """
    return attrs.frozen(kw_only=True, field_transformer=check_units, repr=False, cache_hash=True)(cls)


def check_units(cls: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:  # noqa: ARG001
    """Give every field the converter that its annotation asks for: the rule of a kind is written once."""
    return [field.evolve(converter=functools.partial(_or_refused, check_of(field.type))) for field in fields]


class _Refused:
    """Stands in a field until ``__attrs_post_init__`` has gathered the faults of all of them."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        self.faults = faults


def _or_refused(check: Callable[[Any], Any], value: Any) -> Any:  # noqa: ANN401
    try:
        return check(value)
    except Faults as exc:
        return _Refused(exc.faults)


def fields_of(cls: type) -> tuple["attrs.Attribute[Any]", ...]:
    """The fields of a noun's class, in the order of its body."""
    return tuple(attrs.fields(cls))


def unknown_field(cls: type, name: str) -> str:
    """The fault of a field that *cls* does not have, with the nearest one that it has."""
    near = nearest(name, tuple(field.name for field in fields_of(cls)))
    hint = f". Did you mean {near!r}?" if near else ""
    return f"unknown field {name!r}{hint} @ {cls.__name__}"


def is_measured(annotation: Any) -> bool:  # noqa: ANN401
    """Whether a field so annotated holds a sourced quantity, or a table of them."""
    if get_origin(annotation) is Annotated and any(isinstance(mark, Measures) for mark in get_args(annotation)):
        return True
    return any(is_measured(inner) for inner in get_args(annotation) if not isinstance(inner, str))


def _assumed(annotation: Any, value: Any) -> Any:  # noqa: ANN401
    if not is_measured(annotation):
        return value
    if isinstance(value, Mapping):
        return {key: _assumed(annotation, item) for key, item in value.items()}
    if isinstance(value, str) or is_quantity(value):
        return Sourced(value, Source.assumption("changed by evolve"))
    return value


_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxtuple = 8
_SHORT.maxstring = _SHORT.maxother = 120


def _shown(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Sourced):
        return f"{value.magnitude:g} {value.unit}"
    if isinstance(value, Table):
        return "{" + ", ".join(f"{key!r}: {_shown(item)}" for key, item in value.items()) + "}"
    return repr(value) if isinstance(value, Noun) else _SHORT.repr(value)
