"""Local days on the real time line."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_billing import ZONES

from llmplan.billing.clock import DAY, HOUR, clock
from llmplan.errors import JobError, UnknownNameError

DATES = st.dates(dt.date(1980, 1, 1), dt.date(2040, 12, 31))


@given(st.sampled_from(ZONES), DATES, st.sampled_from([1, 2]))
def test_slots_fill_the_day(zone, day, per_hour):
    """The slots of a day follow on one another from its midnight to the next, and none is longer than its entry."""
    at = 0
    for slot in clock(zone).slots(day, per_hour):
        assert slot.start == at
        assert 0 < slot.seconds <= HOUR // per_hour
        at += slot.seconds
    assert at == clock(zone).length(day)


@given(st.sampled_from(ZONES), DATES, st.sampled_from([1, 2]))
def test_a_slot_is_where_the_clock_says(zone, day, per_hour):
    """In the middle of a slot the clock shows the date and the hour that the slot is for."""
    for slot in clock(zone).slots(day, per_hour):
        local = clock(zone).local(clock(zone).midnight(day) + slot.start + slot.seconds // 2)
        assert local.date() == day
        assert (local.hour * 60 + local.minute) * per_hour // 60 == slot.entry


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Toronto", "2026-03-08", 23),
        ("America/Toronto", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/Havana", "2026-03-08", 23),
        ("Asia/Taipei", "2026-03-08", 24),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_days_on_which_the_clock_changes(zone, day, hours):
    """A day is as long as it was: an hour short in spring, an hour long in autumn, or not there at all."""
    date = dt.date.fromisoformat(day)
    assert clock(zone).length(date) == hours * HOUR
    assert clock(zone).ordinary(date) == (clock(zone).length(date) == DAY)
    assert sum(slot.seconds for slot in clock(zone).slots(date)) == hours * HOUR


def test_an_hour_that_happens_twice():
    """The second passing of an hour is told from the first."""
    slots = clock("Europe/Berlin").slots(dt.date(2026, 10, 25))
    assert [(slot.entry, slot.passing) for slot in slots[1:5]] == [(1, 0), (2, 0), (2, 1), (3, 0)]


def test_a_start_with_an_offset_is_taken_as_it_stands():
    """The same instant, written in two zones."""
    assert clock("Asia/Taipei").instant("2026-07-01T00:00") == clock("Europe/London").instant("2026-07-01T00:00+08:00")


@pytest.mark.parametrize("start", ["yesterday", "2026-13-01", "", "0001-01-01", "9999-12-31", None, 20260701])
def test_a_start_that_is_no_date_is_refused(start):
    """Only ISO dates and times of sensible years are starts."""
    with pytest.raises(JobError, match="start"):
        clock("Asia/Taipei").instant(start)


@pytest.mark.parametrize("zone", ["Asia/Taipe", "", "../etc/passwd", "UTC+8"])
def test_a_zone_that_is_not_known_is_refused(zone):
    """The error tells the name."""
    with pytest.raises(UnknownNameError) as caught:
        clock(zone)
    assert caught.value.kind == "time zone"
    assert caught.value.name == zone
