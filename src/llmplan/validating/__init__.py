"""
Validating: predictions against measured cases, as a product.

A prediction that has never met a measurement is a rumour. The predictor sees a case's inputs and neither its name nor
its result; what it cannot answer is counted with the reason, never skipped.
"""

import os
from collections.abc import Callable, Iterable

from llmplan.errors import SpecError, UnknownNameError
from llmplan.validating.report import Report

__all__ = ["KINDS", "Report", "validate"]


def _memory() -> Callable[[list[str]], Report]:
    from llmplan.validating.memory import validate_memory

    return validate_memory


def _bills() -> Callable[[list[str]], Report]:
    from llmplan.validating.bills import validate_bills

    return validate_bills


KINDS: dict[str, Callable[[], Callable[[list[str]], Report]]] = {"memory": _memory, "bills": _bills}
"""What can be validated, by name."""


def validate(kind: str, paths: "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]") -> Report:
    """
    Predict the measured cases of some files.

    Args:
        kind: "memory" or "bills".
        paths: A JSON file of that kind's cases, or several.

    Raises:
        UnknownNameError: No such kind.
        SpecError: A file that holds no such cases.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of validation", kind, tuple(KINDS))
    files = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    wrong = tuple(f"expected the path of a file, got {p!r:.80} @ paths" for p in files if not isinstance(p, (str, os.PathLike)))
    if wrong:
        raise SpecError("validate()", wrong)
    return KINDS[kind]()([os.fspath(p) for p in files])
