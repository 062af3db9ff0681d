"""Constant: one number that measured runs gave to a cost formula, with how sure they are of it."""

from typing import Annotated

from llmplan.nouns._check import Between, Name, Positive
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Constant(Noun):
    """
    A calibrated constant of the cost formulas.

    Attributes:
        value: Its median, in ``unit``.

        sigma: Standard deviation of its natural logarithm: 0.1 is about ten percent either way. 0: taken as exact.

        unit: What it is measured in; "1" for a share.

        meaning: What it is, in a few words.

        source: Where the value comes from and how.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source
        >>> launch = Constant(value=8e-6, sigma=0.25, unit="s", meaning="launch of a kernel in eager mode",
        ...     source=Source.assumption("an example"))
        >>> launch.value
        8e-06

    .. versionadded:: 0.1.0
    """

    value: Positive
    sigma: Annotated[float, Between(0, 3)]
    unit: Name
    meaning: Name
    source: Source
