"""What the reasons of a plan's numbers are put together from: inputs of each kind."""

from collections.abc import Iterator, Mapping, ValuesView
from functools import lru_cache

from llmplan.costs.constants import Array, Constants
from llmplan.costs.constants import constants as draws_of
from llmplan.costs.power import average_power
from llmplan.costs.step import price
from llmplan.evaluating.case import Case
from llmplan.evaluating.work import work
from llmplan.nouns.constant import Constant
from llmplan.planning.explaining import Input
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source, Sourced


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
    """The calibrated constants whose names begin with one of *prefixes* and which this job's time and power depend on."""
    calibration, used = plan.case.calibration, _used(plan.case)
    return tuple(
        Input(name=f"calibration.{name}", value=_constant(c), source=c.source)
        for name, c in calibration.constants.items()
        if name in used and name.startswith(prefixes)
    )


def _constant(c: Constant) -> str:
    amount = f"{c.value:.4g}" if c.unit == "1" else f"{c.value:.4g} {c.unit}"
    return f"{amount}, {100 * c.sigma:.0f} % either way ({c.meaning})" if c.sigma else f"{amount} ({c.meaning})"


@lru_cache(maxsize=64)
def _used(case: Case) -> frozenset[str]:
    """The names of the constants that the formulas ask for when they price a *case*."""
    known = _Asked(draws_of(case.calibration, count=1).draws)
    listening = Constants(draws=known, name=case.calibration.name)
    step = price(
        work(case).phases,
        hardware=case.hardware,
        machine=case.machine,
        runtime=case.runtime,
        constants=listening,
        micro_batches=float(case.micro_batches),
        conditions="adapter" if case.training.adapter else None,
    )
    average_power(step, case.hardware, listening)
    return frozenset(known.asked)


class _Asked(Mapping[str, Array]):
    """Constants that remember which of them were asked for."""

    def __init__(self, draws: Mapping[str, Array]) -> None:
        self._draws = draws
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.asked.add(name)
        return self._draws[name]

    def __contains__(self, name: object) -> bool:
        return name in self._draws

    def __iter__(self) -> Iterator[str]:
        return iter(self._draws)

    def __len__(self) -> int:
        return len(self._draws)

    def values(self) -> ValuesView[Array]:
        """All draws; only a name asks for a constant."""
        return self._draws.values()
