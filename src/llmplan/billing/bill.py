"""One bill, from the meter to the total."""

from collections.abc import Mapping
from fractions import Fraction

import attrs

from llmplan.billing.charges import fixed, minimum_topup, taxes
from llmplan.billing.demand import charges_demand, month_demand
from llmplan.billing.energy import EnergyLine, energy_lines
from llmplan.billing.exact import added
from llmplan.billing.meter import Meter
from llmplan.billing.period import Period
from llmplan.nouns.tariff import Tariff

_ZERO = Fraction(0)


@attrs.frozen(kw_only=True)
class Bill:
    """
    One bill. Every number is an exact fraction; ``float()`` makes it one to show.

    Attributes:
        kwh: Energy. [kWh]

        energy: What the energy costs. [currency]

        demand: Demand charges. [currency]

        fixed: Fixed charges. [currency]

        minimum_topup: What was missing to the minimum charge. [currency]

        tax: Taxes, levies and rebates. [currency]

        energy_lines: The energy by period and tier.

        tax_lines: The taxes by name.

        peak_kw: Highest clock-hour average; None where demand costs nothing. [kW]

        billed_kw: What the flat demand charge is on; None where demand costs nothing. [kW]
    """

    kwh: Fraction
    energy: Fraction
    demand: Fraction
    fixed: Fraction
    minimum_topup: Fraction
    tax: Fraction
    energy_lines: tuple[EnergyLine, ...]
    tax_lines: Mapping[str, Fraction]
    peak_kw: Fraction | None = None
    billed_kw: Fraction | None = None

    @property
    def total(self) -> Fraction:
        """What is to be paid. [currency]"""
        return added((self.energy, self.demand, self.fixed, self.minimum_topup, self.tax))


def bill_period(tariff: Tariff, meter: Meter, period: Period) -> Bill:
    """
    The bill of one period.

    Args:
        tariff: The tariff.

        meter: The load, read under the tariff's schedules.

        period: The bill period.
    """
    kwh = meter.total(period.months)
    lines = tuple(energy_lines(tariff, meter, period))
    demands = [month_demand(tariff, meter, month) for month in period.months] if charges_demand(tariff) else []
    parts = {
        "energy": added(line.amount for line in lines),
        "demand": added(demand.amount for demand in demands),
        "fixed": fixed(tariff, period, kwh),
    }
    parts["minimum"] = minimum_topup(tariff, period, added(parts.values()))
    tax_lines = taxes(tariff, parts)
    return Bill(
        kwh=kwh,
        energy=parts["energy"],
        demand=parts["demand"],
        fixed=parts["fixed"],
        minimum_topup=parts["minimum"],
        tax=added(tax_lines.values()),
        energy_lines=lines,
        tax_lines=tax_lines,
        peak_kw=max((demand.peak_kw for demand in demands), default=None),
        billed_kw=max((demand.billed_kw for demand in demands), default=None),
    )
