"""What is on the meter: a baseline, and a job of constant power."""

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

import attrs

from llmplan.billing.calendar import next_month
from llmplan.billing.clock import Clock
from llmplan.billing.exact import exact
from llmplan.errors import JobError

JOULES_PER_KWH = 3_600_000


@attrs.frozen(kw_only=True)
class Baseline:
    """
    What the meter sees without the job.

    Make one by :meth:`even`, :meth:`monthly`, :meth:`constant` or :meth:`hourly`. One of the fields is given, in exact
    numbers.

    Attributes:
        kwh_by_month: Twelve amounts, January first, each spread evenly over the elapsed hours of its calendar month.
            [kWh]

        watts_by_hour: Twenty-four powers by local clock hour, the same every day. [W]
    """

    kwh_by_month: tuple[Fraction, ...] | None = None
    watts_by_hour: tuple[Fraction, ...] | None = None

    @classmethod
    def even(cls, kwh_per_month: float | Fraction) -> "Baseline":
        """
        The same amount in every calendar month. [kWh]

        Example:
            >>> Baseline.even(345).kwh_by_month[1]
            Fraction(345, 1)
        """
        return cls.monthly([kwh_per_month] * 12)

    @classmethod
    def monthly(cls, kwh_by_month: Sequence[float | Fraction]) -> "Baseline":
        """Twelve amounts, January first. [kWh]"""
        return cls(kwh_by_month=_numbers("kwh_by_month", kwh_by_month, 12))

    @classmethod
    def constant(cls, watts: float | Fraction) -> "Baseline":
        """The same power at all times. [W]"""
        return cls.hourly([watts] * 24)

    @classmethod
    def hourly(cls, watts_by_hour: Sequence[float | Fraction]) -> "Baseline":
        """Twenty-four powers by local clock hour. [W]"""
        return cls(watts_by_hour=_numbers("watts_by_hour", watts_by_hour, 24))

    def watts(self, month: dt.date, clock: Clock) -> tuple[Fraction, ...]:
        """
        Power in each clock hour of the days of a month. [W]

        Args:
            month: Its first day.

            clock: The clock of the place, as a month in which it changes is an hour shorter or longer.
        """
        if self.watts_by_hour is not None:
            return self.watts_by_hour
        if self.kwh_by_month is None:
            return (Fraction(0),) * 24
        hours = clock.hours(month, next_month(month))
        return (self.kwh_by_month[month.month - 1] * 1000 / hours,) * 24


@attrs.frozen(kw_only=True)
class Job:
    """
    A job of constant power on the real time line.

    Attributes:
        watts: Power at the meter. [W]

        start: Instant at which it begins. [s]

        end: Instant at which it ends; clock changes neither stretch nor shrink it. [s]
    """

    watts: Fraction
    start: Fraction
    end: Fraction

    @property
    def kwh(self) -> Fraction:
        """Energy of the whole job. [kWh]"""
        return self.watts * (self.end - self.start) / JOULES_PER_KWH

    def covers(self, begin: int, end: int) -> bool | None:
        """Whether it runs all the time between two instants (True), not at all (False), or part of it (None)."""
        if self.end <= begin or self.start >= end:
            return False
        return True if self.start <= begin and self.end >= end else None

    def seconds(self, begin: int, end: int) -> Fraction:
        """For how long it runs between two instants. [s]"""
        return max(Fraction(0), min(Fraction(end), self.end) - max(Fraction(begin), self.start))


def _numbers(name: str, values: Sequence[float | Fraction], count: int) -> tuple[Fraction, ...]:
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise JobError((f"{name}: expected {count} numbers, got {values!r:.80}",))
    try:
        numbers = tuple(map(exact, values))
    except (ValueError, TypeError, OverflowError):
        raise JobError((f"{name}: expected finite numbers, got {values!r:.80}",)) from None
    if min(numbers) < 0:
        raise JobError((f"{name}: a meter that runs backwards is not modelled, got {float(min(numbers)):g}",))
    return numbers
