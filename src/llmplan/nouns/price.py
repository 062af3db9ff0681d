"""Price: what renting one accelerator costs."""

from typing import Annotated, Literal

from llmplan.nouns._check import Between, Currency, Date, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Price(Noun):
    """
    An offer to rent accelerators by the hour, as it stood on a day.

    Attributes:
        name: Its registry id.

        provider: Who rents it out.

        hardware: The registry name of the accelerator.

        per_gpu_hour: For one accelerator and hour, its share of the host included. [currency/hour]

        currency: ISO 4217, such as "USD".

        region: Where it stands, in the provider's words.

        purchase: "on-demand", "spot" (may be taken away), "reserved" (for a long time), or "marketplace".

        date: The day on which the price was read. None: it was published without a date.

        source: Where it was read.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source
        >>> Price(name="offer", provider="Acme", hardware="h100-sxm", per_gpu_hour=2.5, currency="USD",
        ...     purchase="on-demand", date="2026-09-06", source=Source.assumption("an example")).per_gpu_hour
        2.5

    .. versionadded:: 0.1.0
    """

    name: Name
    provider: Name
    hardware: Name
    per_gpu_hour: Annotated[float, Between(0, 1e9)]
    currency: Currency
    region: Name | None = None
    purchase: Literal["on-demand", "spot", "reserved", "marketplace"]
    date: Date | None = None
    source: Source
