"""What is on a bill besides energy and demand: fixed charges, the minimum, and taxes."""

from collections.abc import Mapping
from fractions import Fraction

from llmplan.billing.energy import step_of
from llmplan.billing.exact import added, exact
from llmplan.billing.period import Period
from llmplan.nouns.tariff import Tariff

_ZERO = Fraction(0)


def over_period(amount: float, units: str, bill: Period) -> Fraction:
    """
    A charge per month, day or year over one bill. [currency]

    Args:
        amount: The charge.

        units: ``$/month``; ``$/day``, of which the bill has its actual days; ``$/year``, a twelfth for each month.

        bill: The bill period.

    Example:
        >>> import datetime as dt
        >>> over_period(0.4, "$/day", Period(dt.date(2028, 2, 1), dt.date(2028, 3, 1)))
        Fraction(58, 5)
    """
    times = {
        "$/month": Fraction(len(bill.months)),
        "$/day": Fraction(bill.days),
        "$/year": Fraction(len(bill.months), 12),
    }
    return exact(amount) * times[units]


def fixed(tariff: Tariff, bill: Period, kwh: Fraction) -> Fraction:
    """Fixed charges of one bill, the one that its kWh pick included. [currency]"""
    charge = over_period(tariff.fixedchargefirstmeter, tariff.fixedchargeunits, bill)
    if tariff.fixed_by_kwh:
        charge += exact(step_of(tariff.fixed_by_kwh, kwh).charge)
    return charge


def minimum_topup(tariff: Tariff, bill: Period, subtotal: Fraction) -> Fraction:
    """What is missing to the minimum charge. [currency]"""
    if not tariff.mincharge:
        return _ZERO
    return max(_ZERO, over_period(tariff.mincharge, tariff.minchargeunits, bill) - subtotal)


def taxes(tariff: Tariff, parts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """
    Taxes, levies and rebates by name, in order. [currency]

    Args:
        tariff: The tariff; where its prices include tax, nothing is added.

        parts: The parts of the bill: energy, demand, fixed, minimum.
    """
    if tariff.prices_include_tax:
        return {}
    amounts = dict(parts)
    for tax in tariff.taxes:
        amounts[tax.name] = exact(tax.rate) * added(amounts[part] for part in tax.on)
    return {tax.name: amounts[tax.name] for tax in tariff.taxes}
