"""The tree of exceptions that structuring a dict leaves behind, as a flat list of (path, message)."""

from collections.abc import Iterator

from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
)

from llmplan.errors import JobError, LlmplanError, SpecError
from llmplan.nouns._check import Faults
from llmplan.nouns._noun import unknown_field

Fault = tuple[str, str]


def faults_of(exc: BaseException) -> Iterator[Fault]:
    """All faults in *exc*, each with its path, which starts with a dot or a bracket, or is empty."""
    if isinstance(exc, BaseValidationError):
        for inner in exc.exceptions:
            step = _step(inner)
            yield from ((step + path, message) for path, message in _faults_of_field(inner, step))
    elif isinstance(exc, Faults):
        yield from exc.faults
    elif isinstance(exc, ForbiddenExtraKeysError):
        for name in sorted(exc.extra_fields):
            message, _, _ = unknown_field(exc.cl, str(name)).rpartition(" @ ")
            yield "", message
    elif isinstance(exc, (SpecError, JobError)):
        yield from map(_split, exc.faults)
    else:
        yield "", str(exc) if isinstance(exc, LlmplanError) else f"{type(exc).__name__}: {exc}"


def _faults_of_field(exc: BaseException, step: str) -> Iterator[Fault]:
    # cattrs tells of a missing key by the KeyError itself; our own errors may be KeyErrors too.
    if step and isinstance(exc, KeyError) and not isinstance(exc, LlmplanError):
        return iter((("", "required field missing"),))
    return faults_of(exc)


def _step(exc: BaseException) -> str:
    notes = [note for note in getattr(exc, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
    return f".{notes[-1].name}" if notes else ""


def _split(fault: str) -> Fault:
    """ "message @ Class.field" as (".field", "message"): whoever reads the class knows a longer path to it."""
    message, _, path = fault.rpartition(" @ ")
    if not message:
        return "", path
    dot = path.find(".")
    return ("" if dot < 0 else path[dot:]), message
