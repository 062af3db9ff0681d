"""How a plan's energy, money and carbon came about."""

from collections.abc import Iterator
from typing import Final

from llmplan.evaluating.timing import SUPPLY_EFFICIENCY, SUPPLY_SOURCE
from llmplan.planning.explaining import Entry, Input
from llmplan.planning.reasons import answer, constants, knob, measured
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source

_POWER: Final = Source.derived("the power model: base, clocks, arithmetic and memory traffic add up, to the board's limit")
_ARITHMETIC: Final = Source.derived("arithmetic on other numbers of this plan")
_BILLED: Final = Source.derived("the tariff's own rules, in decimal arithmetic, period by period")
_POWER_CONSTANTS: Final = ("power.",)


def energy_entries(plan: Plan) -> Iterator[Entry]:
    """Power and energy, from the board to the meter."""
    e, total = plan.energy, answer("time.total", plan.time.total)
    machine, hardware = plan.case.machine, plan.case.hardware
    count = Input(name="machine.count", value=f"{machine.count:,}")
    yield Entry(
        name="energy.board_power",
        value=e.board_power,
        formula="min(base + active * busy * tdp + FLOP/s / (FLOP/J) + byte/s * J/byte, tdp), averaged over a step",
        inputs=(*measured("hardware.tdp", hardware.tdp), answer("time.step", plan.time.step), *constants(plan, *_POWER_CONSTANTS)),
        source=_POWER,
    )
    yield Entry(
        name="energy.device",
        value=e.device,
        formula="energy.board_power * machine.count * time.total",
        inputs=(answer("energy.board_power", e.board_power), count, total),
        source=_ARITHMETIC,
    )
    yield Entry(
        name="energy.host",
        value=e.host,
        formula="machine.host_power * machine.nodes * time.total",
        inputs=(
            *measured("machine.host_power", machine.host_power),
            Input(name="machine.nodes", value=f"{machine.nodes:,}"),
            total,
        ),
        source=_ARITHMETIC,
    )
    yield _site(plan)
    yield Entry(
        name="energy.site_power",
        value=e.site_power,
        formula="energy.site / time.total",
        inputs=(answer("energy.site", e.site), total),
        source=_ARITHMETIC,
    )


def _site(plan: Plan) -> Entry:
    e, site = plan.energy, plan.case.site
    efficiency = SUPPLY_EFFICIENCY[plan.case.machine.kind]
    return Entry(
        name="energy.site",
        value=e.site,
        formula="(energy.device / efficiency of supplies + energy.host) * Site.pue",
        inputs=(
            answer("energy.device", e.device),
            Input(name="efficiency of supplies", value=f"{efficiency:g}", source=SUPPLY_SOURCE),
            answer("energy.host", e.host),
            Input(name="Site.pue", value=f"{site.pue:g}" if site else "1 (no site is given)"),
        ),
        source=_ARITHMETIC,
    )


def cost_entries(plan: Plan) -> Iterator[Entry]:
    """Bills and rent, and the same in another currency."""
    c = plan.cost
    if c is None:
        return
    if c.electricity is not None:
        formula = "the bills of the time with the job - the bills of the same time without it"
        yield _bill(plan, "cost.electricity", c.electricity, formula)
    if c.bills is not None:
        yield _bill(plan, "cost.bills", c.bills, "every bill of the time, what is used beside the job included")
    if c.rent is not None:
        yield _rent(plan, c.rent)
    for name, amount in c.converted.items():
        yield _converted(plan, name, amount)


def _bill(plan: Plan, name: str, amount: Estimate, formula: str) -> Entry:
    case, site = plan.case, plan.case.site
    tariff = () if case.tariff is None else (Input(name="tariff", value=case.tariff.name, source=case.tariff.source),)
    start = site.start if site and site.start else "the first day of each month of a year: low and high cover all twelve"
    baseline = f"{site.baseline_kwh_per_month:,g} kWh" if site else "0 kWh"
    inputs = (
        *tariff,
        answer("energy.site_power", plan.energy.site_power),
        answer("time.total", plan.time.total),
        knob(plan, "Site.start", start),
        knob(plan, "Site.baseline_kwh_per_month", baseline),
    )
    return Entry(name=name, value=amount, formula=formula, inputs=inputs, source=_BILLED)


def _rent(plan: Plan, amount: Estimate) -> Entry:
    price = plan.case.price
    offer = (
        ()
        if price is None
        else (Input(name="price.per_gpu_hour", value=f"{price.per_gpu_hour:g} {price.currency}", source=price.source),)
    )
    return Entry(
        name="cost.rent",
        value=amount,
        formula="price.per_gpu_hour * machine.count * time.total",
        inputs=(
            *offer,
            Input(name="machine.count", value=f"{plan.case.machine.count:,}"),
            answer("time.total", plan.time.total),
        ),
        source=_ARITHMETIC,
    )


def _converted(plan: Plan, name: str, amount: Estimate) -> Entry:
    rate = plan.cost.exchange_rate if plan.cost else ""
    original: Estimate = getattr(plan.cost, name)
    return Entry(
        name=f"cost.converted.{name}",
        value=amount,
        formula=f"cost.{name} at the site's rate of exchange",
        inputs=(answer(f"cost.{name}", original), knob(plan, "Site.exchange_rate", rate)),
        source=_ARITHMETIC,
    )


def carbon_entries(plan: Plan) -> Iterator[Entry]:
    """What the energy emits."""
    c, grid = plan.carbon, plan.case.grid
    if c is None or grid is None:
        return
    energy = answer("energy.site", plan.energy.site)
    yield Entry(
        name="carbon.emitted",
        value=c.emitted,
        formula="energy.site * grid.carbon_intensity",
        inputs=(energy, *measured("grid.carbon_intensity", grid.carbon_intensity)),
        source=_ARITHMETIC,
    )
    if c.life_cycle is not None:
        yield Entry(
            name="carbon.life_cycle",
            value=c.life_cycle,
            formula="energy.site * grid.life_cycle_intensity",
            inputs=(energy, *measured("grid.life_cycle_intensity", grid.life_cycle_intensity)),
            source=_ARITHMETIC,
        )
