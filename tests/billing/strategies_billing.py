"""Hypothesis strategies for bill cases: every field of the format, alone and together."""

import datetime as dt
from itertools import pairwise

from hypothesis import strategies as st

ZONES = [
    "Asia/Taipei",
    "America/New_York",
    "Europe/London",
    "Australia/Sydney",
    "Asia/Kolkata",
    "America/St_Johns",
    "America/Havana",  # changes at midnight
    "Australia/Lord_Howe",  # changes by half an hour
]
PARTS = ["energy", "demand", "fixed", "minimum"]
prices = st.integers(0, 4000).map(lambda n: n / 1000)
adjustments = st.integers(-500, 500).map(lambda n: n / 1000)
kilowatt_hours = st.integers(1, 900).map(float)


def sparse(draw, **fields):
    """A dict of some of the fields."""
    return {name: draw(strategy) for name, strategy in fields.items() if draw(st.booleans())}


@st.composite
def limits(draw, most=3, numbers=kilowatt_hours):
    """Rising limits, the last of them none."""
    return [*sorted(draw(st.sets(numbers, max_size=most))), None]


@st.composite
def energy_structures(draw, periods, *, shared=None, rising=False):
    """Tiers for so many periods; with *shared* limits, and prices that rise with the tier, where asked."""
    unit = draw(st.sampled_from(["kWh", "kWh", "kWh daily"]))
    structure = []
    for _ in range(periods):
        upper = shared or draw(limits())
        rates = draw(st.lists(prices, min_size=len(upper), max_size=len(upper)))
        tiers = []
        for limit, rate in zip(upper, sorted(rates) if rising else rates, strict=True):
            tier = {"rate": rate, "unit": unit} | ({} if rising else sparse(draw, adj=adjustments))
            tiers.append(tier | ({} if limit is None else {"max": limit / 20 if unit == "kWh daily" else limit}))
        structure.append(tiers)
    return structure


@st.composite
def demand_structures(draw, periods):
    structure = []
    for _ in range(periods):
        upper = draw(limits(2, st.integers(1, 9)))
        structure.append([{"rate": draw(prices)} | ({} if limit is None else {"max": limit}) for limit in upper])
    return structure


@st.composite
def schedules(draw, periods, width=24):
    rows = st.lists(st.integers(0, periods - 1), min_size=width, max_size=width)
    known = draw(st.lists(rows, min_size=1, max_size=3))
    return [draw(st.sampled_from(known)) for _ in range(12)]


@st.composite
def taxes(draw):
    known, made = list(PARTS), []
    for i in range(draw(st.integers(0, 3))):
        on = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        made.append({"name": f"tax {i}", "rate": draw(st.integers(-200, 300)) / 1000, "on": on})
        known.append(f"tax {i}")
    return made


@st.composite
def records(draw):
    """Tariffs with any of the fields."""
    periods = draw(st.integers(1, 3))
    slots = draw(st.sampled_from([1, 1, 2]))
    rows = schedules(periods, 24 * slots)
    steps = [*draw(limits(2)), *[]]
    x = {
        "currency": "USD",
        "prices_include_tax": draw(st.booleans()),
        "tier_reset": draw(st.sampled_from(["month", "month", "bill", "bill", "day", "year"])),
        "thresholds_per": draw(st.sampled_from(["month", "bill"])),
        "slots_per_hour": slots,
    } | sparse(
        draw,
        taxes=taxes(),
        energysaturdayschedule=rows,
        holidays=st.just({"as": "weekend", "dates": ["2026-03-07", "2026-10-26", "2026-01-01"]}),
        row_overrides=st.sampled_from([[{"from": "03-16", "to": "04-10", "row": 7}], [{"from": "12-20", "to": "01-10", "row": 6}]]),
        season_split=st.just("days"),
        fixed_by_kwh=st.just([{"max_kwh": limit, "charge": 3.5 * i} for i, limit in enumerate(steps)]),
        by_total=energy_structures(periods).map(
            lambda table: [
                {"max_kwh": limit, "energyratestructure": table[::-1] if i % 2 else table} for i, limit in enumerate(steps)
            ]
        ),
    )
    record = {"name": "made up", "energyratestructure": draw(energy_structures(periods))} | sparse(
        draw,
        energyweekdayschedule=rows,
        energyweekendschedule=rows,
        fixedchargefirstmeter=prices,
        mincharge=st.integers(1, 400),
        fixedchargeunits=st.sampled_from(["$/month", "$/day", "$/year"]),
        minchargeunits=st.sampled_from(["$/month", "$/day", "$/year"]),
    )
    if draw(st.booleans()):
        record["demandratestructure"] = draw(demand_structures(2))
        record |= sparse(draw, demandweekdayschedule=schedules(2), demandweekendschedule=schedules(2))
    if draw(st.booleans()):
        record["flatdemandstructure"] = draw(demand_structures(2))
        record |= sparse(
            draw,
            flatdemandmonths=st.lists(st.integers(0, 1), min_size=12, max_size=12),
            lookbackpercent=st.sampled_from([0.5, 0.9]),
            lookbackrange=st.integers(1, 3),
        )
        x |= sparse(draw, contract_kw=st.integers(0, 9))
    return record | {"x": x}


baselines = st.one_of(
    st.fixed_dictionaries({"kwh_per_month": st.integers(0, 700)}),
    st.fixed_dictionaries({"kwh_by_month": st.lists(st.integers(0, 700), min_size=12, max_size=12)}),
    st.fixed_dictionaries({"watts": st.integers(0, 3000)}),
    st.fixed_dictionaries({"hourly_watts": st.lists(st.sampled_from([0, 300, 2500]), min_size=24, max_size=24)}),
)


@st.composite
def cases(draw, tariffs=None):
    """Inputs of a bill case; the job lies in one or two bills of one or two months."""
    months = draw(st.integers(1, 2))
    count = draw(st.integers(1, 2))
    first = draw(st.integers(0, 12 - 1))
    edges = [dt.date(2026 + (first + i * months) // 12, (first + i * months) % 12 + 1, 1) for i in range(count + 1)]
    days = (edges[-1] - edges[0]).days
    offset = draw(st.integers(0, (days - 2) * 48))
    start = dt.datetime.combine(edges[0], dt.time()) + dt.timedelta(minutes=30 * offset)
    longest = ((days - 1) * 48 - offset) // 2
    hours = draw(st.integers(0, min(longest, 500))) + draw(st.sampled_from([0, 0.5])) if longest > 0 else 0
    return {
        "tariff": draw(records() if tariffs is None else tariffs),
        "time_zone": draw(st.sampled_from(ZONES)),
        "load": {"start": start.isoformat(), "hours": hours, "watts": draw(st.integers(0, 5000))},
        "baseline": draw(baselines),
        "bill_periods": [[str(a), str(b)] for a, b in pairwise(edges)],
    }
