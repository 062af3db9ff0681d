"""Later: an answer that takes long and is made when somebody first asks for it."""

from collections.abc import Callable
from typing import cast

from llmplan.sources import Estimate


class Later:
    """
    Stands for an estimate until it is asked for. It is equal to whatever the estimate is equal to, and is pickled as that.

    Args:
        make: Makes the estimate; called once, or by two threads that ask at once.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Estimate]) -> None:
        self._make = make
        self._made: Estimate | None = None

    def __call__(self) -> Estimate:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __eq__(self, other: object) -> bool:
        return self() == (other() if isinstance(other, Later) else other)

    def __hash__(self) -> int:
        return hash(self())

    def __repr__(self) -> str:
        return repr(self())

    def __reduce__(self) -> tuple[Callable[[Estimate], Estimate], tuple[Estimate]]:
        return made, (self(),)


def later(make: Callable[[], Estimate]) -> Estimate:
    """Something that stands for the estimate which *make* makes, in a field of its own type."""
    return cast("Estimate", Later(make))


def made(estimate: Estimate) -> Estimate:
    """The *estimate* itself, made now if it was left for later."""
    return cast("Later", estimate)() if isinstance(estimate, Later) else estimate
