"""The meter: a load in kWh by energy period and in highest hourly kW, by local date and by calendar month."""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import attrs

from llmplan.billing.calendar import Calendar, Kind, Row, next_month, period_of, seconds_by_period
from llmplan.billing.clock import HOUR
from llmplan.billing.exact import added
from llmplan.billing.load import JOULES_PER_KWH, Baseline, Job

_ZERO = Fraction(0)
_HOURS = 24


@attrs.frozen(eq=False)
class Day:
    """
    One local date on the meter. Dates alike share one object.

    Attributes:
        kwh: Energy by energy period. [kWh]

        seconds: How long each energy period lasts. [s]

        total: Energy in all. [kWh]

        peak: Highest average over a clock hour. [kW]

        peaks: The same by demand period. [kW]
    """

    kwh: Mapping[int, Fraction]
    seconds: Mapping[int, int]
    total: Fraction
    peak: Fraction
    peaks: Mapping[int, Fraction]


class _Piece(NamedTuple):
    """A slot with its power: how many seconds long, and for how many of them the job runs."""

    entry: int
    passing: int
    seconds: int
    watts: Fraction
    job_seconds: Fraction


class Meter:
    """
    Reads a load under the schedules of one tariff.

    Most dates of a month are like others of it: they are read once and counted.

    Args:
        calendar: The tariff's schedules and the clock of the place.

        baseline: What runs besides the job.

        demand: Whether peaks are wanted.
    """

    def __init__(self, calendar: Calendar, baseline: Baseline, *, demand: bool = True) -> None:
        self.calendar = calendar
        self._clock = calendar.clock
        self._per_hour = calendar.per_hour
        self._baseline = baseline
        self._demand = demand
        self._job: Job | None = None
        self._alone = self
        self._ends = (dt.date.max, dt.date.max)
        self._days: dict[dt.date, Day] = {}
        self._months: dict[dt.date, Counter[Day]] = {}
        self._totals: dict[dt.date, Fraction] = {}
        self._alike: dict[tuple[object, ...], Day] = {}
        self._watts: dict[dt.date, tuple[Fraction, ...]] = {}

    def with_job(self, job: Job) -> "Meter":
        """The same meter with a job on top; what the job leaves alone is read once for both."""
        other = Meter(self.calendar, self._baseline, demand=self._demand)
        other._job = job
        other._alone = self
        other._watts = self._watts
        other._ends = (self._clock.local(job.start).date(), self._clock.local(job.end).date())
        return other

    def day(self, day: dt.date) -> Day:
        """One local date."""
        found = self._days.get(day)
        if found is None:
            begin = self._clock.midnight(day)
            covered = self._covered(begin, begin + self._clock.length(day))
            rows = (self.calendar.energy_row(day), self.calendar.demand_row(day))
            kind = Kind(*rows, ordinary=self._clock.ordinary(day), dates=(day,))
            found = self._days[day] = self._read(kind, day, covered)
        return found

    def steps(self, day: dt.date) -> Iterator[tuple[int, Fraction]]:
        """The date's energy in order of time: period and kWh, slot by slot."""
        row = self.calendar.energy_row(day)
        for piece in self._pieces(day):
            yield period_of(row, piece.entry, self._per_hour), self._energy(piece)

    def month(self, month: dt.date) -> Counter[Day]:
        """The days of a calendar month, given by its first day, and how many of each."""
        found = self._months.get(month)
        if found is None:
            found = self._months[month] = self._count(month)
        return found

    def total(self, months: Iterable[dt.date]) -> Fraction:
        """Energy of some calendar months. [kWh]"""
        return added(map(self._total, months))

    def peak(self, month: dt.date) -> Fraction:
        """Highest clock-hour average of a calendar month. [kW]"""
        return max(day.peak for day in self.month(month))

    def peaks(self, month: dt.date) -> dict[int, Fraction]:
        """Highest clock-hour average of a calendar month in each demand period. [kW]"""
        highest: dict[int, Fraction] = {}
        for day in self.month(month):
            for period, peak in day.peaks.items():
                highest[period] = max(peak, highest.get(period, peak))
        return highest

    def _total(self, month: dt.date) -> Fraction:
        found = self._totals.get(month)
        if found is None:
            parts = (day.total * times for day, times in self.month(month).items())
            found = self._totals[month] = added(parts)
        return found

    def _count(self, month: dt.date) -> Counter[Day]:
        covered = self._covered(self._clock.midnight(month), self._clock.midnight(next_month(month)))
        if covered is False and self._alone is not self:
            return self._alone.month(month)
        days: Counter[Day] = Counter()
        for kind in self.calendar.kinds(month):
            if covered is None:
                self._count_some(kind, days)
            else:
                days[self._read(kind, kind.dates[0], covered)] += len(kind.dates)
        return days

    def _count_some(self, kind: Kind, days: Counter[Day]) -> None:
        """Dates of a month in which the job begins or ends: those it leaves alone, those it runs through, and its ends."""
        first, last = self._ends
        begin, after = bisect_left(kind.dates, first), bisect_right(kind.dates, first)
        until, end = max(after, bisect_left(kind.dates, last)), bisect_right(kind.dates, last)
        alone = kind.dates[:begin] + kind.dates[end:]
        if alone:
            days[self._read(kind, alone[0], covered=False)] += len(alone)
        if until > after:
            days[self._read(kind, kind.dates[after], covered=True)] += until - after
        days.update(self.day(date) for date in kind.dates[begin:after] + kind.dates[until:end])

    def _covered(self, begin: int, end: int) -> bool | None:
        return False if self._job is None else self._job.covers(begin, end)

    def _read(self, kind: Kind, day: dt.date, covered: bool | None) -> Day:  # noqa: FBT001  one of three states
        """A date of a kind that the job runs through, leaves alone, or runs on for a part."""
        if covered is False and self._alone is not self:
            return self._alone._read(kind, day, covered)  # noqa: SLF001  a meter too
        if covered is None or not kind.ordinary:
            return self._measure(kind, day)
        month = day.replace(day=1) if self._baseline.watts_by_hour is None else None
        key = (kind.energy, kind.demand if self._demand else None, covered, month)
        found = self._alike.get(key)
        if found is None:
            found = self._alike[key] = self._even(kind, day, covered=covered) or self._measure(kind, day)
        return found

    def _even(self, kind: Kind, day: dt.date, *, covered: bool) -> Day | None:
        """An ordinary day of one power throughout; None where the power changes by the hour."""
        watts = self._watts_of(day)
        if watts.count(watts[0]) < _HOURS:
            return None
        kilowatts = (watts[0] + (self._job_watts if covered else 0)) / 1000
        seconds = seconds_by_period(kind.energy, self._per_hour)
        return Day(
            kwh={period: kilowatts * length / HOUR for period, length in seconds.items()},
            seconds=seconds,
            total=kilowatts * _HOURS,
            peak=kilowatts,
            peaks=dict.fromkeys(kind.demand, kilowatts) if self._demand else {},
        )

    def _measure(self, kind: Kind, day: dt.date) -> Day:
        """One date, slot by slot."""
        pieces = self._pieces(day)
        seconds, kwh = _by_period(pieces, kind.energy, self._per_hour, self._job_watts)
        peak, peaks = self._highest(pieces, kind.demand) if self._demand else (_ZERO, {})
        return Day(kwh=kwh, seconds=seconds, total=added(kwh.values()), peak=peak, peaks=peaks)

    def _highest(self, pieces: Sequence[_Piece], row: Row) -> tuple[Fraction, dict[int, Fraction]]:
        hours: dict[tuple[int, int], list[_Piece]] = {}
        for piece in pieces:
            hours.setdefault((piece.entry // self._per_hour, piece.passing), []).append(piece)
        peak, peaks, known = _ZERO, dict[int, Fraction](), dict[tuple[object, ...], Fraction]()
        for parts in hours.values():
            # Most hours of a day are the same as another: each kind is averaged once.
            alike = tuple(part[2:] for part in parts)
            average = known.get(alike)
            if average is None:
                kwh = added(map(self._energy, parts))
                average = known[alike] = kwh * HOUR / sum(part.seconds for part in parts)
            peak = max(peak, average)
            for period in {period_of(row, part.entry, self._per_hour) for part in parts}:
                peaks[period] = max(average, peaks.get(period, average))
        return peak, peaks

    def _pieces(self, day: dt.date) -> list[_Piece]:
        watts = self._watts_of(day)
        begin = self._clock.midnight(day)
        pieces = []
        for slot in self._clock.slots(day, self._per_hour):
            start = begin + slot.start
            under = _ZERO if self._job is None else self._job.seconds(start, start + slot.seconds)
            hour = slot.entry // self._per_hour
            pieces.append(_Piece(slot.entry, slot.passing, slot.seconds, watts[hour], under))
        return pieces

    def _watts_of(self, day: dt.date) -> tuple[Fraction, ...]:
        month = day.replace(day=1)
        found = self._watts.get(month)
        if found is None:
            found = self._watts[month] = self._baseline.watts(month, self._clock)
        return found

    @property
    def _job_watts(self) -> Fraction:
        return _ZERO if self._job is None else self._job.watts

    def _energy(self, piece: _Piece) -> Fraction:
        return (piece.watts * piece.seconds + self._job_watts * piece.job_seconds) / JOULES_PER_KWH


def _by_period(
    pieces: Sequence[_Piece], row: Row, per_hour: int, job_watts: Fraction
) -> tuple[dict[int, int], dict[int, Fraction]]:
    """Seconds and kWh of each period; equal powers are added up as seconds first, which is cheap."""
    seconds: dict[int, int] = {}
    baseline: dict[tuple[int, Fraction], int] = {}
    job: dict[int, Fraction] = {}
    for piece in pieces:
        period = period_of(row, piece.entry, per_hour)
        seconds[period] = seconds.get(period, 0) + piece.seconds
        baseline[period, piece.watts] = baseline.get((period, piece.watts), 0) + piece.seconds
        job[period] = job.get(period, _ZERO) + piece.job_seconds
    joules = {period: job_watts * under for period, under in job.items()}
    for (period, watts), length in baseline.items():
        joules[period] += watts * length
    return seconds, {period: amount / JOULES_PER_KWH for period, amount in joules.items()}
