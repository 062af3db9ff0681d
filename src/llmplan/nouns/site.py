"""Site: where and when a job runs, and what it pays there."""

import datetime as dt
import re
from typing import Annotated, NamedTuple

import attrs

from llmplan.nouns._check import Between, Date, Name, TimeZone
from llmplan.nouns._noun import Noun, noun
from llmplan.nouns.grid import Grid
from llmplan.nouns.price import Price
from llmplan.nouns.tariff import Tariff
from llmplan.units import CURRENCIES

_RATE = re.compile(r"\s*(?P<rate>\S+)\s+(?P<quote>[A-Z]{3})/(?P<base>[A-Z]{3})\s+on\s+(?P<date>\S+)\s*")


class ExchangeRate(NamedTuple):
    """
    What one unit of a currency costs in another, on a day.

    Attributes:
        rate: Units of ``quote`` for one unit of ``base``.

        quote: The currency that ``rate`` counts.

        base: The currency that is bought.

        date: ISO 8601.
    """

    rate: float
    quote: str
    base: str
    date: str


@attrs.frozen
class _ExchangeText:
    """A dated rate of exchange: "31.828 TWD/USD on 2026-03-10"."""

    def check(self, value: str) -> str:
        _parse_rate(value)
        return value


@noun
class Site(Noun):
    """
    Where a job runs. What is None is left out of the plan, not guessed: without a tariff there is no bill.

    Attributes:
        tariff: What electricity costs, or its registry name.

        price: What renting the hardware costs, or its registry name.

        grid: What electricity emits, or its registry name.

        pue: Power usage effectiveness: energy of the whole site over energy of the computers. 1.0 at home.

        time_zone: IANA name, such as "Asia/Taipei". None: the tariff's own.

        start: The day on which the job starts, ISO 8601. None: an interval over the starts of a year.

        exchange_rate: A dated rate that amounts are also shown in: "31.828 TWD/USD on 2026-03-10" says that a US
            dollar cost 31.828 Taiwan dollars on that day.

        baseline_kwh_per_month: What the meter sees in a calendar month without the job. [kWh]

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> site = Site(tariff="tw-residential", grid="tw", start="2026-12-01",
        ...     exchange_rate="31.828 TWD/USD on 2026-03-10")
        >>> site.exchange
        ExchangeRate(rate=31.828, quote='TWD', base='USD', date='2026-03-10')

    .. versionadded:: 0.1.0
    """

    tariff: Name | Tariff | None = None
    price: Name | Price | None = None
    grid: Name | Grid | None = None
    pue: Annotated[float, Between(1, 10)] = 1.0
    time_zone: TimeZone | None = None
    start: Date | None = None
    exchange_rate: Annotated[str, _ExchangeText()] | None = None
    baseline_kwh_per_month: Annotated[float, Between(0, 1e12)] = 0.0

    @property
    def exchange(self) -> ExchangeRate | None:
        """``exchange_rate`` taken apart, or None where there is none."""
        return None if self.exchange_rate is None else _parse_rate(self.exchange_rate)


def _parse_rate(text: str) -> ExchangeRate:
    """Take a text such as "31.828 TWD/USD on 2026-03-10" apart, or raise ValueError."""
    found = _RATE.fullmatch(text)
    msg = f"expected a dated exchange rate such as '31.828 TWD/USD on 2026-03-10', got {text!r:.80}"
    if found is None or found["base"] == found["quote"] or not {found["base"], found["quote"]} <= set(CURRENCIES):
        raise ValueError(msg)
    try:
        rate = float(found["rate"])
        day = dt.date.fromisoformat(found["date"])
    except ValueError:
        raise ValueError(msg) from None
    if not 0 < rate < 1e12:  # noqa: PLR2004  the most that a currency has ever fallen to
        raise ValueError(msg)
    return ExchangeRate(rate, found["quote"], found["base"], day.isoformat())
