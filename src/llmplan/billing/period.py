"""Bill periods: whole calendar months, one or several."""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from llmplan.billing.calendar import next_month
from llmplan.billing.clock import FIRST_YEAR, LAST_YEAR
from llmplan.errors import JobError
from llmplan.nouns.tariff import Tariff


class Period(NamedTuple):
    """
    One bill.

    Attributes:
        start: First local date.

        end: The local date after the last.
    """

    start: dt.date
    end: dt.date

    @property
    def days(self) -> int:
        """Calendar days of the bill."""
        return (self.end - self.start).days

    @property
    def months(self) -> list[dt.date]:
        """The first day of each of its calendar months."""
        count = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        return [next_month(self.start, i) for i in range(count)]


def periods_over(tariff: Tariff, first: dt.date, last: dt.date) -> list[Period]:
    """
    The bills of a tariff that cover two dates and all between.

    A bill has ``billing_months`` months, and one begins in ``billing_start_month``.
    """
    begin = _bill_start(tariff, first)
    periods = []
    while begin <= last:
        end = next_month(begin, tariff.billing_months)
        periods.append(Period(begin, end))
        begin = end
    return periods


def stated_periods(bills: Sequence[Sequence[str]]) -> list[Period]:
    """
    Bill periods from pairs of ISO dates, the second of each excluded.

    Raises:
        JobError: No date, no whole calendar months, or periods that overlap or leave a gap.

    Example:
        >>> stated_periods([("2026-05-01", "2026-07-01")])[0].days
        61
    """
    if not isinstance(bills, (list, tuple)) or not bills:
        raise JobError((f"bill_periods: expected a list of at least one period, got {bills!r:.80}",))
    periods = [_stated(i, bill) for i, bill in enumerate(bills)]
    for before, after in pairwise(periods):
        if before.end != after.start:
            raise JobError((f"bill_periods: {after.start} does not follow on {before.end}",))
    return periods


def _stated(i: int, bill: Sequence[str]) -> Period:
    where = f"bill_periods[{i}]"
    try:
        start, end = (dt.date.fromisoformat(day) for day in bill)
    except (TypeError, ValueError):
        raise JobError((f"{where}: expected two ISO dates, got {bill!r:.80}",)) from None
    if start.day != 1 or end.day != 1 or end <= start:
        raise JobError((f"{where}: expected whole calendar months, got {start} to {end}",))
    if not FIRST_YEAR < start.year <= end.year < LAST_YEAR:
        raise JobError((f"{where}: {start} to {end} is outside the years {FIRST_YEAR} to {LAST_YEAR}",))
    return Period(start, end)


def _bill_start(tariff: Tariff, day: dt.date) -> dt.date:
    into = (day.year * 12 + day.month - tariff.billing_start_month) % tariff.billing_months
    return next_month(day, -into)
