"""Tariffs: what is refused, and records of the utility rate database."""

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from strategies_billing import records

from llmplan.errors import SpecError, UnsupportedError
from llmplan.nouns.tariff import DemandTier, FixedStep, RowOverride, Tariff, Tax, Tier, TotalTable
from llmplan.sources import Source

RECORDS = json.loads((Path(__file__).parents[1] / "data" / "bill_cases.json").read_text(encoding="utf-8"))["tariffs"]
MADE_UP = Source(kind="generated", title="made up for this test")
FLAT = ((Tier(rate=0.1),),)


def tariff(**fields):
    return Tariff(**{"name": "made up", "currency": "USD", "source": MADE_UP, "energyratestructure": FLAT} | fields)


def faults(make, *args, **fields):
    with pytest.raises(SpecError) as caught:
        make(*args, **fields)
    return caught.value.faults


@pytest.mark.parametrize("key", RECORDS)
def test_every_published_record_is_read(key):
    """The records of the bill cases are tariffs: hashable, equal by value, and they survive a pickle."""
    made = Tariff.from_urdb(RECORDS[key])
    again = pickle.loads(pickle.dumps(made))
    assert made == again
    assert hash(made) == hash(again)
    assert made.unread == ()


def test_short_schedules_stand_for_long_ones():
    """One row is all months, and one number the whole day."""
    structure = (*FLAT, *FLAT)
    assert tariff(energyratestructure=structure, energyweekdayschedule=[[1]]).energyweekdayschedule == ((1,) * 24,) * 12
    row = [0] * 8 + [1] * 16
    assert tariff(energyratestructure=structure, energyweekdayschedule=[row]).energyweekdayschedule == (tuple(row),) * 12


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"energyratestructure": ()}, "energyratestructure"),
        ({"energyratestructure": ((),)}, "energyratestructure[0]"),
        ({"energyratestructure": ((Tier(rate=1, max=9), Tier(rate=1, max=9)),)}, "energyratestructure[0][1]"),
        ({"energyratestructure": ((Tier(rate=1), Tier(rate=1, max=9)),)}, "energyratestructure[0][0]"),
        (
            {"energyratestructure": ((Tier(rate=1, max=9), Tier(rate=1, max=10, unit="kWh daily")),)},
            "energyratestructure[0]",
        ),
        ({"energyratestructure": ((DemandTier(rate=1),),)}, "energyratestructure[0][0]"),
        ({"flatdemandstructure": ((Tier(rate=1),),)}, "flatdemandstructure[0][0]"),
        ({"energyweekdayschedule": [[1]]}, "energyweekdayschedule"),
        ({"energyweekdayschedule": [[0] * 24] * 11}, "energyweekdayschedule"),
        ({"energyweekdayschedule": [[0] * 23] * 12}, "energyweekdayschedule"),
        ({"energyweekdayschedule": [[0] * 48] * 12}, "energyweekdayschedule"),
        ({"energyweekdayschedule": [[-1] * 24] * 12}, "energyweekdayschedule[0][0]"),
        ({"energyweekdayschedule": "0" * 24}, "energyweekdayschedule"),
        ({"demandweekdayschedule": [[0]]}, "demandweekdayschedule"),
        ({"flatdemandmonths": [0] * 12}, "flatdemandmonths"),
        ({"flatdemandmonths": [0] * 11, "flatdemandstructure": ((DemandTier(rate=1),),)}, "flatdemandmonths"),
        ({"lookbackpercent": 60}, "lookbackpercent"),
        ({"contract_kw": 5}, "contract_kw"),
        ({"contract_kw": -5}, "contract_kw"),
        ({"currency": "Euro"}, "currency"),
        ({"holidays": ["2026-02-30"]}, "holidays[0]"),
        ({"effective_from": "2026-02-02", "effective_to": "2026-02-01"}, "effective_to"),
        ({"effective_to": "next year"}, "effective_to"),
        ({"tier_reset": "weekly"}, "tier_reset"),
        ({"slots_per_hour": 4}, "slots_per_hour"),
        ({"fixedchargeunits": "$/week"}, "fixedchargeunits"),
        ({"fixedchargefirstmeter": float("nan")}, "fixedchargefirstmeter"),
        ({"billing_months": 5}, "billing_months"),
        ({"billing_start_month": 13}, "billing_start_month"),
        ({"taxes": (Tax(name="VAT", rate=0.1, on=("energie",)),)}, "taxes[0].on"),
        ({"taxes": (Tax(name="energy", rate=0.1, on=("energy",)),)}, "taxes[0].name"),
        ({"taxes": (Tax(name="a", rate=0.1, on=("b",)), Tax(name="b", rate=0.1, on=("energy",)))}, "taxes[0].on"),
        ({"by_total": (TotalTable(energyratestructure=(*FLAT, *FLAT)),)}, "by_total[0].energyratestructure"),
        ({"by_total": (TotalTable(energyratestructure=FLAT), TotalTable(energyratestructure=FLAT))}, "by_total[0]"),
        ({"fixed_by_kwh": (FixedStep(max_kwh=5, charge=1), FixedStep(max_kwh=4, charge=1))}, "fixed_by_kwh[1]"),
        ({"time_zone": "Asia/Taipe"}, "time_zone"),
    ],
)
def test_a_tariff_that_contradicts_itself_is_refused(fields, path):
    """The fault names the field."""
    assert [fault for fault in faults(tariff, **fields) if fault.endswith(f"@ Tariff.{path}")]


