"""Jobs that cannot be, effects that outlast a job, and what a bill warns of."""

import json
from pathlib import Path

import pytest

from llmplan.billing.job import bill_job, bill_year_starts
from llmplan.billing.load import Baseline
from llmplan.errors import JobError, UnsupportedError
from llmplan.nouns.tariff import DemandTier, FixedStep, Tariff, Tier, TotalTable
from llmplan.sources import Source

RECORDS = json.loads((Path(__file__).parents[1] / "data" / "bill_cases.json").read_text(encoding="utf-8"))["tariffs"]
MADE_UP = Source(kind="generated", title="made up for this test")
LOAD = {"watts": 300, "hours": 720, "start": "2026-07-01", "time_zone": "Asia/Taipei"}


def tariff(**fields):
    defaults = {"name": "made up", "currency": "USD", "source": MADE_UP, "prices_include_tax": True}
    return Tariff(**defaults | {"energyratestructure": ((Tier(rate=0.1),),)} | fields)


def test_a_month_in_taiwan():
    """216 kWh on top of a 345 kWh home in July cost 902.54 TWD and not the average price."""
    bill = bill_job(Tariff.from_urdb(RECORDS["tw-res-summer"]), baseline_kwh_per_month=345, **LOAD)
    assert (bill.whole, bill.without_job, bill.job_adds) == (1708.64, 806.1, 902.54)
    assert bill.currency == "TWD"
    assert bill.job_adds_per_kwh == pytest.approx(4.178426)


def test_two_month_bills_begin_where_the_tariff_says():
    """A job in July and August is on one bill of a tariff that begins in odd months, and on two where it begins in even ones."""
    load = LOAD | {"start": "2026-07-15"}
    odd = bill_job(tariff(billing_months=2, billing_start_month=1), **load)
    even = bill_job(tariff(billing_months=2, billing_start_month=8), **load)
    assert [(bill.start, bill.end) for bill in odd.periods] == [("2026-07-01", "2026-09-01")]
    assert [(bill.start, bill.end) for bill in even.periods] == [
        ("2026-06-01", "2026-08-01"),
        ("2026-08-01", "2026-10-01"),
    ]


def test_a_job_that_ends_at_midnight_is_not_on_the_next_bill():
    """The end of a job is excluded."""
    bill = bill_job(tariff(), **LOAD | {"start": "2026-07-01", "hours": 31 * 24})
    assert [period.end for period in bill.periods] == ["2026-08-01"]


def test_a_ratchet_outlasts_the_job():
    """Without stated periods the months that a peak makes dearer are counted, and those after are not."""
    load = {"watts": 8000, "hours": 24, "start": "2026-02-10", "time_zone": "America/New_York"}
    bill = bill_job(Tariff.from_urdb(RECORDS["ratchet-tail"]), baseline=Baseline.constant(2000), **load)
    assert bill.job_adds == 263.04
    assert [period.start for period in bill.periods] == ["2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01"]


def test_tiers_over_the_year_outlast_the_job():
    """What a job uses in June makes the kWh of November dearer."""
    load = {"watts": 1000, "hours": 500, "start": "2026-06-01", "time_zone": "Asia/Shanghai"}
    bill = bill_job(Tariff.from_urdb(RECORDS["cn-annual"]), baseline_kwh_per_month=240, **load)
    # 500 kWh are over the year's 2,880 by the end of it, at 0.05 more each.
    assert bill.job_adds == pytest.approx(500 * 0.4883 + 500 * 0.05)
    assert bill.periods[-1].end == "2027-01-01"


def test_a_bill_of_several_days_is_worked_out_to_the_second():
    """Starts and lengths need not be whole hours."""
    bill = bill_job(tariff(), **LOAD | {"start": "2026-07-01T10:20:30.5", "hours": 1.123456789})
    assert bill.kwh == pytest.approx(0.3 * 1.123456789, rel=1e-15)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("watts", -1),
        ("watts", float("nan")),
        ("watts", float("inf")),
        ("watts", "300 W"),
        ("watts", True),
        ("hours", -1),
        ("hours", 1e30),
        ("hours", None),
    ],
)
def test_a_load_that_cannot_be_is_refused(field, value):
    """The error names the field."""
    with pytest.raises(JobError, match=field):
        bill_job(tariff(), **LOAD | {field: value})


