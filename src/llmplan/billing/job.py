"""What a job adds to the bills that it touches."""

import datetime as dt
import statistics
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import attrs

from llmplan.billing.bill import Bill, bill_period
from llmplan.billing.calendar import calendar, next_month
from llmplan.billing.demand import charges_demand, has_ratchet
from llmplan.billing.exact import added, exact
from llmplan.billing.load import Baseline, Job
from llmplan.billing.meter import Meter
from llmplan.billing.period import Period, periods_over, stated_periods
from llmplan.errors import JobError
from llmplan.nouns.tariff import Tariff

_LONGEST_HOURS = 100 * 366 * 24
_JANUARY, _DECEMBER = 1, 12


@attrs.frozen(kw_only=True)
class PeriodBill:
    """
    One bill with the job and without it.

    Attributes:
        start: First local date, ISO.

        end: The local date after the last, ISO.

        with_job: The bill with the job on top of the baseline, exact.

        without_job: The bill of the baseline alone, exact.
    """

    start: str
    end: str
    with_job: Bill
    without_job: Bill

    @property
    def job_adds(self) -> float:
        """What the job adds to this bill. [currency]"""
        return float(self.with_job.total - self.without_job.total)


@attrs.frozen(kw_only=True)
class JobBill:
    """
    What a job costs in electricity.

    The three amounts are worked out exactly and rounded once, to the nearest float.

    Attributes:
        whole: All bills that the job touches or has an effect on, job and baseline. [currency]

        without_job: The same bills of the baseline alone. [currency]

        job_adds: Their difference: what the job costs this customer. Fixed charges are paid anyway and cancel.
            [currency]

        currency: ISO 4217 code.

        kwh: Energy of the job. [kWh]

        periods: The bills one by one.

        tariff: Name of the tariff.

        warnings: What to know before relying on the amounts, such as a tariff that is not in force.
    """

    whole: float
    without_job: float
    job_adds: float
    currency: str
    kwh: float
    periods: tuple[PeriodBill, ...]
    tariff: str
    warnings: tuple[str, ...] = ()

    @property
    def job_adds_per_kwh(self) -> float | None:
        """What a kWh of the job costs; None for a job without energy. [currency/kWh]"""
        return self.job_adds / self.kwh if self.kwh else None


class Spread(NamedTuple):
    """The lowest, the median and the highest of several amounts."""

    low: float
    likely: float
    high: float