def test_all_faults_are_told_at_once():
    """Three wrong fields make three faults."""
    assert len(faults(tariff, currency="x", tier_reset="weekly", billing_start_month=13)) == 3


def test_a_near_miss_is_pointed_out():
    """A tax on a misspelt part names the right one."""
    assert "Did you mean 'energy'?" in faults(tariff, taxes=(Tax(name="VAT", rate=0.1, on=("enrgy",)),))[0]


@pytest.mark.parametrize("day", ["5-16", "13-01", "02-30", ""])
def test_an_override_of_no_day_is_refused(day):
    """Days are MM-DD."""
    assert faults(RowOverride, start=day, end="05-31", row=6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"energyratestructure": None}, "expected at least one period"),
        ({"energyratestructure": 3}, "expected a list"),
        ({"energyratestructure": [3]}, "energyratestructure[0]"),
        ({"energyratestructure": [[3]]}, "energyratestructure[0][0]"),
        ({"energyratestructure": [[{"rate": "cheap"}]]}, "Tier.rate"),
        ({"energyratestructure": [[{"rat": 1}]]}, "Did you mean 'rate'?"),
        ({"name": None}, "required field missing @ Tariff.name"),
        ({"x": 3}, "Tariff.x"),
        ({"x": {"tier_rest": "month"}}, "Did you mean 'tier_reset'?"),
        ({"x": {"holidays": ["2026-01-01"]}}, "x.holidays"),
        ({"x": {"taxes": [{"name": "VAT"}]}}, "x.taxes[0].rate"),
        ({"x": {"row_overrides": [{"from": "05-16", "row": 6}]}}, "x.row_overrides[0].end"),
        ({"x": {"by_total": [3]}}, "x.by_total[0]"),
        ({"startdate": "long ago"}, "startdate"),
        ({"country": "France"}, "currency"),
    ],
)
def test_a_record_that_is_no_tariff_is_refused(change, words):
    """The fault says what, and where in the record."""
    record = {"name": "flat", "energyratestructure": [[{"rate": 0.2}]]} | change
    assert any(words in fault for fault in faults(Tariff.from_urdb, record))


@pytest.mark.parametrize("record", [None, 3, "name", []])
def test_what_is_no_record_is_refused(record):
    """Only a table is a record."""
    assert faults(Tariff.from_urdb, record)


@pytest.mark.parametrize(
    "change",
    [
        {"coincidentratestructure": [[{"rate": 5}]]},
        {"demandratchetpercentage": [0.5] * 12},
        {"fueladjustmentsmonthly": [0.01] * 12},
        {"energyratestructure": [[{"rate": 0.2, "unit": "kWh/kW", "max": 200}]]},
        {"annualmincharge": 100},
    ],
)
def test_what_would_change_the_bill_and_is_not_modelled_is_refused(change):
    """No field that matters is passed over."""
    with pytest.raises(UnsupportedError):
        Tariff.from_urdb({"name": "flat", "energyratestructure": [[{"rate": 0.2}]]} | change)


def test_what_is_not_known_is_kept_in_mind():
    """Fields without a meaning here are named, those that say nothing or only describe are not."""
    record = {
        "name": "flat",
        "energyratestructure": [[{"rate": 0.2, "sell": 0.1, "unit": "kWh"}]],
        "_id": 3,
        "lookbackMonths": [0] * 12,
        "description": "a plan",
        "demandwindow": 15,
        "surcharge": 4,
        "startdate": 1512086400,
        "enddate": {"$date": "2018-05-30T07:00:00.000Z"},
        "country": "USA",
    }
    made = Tariff.from_urdb(record)
    assert made.unread == ("demandwindow", "surcharge")
    assert (made.effective_from, made.effective_to, made.country) == ("2017-12-01", "2018-05-30", "US")


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(records())
def test_reading_a_record_is_repeatable(record):
    """The same record makes the same tariff, and is left as it was."""
    before = json.dumps(record)
    assert Tariff.from_urdb(record) == Tariff.from_urdb(record)
    assert json.dumps(record) == before
