"""
The energy of one bill, cut into tiers and spread over periods.

Tier limits are shared by all periods: the kWh of a stretch are cut into tiers first, then each period gets every tier
    in proportion to
its share of the kWh. What the stretch is (a month, the bill, a day, the year so far) is the tariff's ``tier_reset``.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

import attrs

from llmplan.billing.calendar import days_between, next_month
from llmplan.billing.exact import added, exact
from llmplan.billing.meter import Day, Meter
from llmplan.billing.period import Period
from llmplan.billing.tiers import Steps, cut, limits, steps
from llmplan.errors import UnsupportedError
from llmplan.nouns.tariff import FixedStep, Tariff, TotalTable

_ZERO = Fraction(0)
S = TypeVar("S", FixedStep, TotalTable)
Lines = dict[tuple[int, int], Fraction]


@attrs.frozen
class EnergyLine:
    """
    A line of the bill.

    Attributes:
        period: Energy period.

        tier: Tier of it, from 0.

        kwh: Energy. [kWh]

        price: Price of it. [currency/kWh]
    """

    period: int
    tier: int
    kwh: Fraction
    price: Fraction

    @property
    def amount(self) -> Fraction:
        """What the line costs. [currency]"""
        return self.kwh * self.price


def energy_lines(tariff: Tariff, meter: Meter, bill: Period) -> list[EnergyLine]:
    """
    The lines of energy of one bill, by period and tier.

    Args:
        tariff: The tariff.

        meter: The load.

        bill: The bill period.

    Raises:
        UnsupportedError: The bill goes beyond the last price that the tariff states.
    """
    table = _table(tariff, meter, bill)
    lines: Lines = {}
    for line, kwh in _cut(tariff, table, meter, bill):
        lines[line] = lines.get(line, _ZERO) + kwh
    return [EnergyLine(period, tier, kwh, table[period][tier].price) for (period, tier), kwh in sorted(lines.items()) if kwh]


def step_of(table: Sequence[S], kwh: Fraction) -> S:
    """The first step whose ``max_kwh`` is not exceeded."""
    for step in table:
        if step.max_kwh is None or kwh <= exact(step.max_kwh):
            return step
    raise UnsupportedError(f"a bill of {float(kwh):g} kWh", f"the tariff's table ends at {table[-1].max_kwh:g} kWh")


def _table(tariff: Tariff, meter: Meter, bill: Period) -> tuple[Steps, ...]:
    if not tariff.by_total:
        return steps(tariff.energyratestructure)
    return steps(step_of(tariff.by_total, meter.total(bill.months)).energyratestructure)


def _cut(tariff: Tariff, table: tuple[Steps, ...], meter: Meter, bill: Period) -> Iterator[tuple[tuple[int, int], Fraction]]:
    if tariff.tier_reset == "year":
        yield from _year_so_far(table, meter, bill)
    elif tariff.tier_reset == "day":
        for day, times in _tally(meter, bill.months).items():
            for line, kwh in _shared(table, day.kwh):
                yield line, kwh * times
    elif tariff.tier_reset == "bill":
        months = len(bill.months) if tariff.thresholds_per == "month" else 1
        yield from _stretch(tariff, table, meter, bill.months, months)
    else:
        for month in bill.months:
            yield from _stretch(tariff, table, meter, [month], 1)


def _stretch(
    tariff: Tariff, table: tuple[Steps, ...], meter: Meter, months: Sequence[dt.date], times: int
) -> Iterator[tuple[tuple[int, int], Fraction]]:
    """The kWh of some months cut into tiers once, by season where the tariff shares out by days."""
    dates = list(days_between(months[0], next_month(months[-1])))
    seasons = _seasons(meter, dates) if tariff.season_split else []
    if len(seasons) < 2:  # noqa: PLR2004  nothing to share out
        yield from _shared(table, _by_period(_tally(meter, months)), times=times, days=len(dates))
        return
    total = meter.total(months)
    for season in seasons:
        share = Fraction(len(season), len(dates))
        used = _spread(total * share, meter, season)
        yield from _shared(table, used, times=times * share, days=len(season))


def _tally(meter: Meter, months: Sequence[dt.date]) -> Counter[Day]:
    """The days of some months and how many of each."""
    if len(months) == 1:
        return meter.month(months[0])
    days: Counter[Day] = Counter()
    for month in months:
        days.update(meter.month(month))
    return days


def _seasons(meter: Meter, dates: Iterable[dt.date]) -> list[list[dt.date]]:
    """Dates by the schedule rows that they use."""
    seasons: dict[tuple[tuple[int, ...], ...], list[dt.date]] = {}
    for day in dates:
        seasons.setdefault(meter.calendar.season(day), []).append(day)
    return list(seasons.values())


def _spread(kwh: Fraction, meter: Meter, dates: Sequence[dt.date]) -> dict[int, Fraction]:
    """
    A season's kWh over its periods: as they were used, or, where the season itself used nothing, as long as they are.

    A meter that tells the periods apart tells them apart in each season too, so only the seasons' totals are shared
    out by days.
    """
    days = Counter(map(meter.day, dates))
    weights = _by_period(days)
    if not any(weights.values()):
        weights = {}
        for day, times in days.items():
            for period, seconds in day.seconds.items():
                weights[period] = weights.get(period, _ZERO) + seconds * times
    whole = added(weights.values())
    return {period: kwh * weight / whole for period, weight in weights.items()}


def _by_period(days: Counter[Day]) -> dict[int, Fraction]:
    used: dict[int, Fraction] = {}
    for day, times in days.items():
        for period, kwh in day.kwh.items():
            used[period] = used.get(period, _ZERO) + kwh * times
    return used


def _shared(
    table: tuple[Steps, ...], used: Mapping[int, Fraction], *, times: Fraction | int = 1, days: Fraction | int = 1
) -> Iterator[tuple[tuple[int, int], Fraction]]:
    """Cut the total into tiers, and give each period its share of every tier."""
    total = added(used.values())
    for period, kwh in used.items():
        if kwh:
            share = kwh / total
            for tier, part in enumerate(cut(total, limits(table[period], times=times, days=days))):
                if part:
                    yield (period, tier), part if share == 1 else part * share


def _year_so_far(table: tuple[Steps, ...], meter: Meter, bill: Period) -> Iterator[tuple[tuple[int, int], Fraction]]:
    """Tiers over the running total from 1 January, in order of time."""
    for month in bill.months:
        length = (dt.date(month.year + 1, 1, 1) - dt.date(month.year, 1, 1)).days
        upper = [limits(tiers, days=length) for tiers in table]
        running = meter.total(next_month(month, -i) for i in range(1, month.month))
        for period, kwh in _in_order(meter, month, running, upper):
            for tier, part in enumerate(cut(kwh, upper[period], above=running)):
                yield (period, tier), part
            running += kwh


def _in_order(
    meter: Meter, month: dt.date, running: Fraction, upper: Sequence[Sequence[Fraction | None]]
) -> Iterator[tuple[int, Fraction]]:
    """
    A month's energy by period, in as few pieces as give the right tiers.

    Order matters only where a limit is crossed while there is more than one period: then day by day, and in the day
        slot by slot.
    """
    used = _by_period(meter.month(month))
    if not _crosses(used, running, upper):
        yield from used.items()
        return
    for date in days_between(month, next_month(month)):
        day = meter.day(date)
        yield from meter.steps(date) if _crosses(day.kwh, running, upper) else day.kwh.items()
        running += day.total


def _crosses(used: Mapping[int, Fraction], running: Fraction, upper: Sequence[Sequence[Fraction | None]]) -> bool:
    after = running + added(used.values())
    inside = any(limit is not None and running < limit < after for period in used for limit in upper[period])
    return inside and len(used) > 1
