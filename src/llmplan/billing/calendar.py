"""Which rows of a tariff's schedules a local date uses: by month, kind of day and what else the tariff says."""

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from llmplan.billing.clock import HOUR, Clock, clock
from llmplan.nouns.tariff import Tariff

Row = tuple[int, ...]
_SATURDAY = 5
_A_LEAP_YEAR = 2024


class Kind(NamedTuple):
    """
    Dates of one month that are alike.

    Attributes:
        energy: The energy period of each hour (or half-hour).

        demand: The demand period of each hour.

        ordinary: Whether they have 24 hours; a date on which the clock changes is a kind of its own.

        dates: The local dates.
    """

    energy: Row
    demand: Row
    ordinary: bool
    dates: tuple[dt.date, ...]


class Calendar:
    """
    A tariff's schedules in one time zone, asked by date.

    Holidays use the weekend rows, on a Saturday too. Dates named by ``row_overrides`` use the rows of another month.

    Args:
        tariff: The tariff.

        clock: The clock of the place.

    Attributes:
        clock: The same.

        per_hour: Entries of the schedules for an hour: 1 or 2.
    """

    def __init__(self, tariff: Tariff, clock: Clock) -> None:
        self.clock = clock
        self.per_hour: int = tariff.slots_per_hour
        self._holidays = frozenset(dt.date.fromisoformat(day) for day in tariff.holidays)
        self._rows = _overridden(tariff)
        weekend = tariff.energyweekendschedule
        self._energy = (tariff.energyweekdayschedule, tariff.energysaturdayschedule or weekend, weekend)
        demand = tariff.demandweekendschedule
        self._demand = (tariff.demandweekdayschedule, demand, demand)
        self._kinds: dict[dt.date, tuple[Kind, ...]] = {}

    def energy_row(self, day: dt.date) -> Row:
        """The energy period of each hour (or half-hour) of a date."""
        return _of_month(self._energy[self._weekpart(day)], self._month(day))

    def demand_row(self, day: dt.date) -> Row:
        """The demand period of each hour of a date."""
        return _of_month(self._demand[self._weekpart(day)], self._month(day))

    def season(self, day: dt.date) -> tuple[Row, ...]:
        """What tells one season from another: the energy rows of all kinds of day."""
        month = self._month(day)
        return tuple(_of_month(schedule, month) for schedule in self._energy)

    def kinds(self, month: dt.date) -> tuple[Kind, ...]:
        """The dates of a calendar month, given by its first day, sorted by what they have in common."""
        found = self._kinds.get(month)
        if found is None:
            found = self._kinds[month] = tuple(self._sorted(month))
        return found

    def _sorted(self, month: dt.date) -> Iterator[Kind]:
        alike: dict[tuple[Row, Row], list[dt.date]] = {}
        for day in days_between(month, next_month(month)):
            rows = (self.energy_row(day), self.demand_row(day))
            if self.clock.ordinary(day):
                alike.setdefault(rows, []).append(day)
            else:
                yield Kind(*rows, ordinary=False, dates=(day,))
        for rows, days in alike.items():
            yield Kind(*rows, ordinary=True, dates=tuple(days))

    def _weekpart(self, day: dt.date) -> int:
        """0 on a weekday, 1 on a Saturday, 2 on a Sunday and on a holiday."""
        if day in self._holidays:
            return 2
        return max(0, day.weekday() - _SATURDAY + 1)

    def _month(self, day: dt.date) -> int:
        return self._rows.get((day.month, day.day), day.month) if self._rows else day.month


@lru_cache(maxsize=64)
def calendar(tariff: Tariff, time_zone: str) -> Calendar:
    """
    The calendar of a tariff in a time zone, made once.

    Raises:
        UnknownNameError: No such time zone.
    """
    return Calendar(tariff, clock(time_zone))


@lru_cache(maxsize=1024)
def seconds_by_period(row: Row, per_hour: int) -> Mapping[int, int]:
    """
    How long each period of a row lasts on an ordinary day. [s]

    Example:
        >>> dict(seconds_by_period((0,) * 8 + (1,) * 16, 1))
        {0: 28800, 1: 57600}
    """
    seconds: dict[int, int] = {}
    for entry in range(24 * per_hour):
        period = period_of(row, entry, per_hour)
        seconds[period] = seconds.get(period, 0) + HOUR // per_hour
    return MappingProxyType(seconds)


def period_of(row: Row, entry: int, per_hour: int) -> int:
    """The period of a slot, from a row of 1, 24 or 48; the slot knows its entry in a row of a whole day."""
    return row[entry * len(row) // (24 * per_hour)]


def days_between(first: dt.date, end: dt.date) -> Iterator[dt.date]:
    """Local dates from one to the day before another."""
    return map(dt.date.fromordinal, range(first.toordinal(), end.toordinal()))


def next_month(day: dt.date, months: int = 1) -> dt.date:
    """
    The first day of the calendar month so many months after that of a date (before it, where negative).

    Example:
        >>> next_month(dt.date(2026, 12, 5))
        datetime.date(2027, 1, 1)
    """
    count = day.year * 12 + day.month - 1 + months
    return dt.date(count // 12, count % 12 + 1, 1)


def _of_month(schedule: tuple[Row, ...], month: int) -> Row:
    return schedule[month - 1] if schedule else (0,)


def _overridden(tariff: Tariff) -> dict[tuple[int, int], int]:
    """The month whose row is used, by month and day; both ends included, and a range may run over New Year."""
    rows: dict[tuple[int, int], int] = {}
    for override in tariff.row_overrides:
        start, end = (_month_and_day(text) for text in (override.start, override.end))
        for day in days_between(dt.date(_A_LEAP_YEAR, 1, 1), dt.date(_A_LEAP_YEAR + 1, 1, 1)):
            date = (day.month, day.day)
            if start <= date <= end or (end < start and (date >= start or date <= end)):
                rows[date] = override.row
    return rows


def _month_and_day(text: str) -> tuple[int, int]:
    return int(text[:2]), int(text[3:])
