"""What must hold for every bill, whatever the tariff."""

import datetime as dt
from fractions import Fraction

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies_billing import cases, energy_structures, limits, prices, records, schedules

from llmplan.billing.cases import baseline_of
from llmplan.billing.job import bill_job, bill_year_starts
from llmplan.nouns.tariff import Tariff

PLAIN = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@st.composite
def rising(draw):
    """Tariffs of prices that are never negative and rise with the tier, with limits shared by all periods."""
    periods = draw(st.integers(1, 3))
    structure = draw(energy_structures(periods, shared=draw(limits()), rising=True))
    record = {"name": "rising", "energyratestructure": structure, "energyweekdayschedule": draw(schedules(periods))}
    record["mincharge"] = draw(st.integers(0, 100))
    record["flatdemandstructure"] = [[{"rate": draw(prices)}]]
    reset = draw(st.sampled_from(["month", "bill", "day", "year"]))
    return record | {"x": {"currency": "USD", "tier_reset": reset, "prices_include_tax": True}}


@st.composite
def linear(draw):
    """Tariffs on which a kWh costs the same whatever else is used: time of use, and nothing more."""
    structure = [[{"rate": draw(prices)}] for _ in range(3)]
    taxes = [{"name": "tax", "rate": 0.05, "on": ["energy", "fixed"]}]
    record = {"name": "linear", "energyratestructure": structure, "fixedchargefirstmeter": draw(prices)}
    record |= {"energyweekdayschedule": draw(schedules(3)), "energyweekendschedule": draw(schedules(3))}
    return record | {"x": {"currency": "USD", "taxes": taxes}}


def billed(inputs, **changes):
    load = inputs["load"] | changes
    return bill_job(
        Tariff.from_urdb(inputs["tariff"]),
        **load,
        time_zone=inputs["time_zone"],
        baseline=baseline_of(inputs["baseline"]),
        bill_periods=inputs["bill_periods"],
    )


def adds(bill):
    """What the job adds, exactly."""
    return sum((period.with_job.total - period.without_job.total for period in bill.periods), Fraction(0))


@PLAIN
@given(cases())
def test_a_job_without_power_costs_nothing(inputs):
    """Zero watts and zero hours leave every bill as it was."""
    assert adds(billed(inputs, watts=0)) == 0
    assert adds(billed(inputs, hours=0)) == 0
    assert billed(inputs, watts=0).job_adds_per_kwh is None


@PLAIN
@given(cases())
def test_the_amounts_are_the_sums_of_the_bills(inputs):
    """Whole and without are the bills' totals, their difference is what the job adds, and the kWh are the meter's."""
    bill = billed(inputs)
    assert bill.whole == float(sum(period.with_job.total for period in bill.periods))
    assert bill.without_job == float(sum(period.without_job.total for period in bill.periods))
    assert bill.job_adds == float(adds(bill))
    metered = sum((period.with_job.kwh - period.without_job.kwh for period in bill.periods), Fraction(0))
    assert bill.kwh == float(metered) == inputs["load"]["watts"] * inputs["load"]["hours"] / 1000


@PLAIN
@given(cases())
def test_lines_make_up_the_bill(inputs):
    """Energy lines add up to the energy and its kWh, and tax lines to the tax."""
    for period in billed(inputs).periods:
        for bill in (period.with_job, period.without_job):
            assert sum(line.amount for line in bill.energy_lines) == bill.energy
            assert sum(line.kwh for line in bill.energy_lines) == bill.kwh
            assert sum(bill.tax_lines.values()) == bill.tax


@PLAIN
@given(cases(rising()), st.integers(0, 3000))
def test_more_power_never_costs_less(inputs, more):
    """Where prices rise with the tier, what a job adds is never negative and grows with its power."""
    bill, larger = billed(inputs), billed(inputs, watts=inputs["load"]["watts"] + more)
    assert 0 <= adds(bill) <= adds(larger)


@PLAIN
@given(cases(linear()), st.integers(0, 100), st.integers(1, 3000))
def test_a_linear_tariff_adds_up(inputs, cut, watts):
    """On a tariff without tiers two jobs cost what they cost alone: after one another, or at the same time."""
    load = inputs["load"]
    hours = load["hours"] * cut // 100
    local = dt.datetime.fromisoformat(load["start"])
    after = local + dt.timedelta(hours=hours)
    # The later start must be that many hours on, and a clock change in between would move it.
    assume(inputs["time_zone"] in {"Asia/Taipei", "Asia/Kolkata"})
    parts = adds(billed(inputs, hours=hours)) + adds(billed(inputs, hours=load["hours"] - hours, start=after.isoformat()))
    assert parts == adds(billed(inputs))
    assert adds(billed(inputs, watts=watts)) + adds(billed(inputs)) == adds(billed(inputs, watts=watts + load["watts"]))


@PLAIN
@given(cases(linear()), st.integers(0, 500))
def test_a_linear_tariff_knows_no_baseline(inputs, kwh):
    """What a job adds on a tariff without tiers does not depend on what else is used."""
    assert adds(billed(inputs | {"baseline": {"kwh_per_month": kwh}})) == adds(billed(inputs))


@settings(PLAIN, max_examples=15)
@given(records(), st.floats(0, 2000), st.floats(0, 2000))
def test_a_year_of_starts_is_twelve_bills(record, watts, hours):
    """Each start is the bill that it would be alone, and the spread lies around them."""
    tariff = Tariff.from_urdb(record)
    load = {"watts": watts, "hours": hours, "time_zone": "Europe/London", "baseline_kwh_per_month": 200}
    year = bill_year_starts(tariff, year=2026, **load)
    for month, bill in enumerate(year.bills, start=1):
        assert bill == bill_job(tariff, start=f"2026-{month:02d}-01", **load)
    assert year.job_adds.low <= year.job_adds.likely <= year.job_adds.high
    assert year.job_adds.low == min(bill.job_adds for bill in year.bills)
    assert year.whole.high == max(bill.whole for bill in year.bills)