@attrs.frozen(kw_only=True)
class YearOfStarts:
    """
    A job billed from the first of each month of a year.

    Attributes:
        year: The year.

        bills: Twelve bills, January's start first.
    """

    year: int
    bills: tuple[JobBill, ...]

    @property
    def job_adds(self) -> Spread:
        """What the job adds: lowest, median and highest of the twelve starts. [currency]"""
        return _spread([bill.job_adds for bill in self.bills])

    @property
    def whole(self) -> Spread:
        """The whole bills: lowest, median and highest of the twelve starts. [currency]"""
        return _spread([bill.whole for bill in self.bills])

    @property
    def without_job(self) -> Spread:
        """The bills of the baseline alone: lowest, median and highest of the twelve starts. [currency]"""
        return _spread([bill.without_job for bill in self.bills])

    @property
    def currency(self) -> str:
        """ISO 4217 code."""
        return self.bills[0].currency

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all twelve, each once."""
        return tuple(dict.fromkeys(warning for bill in self.bills for warning in bill.warnings))


def bill_job(
    tariff: Tariff,
    *,
    watts: float,
    hours: float,
    start: str,
    time_zone: str,
    baseline_kwh_per_month: float = 0.0,
    baseline: Baseline | None = None,
    bill_periods: Sequence[Sequence[str]] | None = None,
) -> JobBill:
    """
    What a job of constant power adds to a customer's electricity bills.

    The customer's bills are worked out twice, with the job and without it, from the tariff as written: tiers, periods,
    demand, minimum and taxes. The difference is what the job costs: its kWh come on top and pay the price of the tiers
    that they reach.

    Without ``bill_periods`` the bills are those that the job touches. Where it makes later bills dearer, by a ratchet
    on demand or by tiers over the year, those are counted too, to the last one that differs.

    Args:
        tariff: The tariff.

        watts: Power at the meter, constant. [W]

        hours: Elapsed time; clock changes neither stretch nor shrink the job. [h]

        start: Local date and time, ISO; a date alone is its midnight.

        time_zone: IANA name of the customer's zone.

        baseline_kwh_per_month: What the customer uses besides, in each calendar month, evenly over its hours. [kWh]

        baseline: The same in more detail, instead.

        bill_periods: Pairs of ISO dates, the second excluded, of whole calendar months; they must cover the job.

    Raises:
        JobError: A power, a length, a start or bill periods that cannot be.
        UnknownNameError: No such time zone.
        UnsupportedError: The bill goes beyond the last price that the tariff states.

    Example:
        >>> from llmplan.nouns.tariff import Tier
        >>> from llmplan.sources import Source
        >>> home = Tariff(
        ...     name="two blocks", currency="USD", source=Source.assumption("an example"),
        ...     energyratestructure=((Tier(rate=0.11, max=500), Tier(rate=0.17)),), prices_include_tax=True)
        >>> bill = bill_job(home, watts=250, hours=720, start="2026-06-01", time_zone="America/New_York",
        ...                 baseline_kwh_per_month=400)
        >>> bill.kwh, bill.without_job, bill.job_adds  # 100 kWh at 0.11 and 80 kWh at 0.17
        (180.0, 44.0, 24.6)

    .. versionadded:: 0.1.0
    """
    customer = _customer(tariff, _zone(time_zone), _baseline(baseline, baseline_kwh_per_month))
    return _Biller(customer).bill(watts=watts, hours=hours, start=start, stated=bill_periods)


def bill_year_starts(
    tariff: Tariff,
    *,
    year: int,
    watts: float,
    hours: float,
    time_zone: str,
    baseline_kwh_per_month: float = 0.0,
    baseline: Baseline | None = None,
) -> YearOfStarts:
    """
    The bills of a job whose start is not known: begun on the first of each month of a year.

    Args:
        tariff: The tariff.

        year: The year of the starts; seasons and holidays depend on it.

        watts: Power at the meter. [W]

        hours: Elapsed time. [h]

        time_zone: IANA name of the customer's zone.

        baseline_kwh_per_month: What the customer uses besides. [kWh]

        baseline: The same in more detail, instead.

    Raises:
        JobError: As :func:`bill_job`.

    Example:
        >>> from llmplan.nouns.tariff import Tier
        >>> from llmplan.sources import Source
        >>> flat = Tariff(name="flat", currency="EUR", source=Source.assumption("an example"),
        ...               energyratestructure=((Tier(rate=0.3),),), prices_include_tax=True)
        >>> bill_year_starts(flat, year=2026, watts=1000, hours=10, time_zone="Europe/Berlin").job_adds
        Spread(low=3.0, likely=3.0, high=3.0)

    .. versionadded:: 0.1.0
    """
    biller = _Biller(_customer(tariff, _zone(time_zone), _baseline(baseline, baseline_kwh_per_month)))
    starts = [f"{year:04d}-{month:02d}-01" for month in range(_JANUARY, _DECEMBER + 1)]
    return YearOfStarts(year=year, bills=tuple(biller.bill(watts=watts, hours=hours, start=start) for start in starts))


class _Customer:
    """A tariff, a clock and a baseline, whose bills without a job are worked out once."""

    def __init__(self, tariff: Tariff, time_zone: str, baseline: Baseline) -> None:
        if not isinstance(tariff, Tariff):
            raise JobError((f"tariff: expected a Tariff, got {tariff!r:.80}; llmplan.tariffs finds one by its name",))
        dates = calendar(tariff, time_zone)
        self.tariff = tariff
        self.clock = dates.clock
        self.meter = Meter(dates, baseline, demand=charges_demand(tariff))
        self._bills: dict[Period, Bill] = {}

    def bill(self, period: Period) -> Bill:
        found = self._bills.get(period)
        if found is None:
            found = self._bills[period] = bill_period(self.tariff, self.meter, period)
        return found


_customer = lru_cache(maxsize=32)(_Customer)


class _Biller:
    """Bills jobs of one customer; a bill that a job runs through is kept, as it is the same whenever the job began."""

    def __init__(self, customer: _Customer) -> None:
        self._customer = customer
        self._tariff = customer.tariff
        self._clock = customer.clock
        self._throughout: dict[tuple[Fraction, Period], Bill] = {}

    def bill(self, *, watts: float, hours: float, start: str, stated: Sequence[Sequence[str]] | None = None) -> JobBill:
        job = self._job(watts, hours, start)
        meter = self._customer.meter.with_job(job)
        first, last = self._dates(job)
        periods = stated_periods(stated) if stated is not None else periods_over(self._tariff, first, self._effect(last))
        if stated is not None and not (periods[0].start <= first and last < periods[-1].end):
            raise JobError((f"bill_periods: they do not cover the job, which runs from {first} to {last}",))
        bills = [self._pair(meter, job, period) for period in periods]
        while stated is None and bills[-1].start > last.isoformat() and not bills[-1].job_adds:
            bills.pop()
        return _summed(self._tariff, job, bills, tuple(_warnings(self._tariff, first, last)))

    def _job(self, watts: float, hours: float, start: str) -> Job:
        faults = [*_number("watts", watts, 1e12), *_number("hours", hours, _LONGEST_HOURS)]
        if faults:
            raise JobError(tuple(faults))
        begin = self._clock.instant(start)
        return Job(watts=exact(watts), start=begin, end=begin + exact(hours) * 3600)

    def _dates(self, job: Job) -> tuple[dt.date, dt.date]:
        first, last = (self._clock.local(instant).date() for instant in (job.start, job.end))
        if last > first and self._clock.midnight(last) >= job.end:
            last -= dt.timedelta(1)
        return first, last

    def _effect(self, last: dt.date) -> dt.date:
        """The last date on which a job that ends on a date can have an effect on the bill."""
        until = last
        if has_ratchet(self._tariff):
            until = max(until, next_month(last, self._tariff.lookbackrange))
        if self._tariff.tier_reset == "year":
            until = max(until, last.replace(month=12, day=31))
        return until

    @property
    def _looks_back(self) -> bool:
        return self._tariff.tier_reset == "year" or has_ratchet(self._tariff)

    def _pair(self, meter: Meter, job: Job, period: Period) -> PeriodBill:
        return PeriodBill(
            start=period.start.isoformat(),
            end=period.end.isoformat(),
            with_job=self._with(meter, job, period),
            without_job=self._customer.bill(period),
        )

    def _with(self, meter: Meter, job: Job, period: Period) -> Bill:
        covered = job.covers(self._clock.midnight(period.start), self._clock.midnight(period.end))
        if not covered or self._looks_back:
            return bill_period(self._tariff, meter, period)
        found = self._throughout.get((job.watts, period))
        if found is None:
            found = self._throughout[job.watts, period] = bill_period(self._tariff, meter, period)
        return found


def _summed(tariff: Tariff, job: Job, bills: Sequence[PeriodBill], warnings: tuple[str, ...]) -> JobBill:
    whole = added(bill.with_job.total for bill in bills)
    without = added(bill.without_job.total for bill in bills)
    return JobBill(
        whole=float(whole),
        without_job=float(without),
        job_adds=float(whole - without),
        currency=tariff.currency,
        kwh=float(job.kwh),
        periods=tuple(bills),
        tariff=tariff.name,
        warnings=warnings,
    )


def _warnings(tariff: Tariff, first: dt.date, last: dt.date) -> list[str]:
    told = []
    if tariff.effective_from and first.isoformat() < tariff.effective_from:
        told.append(f"the prices of {tariff.name!r} came into force on {tariff.effective_from}, and the job starts before")
    if tariff.effective_to and last.isoformat() > tariff.effective_to:
        told.append(f"the prices of {tariff.name!r} were in force until {tariff.effective_to}, and the job runs beyond")
    if tariff.prices_include_tax is None and not tariff.taxes:
        told.append(f"the source of {tariff.name!r} does not say whether its prices include tax; none was added")
    if tariff.status == "average":
        told.append(f"{tariff.name!r} is an average price of a kWh, and no plan that a customer is billed by")
    if tariff.status in {"shape", "synthetic"}:
        told.append(f"{tariff.name!r} is made up in whole or in part")
    if tariff.unread:
        told.append(f"fields of the record that are not known were left out of account: {', '.join(tariff.unread)}")
    years = {int(day[:4]) for day in tariff.holidays}
    without = [str(year) for year in range(first.year, last.year + 1) if year not in years]
    if years and without:
        told.append(f"{tariff.name!r} lists no holidays of {', '.join(without)}; their days were billed as any other")
    return told


def _zone(name: str) -> str:
    if isinstance(name, str):
        return name
    raise JobError((f"time_zone: expected a name such as 'Asia/Taipei', got {name!r:.80}",))


def _baseline(baseline: Baseline | None, kwh_per_month: float) -> Baseline:
    if baseline is None:
        return Baseline.even(kwh_per_month)
    if kwh_per_month:
        raise JobError(("baseline: give it in kWh a month or in detail, not both",))
    return baseline


def _number(name: str, value: float, highest: float) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        return [f"{name}: expected a number, got {value!r:.80}"]
    # The comparison is false for NaN too.
    return [] if 0 <= value <= highest else [f"{name}: expected a number from 0 to {highest:g}, got {value:g}"]


def _spread(amounts: Sequence[float]) -> Spread:
    return Spread(min(amounts), statistics.median(amounts), max(amounts))
