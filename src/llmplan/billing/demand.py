"""The demand charges of one calendar month: on its highest clock hour, and on that of each demand period."""

import datetime as dt
from fractions import Fraction

import attrs

from llmplan.billing.calendar import next_month
from llmplan.billing.exact import added, exact
from llmplan.billing.meter import Meter
from llmplan.billing.tiers import charge, steps
from llmplan.nouns.tariff import Tariff

_ZERO = Fraction(0)


@attrs.frozen
class Demand:
    """
    What a month's power costs.

    Attributes:
        amount: Both demand charges. [currency]

        peak_kw: Highest clock-hour average of the month. [kW]

        billed_kw: What the flat demand charge is on. [kW]
    """

    amount: Fraction
    peak_kw: Fraction
    billed_kw: Fraction


def charges_demand(tariff: Tariff) -> bool:
    """Whether a tariff has a price of power at all."""
    return bool(tariff.flatdemandstructure or tariff.demandratestructure)


def has_ratchet(tariff: Tariff) -> bool:
    """Whether the demand of earlier months can raise a month's charge."""
    return bool(tariff.flatdemandstructure and tariff.lookbackpercent and tariff.lookbackrange and tariff.contract_kw is None)


def month_demand(tariff: Tariff, meter: Meter, month: dt.date) -> Demand:
    """
    The demand charges of one calendar month.

    Args:
        tariff: The tariff.

        meter: The load.

        month: Its first day.
    """
    peak = meter.peak(month)
    billed = _billed(tariff, meter, month, peak)
    amount = _ZERO
    if tariff.flatdemandstructure:
        amount += charge(billed, steps(tariff.flatdemandstructure)[_flat_period(tariff, month)])
    if tariff.demandratestructure:
        table = steps(tariff.demandratestructure)
        amount += added(charge(kw, table[period]) for period, kw in meter.peaks(month).items())
    return Demand(amount, peak, billed)


def _flat_period(tariff: Tariff, month: dt.date) -> int:
    return tariff.flatdemandmonths[month.month - 1] if tariff.flatdemandmonths else 0


def _billed(tariff: Tariff, meter: Meter, month: dt.date, peak: Fraction) -> Fraction:
    """The contracted power; else the peak, or the ratchet's share of the highest peak of the months before."""
    if tariff.contract_kw is not None:
        return exact(tariff.contract_kw)
    if not has_ratchet(tariff):
        return peak
    before = max(meter.peak(next_month(month, -i)) for i in range(1, tariff.lookbackrange + 1))
    return max(peak, exact(tariff.lookbackpercent) * before)
