"""Calibration: what measured runs say about the constants of the cost functions."""

from collections.abc import Iterable, Mapping

from llmplan.nouns._check import Date, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Calibration(Noun):
    """
    Draws from the posterior of the constants in the cost functions. Every interval of a plan comes from them.

    Attributes:
        name: Its registry id.

        draws: For each constant its draws, in the constant's own unit. The n-th draws of all constants belong
            together: they were likely at the same time.

        method: How the draws were made.

        data: Which measured runs they rest on.

        date: The day on which they were made, ISO 8601.

        source: Where method and data are described.

    Raises:
        SpecError: A field has a value that it cannot have, or constants have unlike numbers of draws.

    Example:
        >>> from llmplan.sources import Source
        >>> Calibration(name="mine", draws={"matmul_efficiency": [0.7, 0.8]}, method="by hand", data="20 steps",
        ...     date="2026-11-24", source=Source.assumption("an example")).count
        2

    .. versionadded:: 0.1.0
    """

    name: Name
    draws: Mapping[Name, tuple[float, ...]]
    method: Name
    data: Name
    date: Date
    source: Source

    def _contradictions(self) -> Iterable[str]:
        counts = {len(values) for values in self.draws.values()}
        if not counts or 0 in counts:
            yield "a calibration has at least one constant with one draw @ Calibration.draws"
        elif len(counts) > 1:
            told = ", ".join(f"{name} has {len(values)}" for name, values in self.draws.items())
            yield f"all constants have equally many draws, as they belong together; {told:.200} @ Calibration.draws"

    @property
    def count(self) -> int:
        """How many draws each constant has."""
        return len(next(iter(self.draws.values())))
