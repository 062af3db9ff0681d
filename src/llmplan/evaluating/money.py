"""Money and carbon: the bill that a job adds to, its rent, and what its energy emits."""

import attrs
import numpy as np

from llmplan.billing.carbon import carbon
from llmplan.billing.job import JobBill, bill_job, bill_year_starts
from llmplan.billing.money import rent
from llmplan.errors import JobError
from llmplan.evaluating.case import Case
from llmplan.evaluating.timing import Timing, quantiles
from llmplan.sources import Basis, Estimate

#: A year without a 29th of February, in which a job without a start begins on the first of each month.
_ANY_YEAR = 2026
_SECONDS_AN_HOUR = 3600.0


@attrs.frozen(kw_only=True)
class Cost:
    """
    What a run costs, each in its own currency; None where the site does not say.

    Attributes:
        electricity: What the job adds to the bills: the marginal cost.
        bills: The whole bills of the time, household included.
        rent: Of the accelerators, by the hour.
        warnings: What the bill should be read with.
    """

    electricity: Estimate | None = None
    bills: Estimate | None = None
    rent: Estimate | None = None
    warnings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Carbon:
    """
    What a run emits, location based.

    Attributes:
        emitted: By the grid's own factor.
        life_cycle: With fuel supply, building and losses, where that is known; never to be mixed with the other.
        basis: What the first counts.
    """

    emitted: Estimate
    life_cycle: Estimate | None
    basis: str


def cost(case: Case, timing: Timing) -> Cost:
    """
    What the site charges.

    Raises:
        JobError, UnsupportedError: The tariff cannot bill such a job.
    """
    site = case.site
    if site is None:
        return Cost()
    _check_exchange(case)
    rented = None if case.price is None else _rent(case, timing)
    if case.tariff is None:
        return Cost(rent=rented)
    zone, unstated = _zone(case)
    bills = _bills(case, timing, zone)
    adds = [bill.job_adds for group in bills for bill in group]
    whole = [bill.whole for group in bills for bill in group]
    likely = bills[1]
    return Cost(
        electricity=_range(adds, [b.job_adds for b in likely], case.tariff.currency, "calibrated"),
        bills=_range(whole, [b.whole for b in likely], case.tariff.currency, "calibrated"),
        rent=rented,
        warnings=(*unstated, *dict.fromkeys(w for group in bills for bill in group for w in bill.warnings)),
    )


def _check_exchange(case: Case) -> None:
    """A rate between two other currencies would show nothing, and nobody would see why."""
    rate = case.site.exchange if case.site else None
    charged = {noun.currency for noun in (case.tariff, case.price) if noun is not None}
    if rate is not None and charged and not charged & {rate.base, rate.quote}:
        what = f"the exchange rate is between {rate.quote} and {rate.base}, and amounts are in {' and '.join(sorted(charged))}"
        raise JobError((f"{what} @ Site.exchange_rate",))


def emissions(case: Case, timing: Timing) -> Carbon | None:
    """What the energy emits, or None where the site names no grid."""
    if case.grid is None:
        return None
    kwh = quantiles(timing.site_kwh)
    life = case.grid.life_cycle_intensity
    return Carbon(
        emitted=_kilograms(kwh, case.grid.carbon_intensity.to("g/kWh").magnitude),
        life_cycle=None if life is None else _kilograms(kwh, life.to("g/kWh").magnitude),
        basis=case.grid.basis,
    )


def _kilograms(kwh: tuple[float, float, float], intensity: float) -> Estimate:
    low, likely, high = (carbon(k, intensity) for k in kwh)
    return Estimate(low=low, likely=likely, high=high, unit="kg", basis="calibrated")


def _rent(case: Case, timing: Timing) -> Estimate:
    """Every accelerator, every hour."""
    assert case.price is not None  # noqa: S101  the caller asked
    hours = [t / _SECONDS_AN_HOUR * case.machine.count for t in quantiles(timing.total)]
    low, likely, high = (rent(case.price.per_gpu_hour, h) for h in hours)
    return Estimate(low=low, likely=likely, high=high, unit=case.price.currency, basis="calibrated")


def _zone(case: Case) -> tuple[str, tuple[str, ...]]:
    """The time zone whose days are billed, and a warning where nobody states one."""
    stated = (case.site and case.site.time_zone) or (case.tariff and case.tariff.time_zone)
    if stated:
        return stated, ()
    return "UTC", ("neither site nor tariff states a time zone: the bill's days and hours are UTC's",)


def _bills(case: Case, timing: Timing, zone: str) -> list[list[JobBill]]:
    """The bills of a short, a likely and a long run, for its start or for the year's twelve."""
    site, tariff = case.site, case.tariff
    assert site is not None  # noqa: S101  the caller asked
    assert tariff is not None  # noqa: S101
    order = np.argsort(timing.total)
    picks = [order[round(q * (len(order) - 1))] for q in (0.05, 0.5, 0.95)]
    found = []
    for i in picks:
        hours = float(timing.total[i]) / _SECONDS_AN_HOUR
        watts = float(timing.site_kwh[i]) / hours * 1000.0
        job = {"watts": watts, "hours": hours, "time_zone": zone, "baseline_kwh_per_month": site.baseline_kwh_per_month}
        if site.start is not None:
            found.append([bill_job(tariff, start=site.start, **job)])  # type: ignore[arg-type]
        else:
            found.append(list(bill_year_starts(tariff, year=_ANY_YEAR, **job).bills))  # type: ignore[arg-type]
    return found


def _range(every: list[float], likely: list[float], currency: str, basis: Basis) -> Estimate:
    """From the least of all to the most, with the median of the likely ones."""
    middle = sorted(likely)[len(likely) // 2]
    return Estimate(low=min(*every, middle), likely=middle, high=max(*every, middle), unit=currency, basis=basis)
