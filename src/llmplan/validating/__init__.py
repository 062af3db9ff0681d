"""
Validating: predictions against measured cases, as a product.

A prediction that has never met a measurement is a rumour. The predictor sees a case's inputs and neither its name nor
its result; what it cannot answer is counted with the reason, never skipped.
"""

from collections.abc import Callable

from llmplan.errors import UnknownNameError
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


def validate(kind: str, paths: list[str]) -> Report:
    """
    Predict the measured cases of some files.

    Args:
        kind: "memory" or "bills".
        paths: JSON files of that kind's cases.

    Raises:
        UnknownNameError: No such kind.
        SpecError: A file that holds no such cases.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of validation", kind, tuple(KINDS))
    return KINDS[kind]()(paths)
