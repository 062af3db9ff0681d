"""Calibration: what measured runs say about the constants of the cost formulas."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from llmplan.nouns._check import Between, Date, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.nouns.constant import Constant
from llmplan.sources import Source


@noun
class Calibration(Noun):
    """
    The posterior of the constants in the cost formulas. Every interval of a plan comes from it.

    Each constant is log-normal: a median and the standard deviation of its logarithm. The formulas see a fixed number of
    its quantiles, each constant in an order of its own that follows from its name, so that the n-th draws of all
    constants are one possible world (see ``llmplan.costs.constants``).

    Attributes:
        name: Its registry id.

        constants: The constants, by name.

        draw_count: How many draws stand for the posterior. Odd, so that the middle one is the median.

        method: How the constants were fitted.

        data: Which measured runs they rest on.

        date: The day on which they were fitted, ISO 8601.

        source: Where method and data are described.

    Raises:
        SpecError: A field has a value that it cannot have, or there is no constant.

    Example:
        >>> from llmplan.sources import Source
        >>> guess = Source.assumption("an example")
        >>> launch = Constant(value=8e-6, sigma=0.25, unit="s", meaning="launch of a kernel", source=guess)
        >>> mine = Calibration(name="mine", constants={"launch.eager": launch}, method="by hand", data="20 steps",
        ...     date="2026-11-24", source=guess)
        >>> mine.draw_count
        33

    .. versionadded:: 0.1.0
    """

    name: Name
    constants: Mapping[Name, Constant]
    draw_count: Annotated[int, Between(1, 999)] = 33
    method: str
    data: str
    date: Date
    source: Source

    def _contradictions(self) -> Iterable[str]:
        if not self.constants:
            yield "a calibration has at least one constant @ Calibration.constants"
        for field in ("method", "data"):
            if not getattr(self, field).strip():
                yield f"expected a text that is not empty @ Calibration.{field}"
        if self.draw_count % 2 == 0:
            yield f"an odd number of draws has its median among them, got {self.draw_count} @ Calibration.draw_count"
