"""
The real time line of one time zone: where local days begin, how long they are, and which clock hours they hold.

An instant is a number of seconds since 1970-01-01T00:00Z. A day on which the clock does not change is 24 hours of the
same shape; the one or two days a year on which it does are walked stretch by stretch.
"""

import datetime as dt
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from llmplan.errors import JobError, UnknownNameError

HOUR = 3600
DAY = 24 * HOUR
FIRST_YEAR, LAST_YEAR = 1900, 2500
"""Years that an instant may be in; the first included."""


class Slot(NamedTuple):
    """
    A stretch of a local day that lies within one entry of a schedule.

    Attributes:
        start: Seconds from the beginning of the day, on the real time line. [s]

        seconds: How long it lasts. [s]

        entry: The entry of a schedule's row that it uses, from 0.

        passing: 0, or 1 where the clock shows this hour for the second time.
    """

    start: int
    seconds: int
    entry: int
    passing: int


@lru_cache(maxsize=4)
def _ordinary_day(per_hour: int) -> tuple[Slot, ...]:
    length = HOUR // per_hour
    return tuple(Slot(i * length, length, i, 0) for i in range(24 * per_hour))


class Clock:
    """
    The clock on the wall in one time zone.

    Attributes:
        name: The IANA name.
    """

    def __init__(self, name: str) -> None:
        try:
            self._zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError, TypeError):
            raise UnknownNameError("time zone", str(name), tuple(sorted(available_timezones()))) from None
        self.name = name
        self._midnights: dict[dt.date, int] = {}

    def midnight(self, day: dt.date) -> int:
        """
        The instant at which a local day begins.

        Where clocks go forward at midnight, that is the moment of the change.

        Example:
            >>> clock = Clock("America/Toronto")
            >>> (clock.midnight(dt.date(2026, 3, 9)) - clock.midnight(dt.date(2026, 3, 8))) // HOUR
            23
        """
        found = self._midnights.get(day)
        if found is None:
            found = self._midnights[day] = self._at(dt.datetime.combine(day, dt.time()))
        return found

    def instant(self, when: str) -> Fraction:
        """
        The instant of a local date and time such as ``2026-07-01T00:00``; a date alone means its midnight.

        A time that the clock shows twice is the first of the two. One that it skips is counted on from before the
        change, as in PEP 495. A text with its own UTC offset is taken as it stands.

        Raises:
            JobError: It is no ISO date or time, or lies outside the years 1900 to 2500.

        Example:
            >>> Clock("Asia/Taipei").instant("1970-01-01T08:00")
            Fraction(0, 1)
        """
        try:
            local = dt.datetime.fromisoformat(when)
        except (ValueError, TypeError):
            raise JobError((f"start: expected an ISO date or time such as '2026-07-01T00:00', got {when!r:.80}",)) from None
        if not FIRST_YEAR <= local.year < LAST_YEAR:
            raise JobError((f"start: {when!r} is outside the years {FIRST_YEAR} to {LAST_YEAR}",))
        whole = local.replace(microsecond=0)
        seconds = self._at(whole) if local.tzinfo is None else int(whole.timestamp())
        return seconds + Fraction(local.microsecond, 1_000_000)

    def local(self, instant: Fraction | int) -> dt.datetime:
        """The local date and time at an instant, to the whole second below."""
        return dt.datetime.fromtimestamp(instant // 1, self._zone)

    def length(self, day: dt.date) -> int:
        """How long a local day lasts. [s]"""
        return self.midnight(day + dt.timedelta(1)) - self.midnight(day)

    def hours(self, first: dt.date, end: dt.date) -> Fraction:
        """Elapsed hours from the beginning of one local day to the beginning of another. [h]"""
        return Fraction(self.midnight(end) - self.midnight(first), HOUR)

    def ordinary(self, day: dt.date) -> bool:
        """Whether a day is 24 hours without a change of the clock."""
        # Days begin where the clock says so: equal offsets at both ends are the same as a length of 24 hours.
        return self.length(day) == DAY

    def slots(self, day: dt.date, per_hour: int = 1) -> tuple[Slot, ...]:
        """
        A local day cut at the limits of its schedule entries and where the clock changes.

        Args:
            day: The local date.

            per_hour: Entries of a schedule for an hour: 1 or 2.

        Example:
            >>> [slot.entry for slot in Clock("Europe/Paris").slots(dt.date(2026, 3, 29))][:4]
            [0, 1, 3, 4]
            >>> [slot.passing for slot in Clock("Europe/Paris").slots(dt.date(2026, 10, 25))][:5]
            [0, 0, 0, 1, 0]
        """
        return _ordinary_day(per_hour) if self.ordinary(day) else self._walk(day, HOUR // per_hour)

    def _at(self, local: dt.datetime) -> int:
        return int(local.replace(tzinfo=self._zone).timestamp())

    def _walk(self, day: dt.date, length: int) -> tuple[Slot, ...]:
        begin, end = self.midnight(day), self.midnight(day + dt.timedelta(1))
        if begin == end:
            return ()  # a date that a zone has left out, as Samoa did on 2011-12-30
        change = self._change(begin, end)
        again = self._offset(end) < self._offset(begin)
        slots: list[Slot] = []
        at = begin
        while at < end:
            into_day = (at + self._offset(at)) % DAY
            until = min(at + length - into_day % length, end)
            if at < change < until:
                until = change
            entry = into_day // length
            passing = int(again and at >= change and any(slot.entry == entry for slot in slots))
            slots.append(Slot(at - begin, until - at, entry, passing))
            at = until
        return tuple(slots)

    def _offset(self, instant: int) -> int:
        offset = dt.datetime.fromtimestamp(instant, self._zone).utcoffset()
        return int(offset.total_seconds()) if offset is not None else 0

    def _change(self, begin: int, end: int) -> int:
        """The first instant of the new offset, between two instants that differ in it."""
        before = self._offset(begin)
        if self._offset(end) == before:
            return end
        low, high = begin, end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return high


@lru_cache(maxsize=64)
def clock(time_zone: str) -> Clock:
    """
    The clock of a time zone, made once.

    Args:
        time_zone: IANA name, such as ``Asia/Taipei``.

    Raises:
        UnknownNameError: No such zone, with the nearest name.

    Example:
        >>> clock("Asia/Taipei").name
        'Asia/Taipei'
    """
    return Clock(time_zone)
