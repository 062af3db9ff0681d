"""What the reasons of a plan's numbers are put together from: inputs of each kind."""

from typing import TYPE_CHECKING

from llmplan.costs.rates import device
from llmplan.planning.explaining import Input
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source, Sourced

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIANTS = (
    "attention.efficiency",
    "attention.version",
    "clock",
    "conditions",
    "launch",
    "matmul.efficiency",
    "power.base",
    "power.byte",
    "power.flops",
    "step.fixed",
)
"""Constants that there is one of for each architecture, mode or condition."""


def measured(name: str, value: Sourced | None) -> tuple[Input, ...]:
    """A measured field of a noun; nothing where it is not known."""
    return () if value is None else (Input(name=name, value=f"{value.magnitude:,g} {value.unit}", source=value.source),)


def answer(name: str, value: Estimate) -> Input:
    """Another number of the plan."""
    return Input(name=name, value=str(value))


def knob(plan: Plan, name: str, value: object) -> Input:
    """What the job says, or what it was set to where it left it open."""
    assumed = next((a for a in plan.assumptions if a.knob == name), None)
    text = f"{value:,g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
    return Input(name=name, value=text, source=None if assumed is None else Source.assumption(assumed.why))


def constants(plan: Plan, *prefixes: str) -> tuple[Input, ...]:
    """The calibrated constants whose names begin with one of *prefixes* and which apply to this job."""
    calibration = plan.case.calibration
    return tuple(
        Input(name=f"calibration.{name}", value=_constant(c.value, c.sigma, c.unit, c.meaning), source=c.source)
        for name, c in calibration.constants.items()
        if name.startswith(prefixes) and _applies(name, plan)
    )


def _constant(value: float, sigma: float, unit: str, meaning: str) -> str:
    amount = f"{value:.4g}" if unit == "1" else f"{value:.4g} {unit}"
    return f"{amount}, {100 * sigma:.0f} % either way ({meaning})" if sigma else f"{amount} ({meaning})"


def _applies(name: str, plan: Plan) -> bool:
    """Whether a constant is this job's: of its architecture, its mode and its conditions, where there are several."""
    stem = next((stem for stem in _VARIANTS if name.startswith(f"{stem}.")), None)
    return stem is None or name in _chosen(stem, plan)


def _chosen(stem: str, plan: Plan) -> set[str]:
    """Of the variants of one constant, those that the formulas take for this job."""
    case, known = plan.case, plan.case.calibration.constants
    dev = device(case.hardware)
    if stem == "attention.version":
        return {name for name in known if name.startswith(stem)}
    orders: dict[str, Iterable[str]] = {
        "launch": (case.runtime.framework, case.runtime.mode),
        "step.fixed": (case.runtime.framework,),
        "conditions": (plan.time.conditions,),
        "clock": (dev.kind,),
    }
    order = orders.get(stem, (dev.architecture, f"other-{dev.memory_class}", dev.memory_class))
    first = next((f"{stem}.{suffix}" for suffix in order if f"{stem}.{suffix}" in known), stem)
    return {first}
