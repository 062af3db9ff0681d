"""
Tariff: what a kilowatt-hour and a kilowatt cost, when, and what is added to them.

Its shape is that of OpenEI's utility rate database (URDB).
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import attrs

from llmplan.errors import nearest
from llmplan.nouns._check import Between, Count, Currency, Date, Name, NotNegative, Positive, Share, TimeZone, Whole
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source

MONTHS = 12
HOURS = 24
PARTS = ("energy", "demand", "fixed", "minimum")
"""The parts of a bill that a tax may be on."""


@attrs.frozen
class Rows:
    """A schedule: twelve rows of 24 or 48. One row stands for all months, and a row of one number for the whole day."""

    def check(self, value: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """Give the schedule in full; an absent one stays empty."""
        lengths = {len(row) for row in value}
        if len(value) not in {0, 1, MONTHS} or not lengths <= {1, HOURS, 2 * HOURS}:
            wanted = f"{MONTHS} rows (or 1 for all months) of {HOURS} or {2 * HOURS} periods (or 1 for the whole day)"
            msg = f"expected {wanted}, got {len(value)} rows of {' or '.join(map(str, sorted(lengths)))}"
            raise ValueError(msg)
        rows = value * MONTHS if len(value) == 1 else value
        return tuple(row * HOURS if len(row) == 1 else row for row in rows)


@attrs.frozen
class MonthDay:
    """A day of any year, written MM-DD: 05-16."""

    def check(self, value: str) -> str:
        """Give *value* back where a leap year has that day."""
        try:
            dt.date.fromisoformat(f"2024-{value}")
        except ValueError:
            msg = f"expected a month and day such as 05-16, got {value!r}"
            raise ValueError(msg) from None
        return value


Schedule = Annotated[tuple[tuple[Whole, ...], ...], Rows()]
Month = Annotated[int, Between(1, MONTHS)]


@noun
class Tier(Noun):
    """
    The price of energy up to a limit.

    Attributes:
        rate: Price of a kWh. [currency/kWh]

        adj: Added to ``rate``: a levy, a fuel adjustment, or a rebate where negative. [currency/kWh]

        max: Upper limit of the tier, counted from zero, not from the tier below; None for no limit. [kWh]

        unit: ``kWh``, a limit for each reset of the tiers; ``kWh daily``, a limit to be multiplied by the days of it.
    """

    rate: float
    adj: float = 0.0
    max: Positive | None = None
    unit: Literal["kWh", "kWh daily"] = "kWh"


@noun
class DemandTier(Noun):
    """
    The price of a month's demand up to a limit.

    Attributes:
        rate: Price of a kW of the month's highest hour. [currency/kW]

        adj: Added to ``rate``. [currency/kW]

        max: Upper limit of the tier, counted from zero; None for no limit. [kW]

        unit: ``kW``, the only one.
    """

    rate: float
    adj: float = 0.0
    max: Positive | None = None
    unit: Literal["kW"] = "kW"


@noun
class Tax(Noun):
    """
    A share added to parts of the bill, in the order in which the taxes stand.

    Attributes:
        name: What it is called; a later tax may name it in ``on``.

        rate: 0.05 for 5 %; negative for a rebate.

        on: Parts of the bill (``energy``, ``demand``, ``fixed``, ``minimum``) and earlier taxes.
    """

    name: Name
    rate: Annotated[float, Between(-1, 10)]
    on: tuple[str, ...]


@noun
class RowOverride(Noun):
    """
    Dates that use another month's row, for a season that changes inside a month.

    Attributes:
        start: First day, MM-DD.

        end: Last day, MM-DD; before ``start`` where the range runs over New Year.

        row: The month whose rows are used, 1 to 12.
    """

    start: Annotated[str, MonthDay()]
    end: Annotated[str, MonthDay()]
    row: Month


EnergyStructure = tuple[tuple[Tier, ...], ...]
DemandStructure = tuple[tuple[DemandTier, ...], ...]


@noun
class TotalTable(Noun):
    """
    A table of energy prices for bills up to a total.

    Attributes:
        max_kwh: The largest bill that uses this table; None for all above. [kWh]

        energyratestructure: Its prices, for every kWh from the first.
    """

    max_kwh: Positive | None = None
    energyratestructure: EnergyStructure


@noun
class FixedStep(Noun):
    """
    A fixed charge for bills up to a total.

    Attributes:
        max_kwh: The largest bill that pays this charge; None for all above. [kWh]

        charge: For each bill. [currency]
    """

    max_kwh: Positive | None = None
    charge: float


@noun
class Tariff(Noun):
    """
    An electricity tariff.

    Fields with URDB's names mean what they mean there (version 8); ``$`` in their units stands for the tariff's
    currency. The others are what URDB has no field for. Money is a plain number in ``currency``; it is read by its
    decimal notation, so that bills are exact.

    A schedule has twelve rows (months) of 24 period numbers from 0, or of 48 where ``slots_per_hour`` is 2. One row
    stands for all months, and a row of one number for the whole day. An absent schedule is period 0 always.

    Attributes:
        name: What the plan is called.

        currency: ISO 4217 code.

        source: Where the prices come from.

        energyratestructure: Prices of energy: a list of periods, each a list of tiers. The limits are shared by all
            periods: the kWh are cut into tiers first, then each period gets every tier in proportion to its share of
            the kWh.

        energyweekdayschedule: Period of each hour, Monday to Friday.

        energyweekendschedule: The same for Saturday, Sunday and holidays.

        energysaturdayschedule: The same for Saturdays, where they differ.

        demandratestructure: Prices of demand by demand period, each charged on its own highest clock-hour average of
            the month.

        demandweekdayschedule: Demand period of each hour, Monday to Friday.

        demandweekendschedule: The same for Saturday, Sunday and holidays.

        flatdemandstructure: Prices of the month's highest clock-hour average.

        flatdemandmonths: Which of them each of the twelve months uses. Absent is 0 always.

        lookbackpercent: Ratchet on the flat demand charge: billed is at least this share (0 to 1) of the highest
            monthly peak before.

        lookbackrange: How many months before are looked at.

        contract_kw: The flat demand charge is on this contracted power, whatever the peak. [kW]

        fixedchargefirstmeter: Fixed charge, per ``fixedchargeunits``.

        fixedchargeunits: ``$/month``; ``$/day``, for the actual days of the bill; ``$/year``, a twelfth of it a month.

        mincharge: Where energy, demand and fixed charges stay below it, the difference is added before taxes.

        minchargeunits: As ``fixedchargeunits``.

        fixed_by_kwh: A fixed charge picked by the bill's kWh, besides the other one.

        by_total: The bill's kWh picks the whole price table: the first whose ``max_kwh`` is not exceeded.

        prices_include_tax: Whether nothing is to be added; None where the source does not say.

        taxes: Taxes, levies and rebates in order; none are added where prices include them.

        holidays: Dates that use the weekend schedule.

        slots_per_hour: 2 where periods change at half hours.

        row_overrides: Dates that use another month's rows.

        tier_reset: When the tiers begin anew: each calendar ``month``, each ``bill``, each local ``day``, or on 1
            January (``year``), where the running total decides in order of time.

        thresholds_per: With ``tier_reset = "bill"``: limits are for a ``month`` and are multiplied by the months of
            the bill, or for the ``bill`` as printed.

        season_split: ``days`` where a bill over a change of season is read once: its kWh and its limits are shared out
            by days.

        billing_months: Calendar months of one bill.

        billing_start_month: A month in which a bill begins, 1 to 12.

        effective_from: First day on which the prices are in force.

        effective_to: Last day on which they are; None while no end is known.

        time_zone: IANA name of the zone whose clock the schedules follow, where the tariff has but one.

        status: ``real``, prices as published; ``average``, one price a kWh that no customer is billed by; ``shape``, a
            real plan's shape with assumed parts; ``synthetic``, made up.

        utility: Who sells.

        country: ISO 3166 alpha-2 code, where known.

        customer_class: Who may buy, in the source's words.

        notes: What else is to be known.

        unread: Fields of a record that this library does not know, which no bill takes into account.

    Example:
        >>> home = Tariff(
        ...     name="two blocks", currency="USD", source=Source.assumption("an example"),
        ...     energyratestructure=((Tier(rate=0.11, max=500), Tier(rate=0.17)),), prices_include_tax=True)
        >>> home.energyratestructure[0][1].rate
        0.17

    .. versionadded:: 0.1.0
    """

    name: Name
    currency: Currency
    source: Source
    energyratestructure: EnergyStructure
    energyweekdayschedule: Schedule = ()
    energyweekendschedule: Schedule = ()
    energysaturdayschedule: Schedule = ()
    demandratestructure: DemandStructure = ()
    demandweekdayschedule: Schedule = ()
    demandweekendschedule: Schedule = ()
    flatdemandstructure: DemandStructure = ()
    flatdemandmonths: tuple[Whole, ...] = ()
    lookbackpercent: Share = 0.0
    lookbackrange: Annotated[int, Between(0, 120)] = 0
    contract_kw: NotNegative | None = None
    fixedchargefirstmeter: float = 0.0
    fixedchargeunits: Literal["$/month", "$/day", "$/year"] = "$/month"
    mincharge: float = 0.0
    minchargeunits: Literal["$/month", "$/day", "$/year"] = "$/month"
    fixed_by_kwh: tuple[FixedStep, ...] = ()
    by_total: tuple[TotalTable, ...] = ()
    prices_include_tax: bool | None = None
    taxes: tuple[Tax, ...] = ()
    holidays: tuple[Date, ...] = ()
    slots_per_hour: Literal[1, 2] = 1
    row_overrides: tuple[RowOverride, ...] = ()
    tier_reset: Literal["month", "bill", "day", "year"] = "month"
    thresholds_per: Literal["month", "bill"] = "month"
    season_split: Literal["days"] | None = None
    billing_months: Count = 1
    billing_start_month: Month = 1
    effective_from: Date | None = None
    effective_to: Date | None = None
    time_zone: TimeZone | None = None
    status: Literal["real", "average", "shape", "synthetic"] = "real"
    utility: str = ""
    country: str = ""
    customer_class: str = ""
    notes: str = ""
    unread: tuple[str, ...] = ()

    @classmethod
    def from_urdb(cls, record: Mapping[str, Any], *, source: Source | None = None) -> "Tariff":
        """
        The tariff of a URDB version 8 record, as its API gives it.

        What URDB has no field for stands under the record's key ``x``: the fields of this class that are not URDB's,
        with ``holidays`` as ``{"as": "weekend", "dates": [...]}`` and ``row_overrides`` as ``{"from", "to", "row"}``.
        A tier without ``rate`` costs its ``adj`` alone. Records without a currency are in USD if they say no other
        country than the United States.

        Args:
            record: The record, a dict.

            source: Where it comes from; by default the record's own ``source`` and ``uri``.

        Raises:
            SpecError: All faults of the record at once.
            UnsupportedError: A field that would change the bill and is not modelled, such as prices per kWh and kW.

        Example:
            >>> record = {"name": "flat", "energyratestructure": [[{"rate": 0.1872, "unit": "kWh"}]]}
            >>> Tariff.from_urdb(record).currency
            'USD'

        .. versionadded:: 0.1.0
        """
        from llmplan.nouns._urdb import tariff_of_record

        return tariff_of_record(record, source)

    def _contradictions(self) -> Iterable[str]:
        yield from self._structures()
        yield from self._schedules()
        yield from self._steps()
        yield from self._taxes()
        yield from self._dates()

    def _structures(self) -> Iterator[str]:
        yield from _tiers("energyratestructure", self.energyratestructure, needed=True)
        yield from _tiers("demandratestructure", self.demandratestructure)
        yield from _tiers("flatdemandstructure", self.flatdemandstructure)
        periods = len(self.energyratestructure)
        for i, table in enumerate(self.by_total):
            yield from _tiers(f"by_total[{i}].energyratestructure", table.energyratestructure, needed=True)
            if len(table.energyratestructure) != periods:
                found = len(table.energyratestructure)
                where = f"Tariff.by_total[{i}].energyratestructure"
                yield f"expected {periods} periods as in energyratestructure, got {found} @ {where}"

    def _schedules(self) -> Iterator[str]:
        for name in ("energyweekdayschedule", "energyweekendschedule", "energysaturdayschedule"):
            yield from self._schedule(name, len(self.energyratestructure))
        for name in ("demandweekdayschedule", "demandweekendschedule"):
            yield from self._schedule(name, len(self.demandratestructure))
        if len(self.flatdemandmonths) not in {0, MONTHS}:
            yield f"expected {MONTHS} numbers, one a month, got {len(self.flatdemandmonths)} @ Tariff.flatdemandmonths"
        yield from _known("flatdemandmonths", self.flatdemandmonths, len(self.flatdemandstructure))

    def _schedule(self, name: str, periods: int) -> Iterator[str]:
        rows: tuple[tuple[int, ...], ...] = getattr(self, name)
        if any(len(row) > HOURS * self.slots_per_hour for row in rows):
            yield f"rows of {2 * HOURS} need slots_per_hour = 2 @ Tariff.{name}"
        yield from _known(name, {period for row in rows for period in row}, periods)

    def _steps(self) -> Iterator[str]:
        for name in ("by_total", "fixed_by_kwh"):
            yield from _rising(name, [step.max_kwh for step in getattr(self, name)])
        if MONTHS % self.billing_months:
            yield f"expected 1, 2, 3, 4, 6 or 12 months, got {self.billing_months} @ Tariff.billing_months"
        if self.contract_kw is not None and not self.flatdemandstructure:
            yield "a contracted power needs a price per kW: flatdemandstructure is missing @ Tariff.contract_kw"

    def _taxes(self) -> Iterator[str]:
        known = list(PARTS)
        for i, tax in enumerate(self.taxes):
            for part in tax.on:
                if part not in known:
                    near = nearest(part, tuple(known))
                    hint = f". Did you mean {near!r}?" if near else ""
                    wanted = f"a part of the bill ({', '.join(PARTS)}) or an earlier tax"
                    yield f"expected {wanted}, got {part!r}{hint} @ Tariff.taxes[{i}].on"
            if tax.name in known:
                yield f"{tax.name!r} is the name of a part of the bill or of an earlier tax @ Tariff.taxes[{i}].name"
            known.append(tax.name)

    def _dates(self) -> Iterator[str]:
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            yield f"ends before it begins, on {self.effective_from} @ Tariff.effective_to"


def _tiers(name: str, structure: Sequence[Sequence[Tier] | Sequence[DemandTier]], *, needed: bool = False) -> Iterator[str]:
    if needed and not structure:
        yield f"expected at least one period @ Tariff.{name}"
    for i, tiers in enumerate(structure):
        where = f"{name}[{i}]"
        if not tiers:
            yield f"expected at least one tier @ Tariff.{where}"
        yield from _rising(where, [tier.max for tier in tiers])
        if len({tier.unit for tier in tiers if tier.max is not None}) > 1:
            yield f"limits in kWh and in kWh daily cannot be told apart in size @ Tariff.{where}"


def _rising(where: str, limits: Sequence[float | None]) -> Iterator[str]:
    """Limits must rise, and only the last may be absent."""
    for i, limit in enumerate(limits[:-1]):
        after = limits[i + 1]
        if limit is None:
            yield f"only the last may be without a limit @ Tariff.{where}[{i}]"
        elif after is not None and after <= limit:
            yield f"expected a limit above {limit:g}, got {after:g} @ Tariff.{where}[{i + 1}]"


def _known(name: str, periods: Iterable[int], count: int) -> Iterator[str]:
    wrong = sorted({period for period in periods if period >= count})
    if wrong:
        told = f"there are {count} periods, counted from 0" if count else "there are no periods to choose from"
        yield f"{told}: no {', '.join(map(str, wrong))} @ Tariff.{name}"
