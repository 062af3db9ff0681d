"""Grid: what a kilowatt-hour of a region emits."""

from typing import Annotated

from llmplan.nouns._check import Between, MayBeZero, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import GramsPerKWh


@noun
class Grid(Noun):
    """
    The carbon intensity of a region's electricity in one year.

    Attributes:
        name: Its registry id, such as "tw".

        region: The region in words.

        carbon_intensity: As ``basis`` counts it. [g/kWh]

        life_cycle_intensity: With building, fuel supply and losses upstream, where it is known. Not to be mixed with
            the other: the two count different things. [g/kWh]

        basis: What ``carbon_intensity`` counts, such as "fuel burnt, per kWh sold".

        year: The year that it holds for.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source, Sourced
        >>> made_up = Source(kind="assumption", title="for this example")
        >>> Grid(name="somewhere", region="Somewhere", carbon_intensity=Sourced("400 g/kWh", made_up),
        ...     basis="fuel burnt, per kWh sold", year=2024).year
        2024

    .. versionadded:: 0.1.0
    """

    name: Name
    region: Name
    carbon_intensity: Annotated[GramsPerKWh, MayBeZero()]
    life_cycle_intensity: Annotated[GramsPerKWh, MayBeZero()] | None = None
    basis: Name
    year: Annotated[int, Between(1900, 2200)]