def test_all_faults_of_a_load_are_told_at_once():
    """Two wrong numbers make two faults."""
    with pytest.raises(JobError) as caught:
        bill_job(tariff(), **LOAD | {"watts": -1, "hours": -1})
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize("kwh", [-1, float("nan"), float("inf"), "345"[:0]])
def test_a_baseline_that_cannot_be_is_refused(kwh):
    """A baseline is a finite number that is not negative."""
    with pytest.raises(JobError, match="kwh_by_month"):
        bill_job(tariff(), baseline_kwh_per_month=kwh, **LOAD)


def test_two_baselines_are_one_too_many():
    """A baseline is given in kWh or in detail."""
    with pytest.raises(JobError, match="not both"):
        bill_job(tariff(), baseline_kwh_per_month=3, baseline=Baseline.constant(3), **LOAD)


@pytest.mark.parametrize(
    "periods",
    [
        [],
        [["2026-07-01"]],
        [["2026-07-02", "2026-08-02"]],
        [["2026-08-01", "2026-07-01"]],
        [["2026-07-01", "soon"]],
        [["2026-08-01", "2026-09-01"]],
        [["2026-07-01", "2026-08-01"], ["2026-09-01", "2026-10-01"]],
        [["2026-07-01", "2026-08-01"], ["2026-07-01", "2026-08-01"]],
    ],
)
def test_bill_periods_that_cannot_be_are_refused(periods):
    """Periods are whole calendar months, one after the other, and cover the job."""
    with pytest.raises(JobError, match="bill_periods"):
        bill_job(tariff(), bill_periods=periods, **LOAD)


@pytest.mark.parametrize(
    "fields",
    [
        {"energyratestructure": ((Tier(rate=0.1, max=100),),)},
        {"by_total": (TotalTable(max_kwh=100, energyratestructure=((Tier(rate=0.1),),)),)},
        {"fixed_by_kwh": (FixedStep(max_kwh=100, charge=5),)},
        {"flatdemandstructure": ((DemandTier(rate=5, max=0.1),),)},
    ],
)
def test_beyond_the_last_price_there_is_no_bill(fields):
    """A tariff whose last tier has a limit says nothing above it."""
    with pytest.raises(UnsupportedError, match="no answer"):
        bill_job(tariff(**fields), **LOAD)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"effective_to": "2026-07-29"}, "in force until 2026-07-29"),
        ({"effective_from": "2026-07-02"}, "came into force on 2026-07-02"),
        ({"status": "average"}, "average price"),
        ({"status": "synthetic"}, "made up"),
        ({"status": "shape"}, "made up in whole or in part"),
        ({"prices_include_tax": None}, "does not say whether its prices include tax"),
        ({"holidays": ("2025-12-25",)}, "lists no holidays of 2026"),
        ({"unread": ("demandwindow",)}, "demandwindow"),
    ],
)
def test_what_a_bill_warns_of(fields, words):
    """A tariff that may not fit the job is billed, and the bill says so."""
    bill = bill_job(tariff(**fields), **LOAD)
    assert len(bill.warnings) == 1
    assert words in bill.warnings[0]


def test_a_tariff_in_force_warns_of_nothing():
    """The last day of a tariff is still in force."""
    fitting = tariff(effective_from="2026-07-01", effective_to="2026-07-30", holidays=("2026-07-04",))
    assert bill_job(fitting, **LOAD).warnings == ()


def test_a_year_of_starts_tells_each_warning_once():
    """Twelve starts beyond the end of a tariff make one warning."""
    load = {"watts": 300, "hours": 10, "time_zone": "Asia/Taipei"}
    year = bill_year_starts(tariff(effective_to="2025-12-31"), year=2026, **load)
    assert len(year.warnings) == 1
    assert year.currency == "USD"
    assert year.without_job == (0, 0, 0)
