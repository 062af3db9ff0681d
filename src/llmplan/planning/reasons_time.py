"""How a plan's times and rates came about."""

from collections.abc import Iterator
from typing import Final

from llmplan.evaluating.timing import FAILURES_SOURCE
from llmplan.planning.explaining import Entry, Input
from llmplan.planning.reasons import answer, constants, knob, measured
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source

_COUNTED: Final = Source.derived("counted on the program of one step: 2 FLOP for each multiplication and addition")
_MODEL: Final = Source.derived("the time model: each kernel priced by its shape, launches and execution joined")
_ARITHMETIC: Final = Source.derived("arithmetic on other numbers of this plan")

_COMPUTE: Final = ("matmul.", "attention.", "pointwise.", "clock.", "power.flops.", "power.base.", "power.wide-sums")
_CONSTANTS: Final = {
    "forward": _COMPUTE,
    "backward": _COMPUTE,
    "recompute": _COMPUTE,
    "optimizer": ("pointwise.", "transfer."),
    "communication": ("collective.", "exposed.overlap", "exposed.floor"),
    "exposed": ("collective.", "exposed.path", "transfer."),
    "launch": ("launch.",),
    "fixed": ("step.fixed",),
}
"""Which constants the terms of a step depend on, by the beginnings of their names."""

_FORMULAS: Final = {
    "forward": "sum over the kernels of the forward passes of a step of their seconds: arithmetic over sustained rate, or "
    "bytes over sustained bandwidth",
    "backward": "the same for the kernels of the backward passes",
    "recompute": "the same for the kernels that run a second time",
    "optimizer": "bytes that the update reads and writes over sustained bandwidth",
    "communication": "seconds of messages between ranks that no computation hides",
    "exposed": "seconds of messages inside a pass, and of copies, that nothing hides",
    "launch": "seconds in which the device waits for the host to launch kernels",
    "bubble": "seconds in which the stages of a pipeline wait for one another",
    "fixed": "seconds of the loop around a step: data, logging, the clock",
}


def time_entries(plan: Plan) -> Iterator[Entry]:
    """Arithmetic, step, total and rates."""
    yield _flops(plan)
    yield _steps(plan)
    yield from _terms(plan)
    yield _step(plan)
    yield _total(plan)
    yield from _rates(plan)


def _flops(plan: Plan) -> Entry:
    return Entry(
        name="time.flops_per_token",
        value=plan.time.flops_per_token,
        formula="FLOP of all matrix products and of causal attention, forward and backward, of a step / its tokens",
        inputs=(
            Input(name="model", value=plan.case.model.name, source=plan.case.model.source),
            knob(plan, "Training.sequence_length", plan.case.sequence_length),
        ),
        source=_COUNTED,
    )


def _steps(plan: Plan) -> Entry:
    case = plan.case
    return Entry(
        name="time.steps",
        value=Estimate.exact(float(plan.time.steps), ""),
        formula="tokens / (global_batch_size * sequence_length), rounded up",
        inputs=(
            knob(plan, "Training.tokens", case.training.tokens),
            knob(plan, "Training.global_batch_size", case.training.global_batch_size),
            knob(plan, "Training.sequence_length", case.sequence_length),
        ),
        source=_ARITHMETIC,
    )


def _terms(plan: Plan) -> Iterator[Entry]:
    for name, value in plan.time.terms.items():
        known = constants(plan, *_CONSTANTS[name]) if name in _CONSTANTS else ()
        inputs = (*_rates_of_hardware(plan, name), *known)
        formula = _FORMULAS.get(name, f"seconds of {name!r} in a step")
        yield Entry(name=f"time.terms.{name}", value=value, formula=formula, inputs=inputs, source=_MODEL)


def _rates_of_hardware(plan: Plan, term: str) -> tuple[Input, ...]:
    """What a term of the step is measured against."""
    hardware, machine, compute = plan.case.hardware, plan.case.machine, plan.case.precision.compute
    bandwidth = measured("hardware.memory_bandwidth", hardware.memory_bandwidth)
    if term in ("forward", "backward", "recompute"):
        return (
            *measured(f"hardware.peak({compute!r})", hardware.peak(compute)),
            *bandwidth,
            *measured("hardware.tdp", hardware.tdp),
        )
    if term == "optimizer":
        return bandwidth
    if term in ("communication", "exposed"):
        tiers = {"interconnect": machine.interconnect, "fabric": machine.fabric}
        links = [measured(f"machine.{name}.bandwidth", link.bandwidth) for name, link in tiers.items() if link is not None]
        return (*(found for link in links for found in link), *measured("hardware.pcie_bandwidth", hardware.pcie_bandwidth))
    return ()


def _step(plan: Plan) -> Entry:
    t = plan.time
    return Entry(
        name="time.step",
        value=t.step,
        formula=" + ".join(f"time.terms.{name}" for name in t.terms) + f"\nlow and high: with the draws of all constants, "
        f"and of what conditions that a job leaves unsaid do to it ({t.conditions})",
        inputs=(*(answer(f"time.terms.{name}", value) for name, value in t.terms.items()), *constants(plan, "conditions.")),
        source=_MODEL,
    )


def _total(plan: Plan) -> Entry:
    t = plan.time
    steps = Input(name="time.steps", value=f"{t.steps:,}")
    interrupted = _interruptions(plan)
    formula = "time.steps * time.step"
    if interrupted:
        formula += (
            ", and what is spent on checkpoint files, on work done twice after failures and on restarts; files are written as "
            "often as costs least"
        )
    inputs = (steps, answer("time.step", t.step), *interrupted)
    return Entry(name="time.total", value=t.total, formula=formula, inputs=inputs, source=_MODEL)


def _interruptions(plan: Plan) -> tuple[Input, ...]:
    """What checkpoint files and failures depend on; nothing where the machine's disk is not known."""
    disk = measured("machine.disk_bandwidth", plan.case.machine.disk_bandwidth)
    failures = Input(name="device hours between failures", value="as the source counts them", source=FAILURES_SOURCE)
    return (*disk, failures) if disk else ()


def _rates(plan: Plan) -> Iterator[Entry]:
    t, hardware, compute = plan.time, plan.case.hardware, plan.case.precision.compute
    yield Entry(
        name="time.tokens_per_second",
        value=t.tokens_per_second,
        formula="global_batch_size * sequence_length / time.step",
        inputs=(
            knob(plan, "Training.global_batch_size", plan.case.training.global_batch_size),
            knob(plan, "Training.sequence_length", plan.case.sequence_length),
            answer("time.step", t.step),
        ),
        source=_ARITHMETIC,
    )
    inputs = (
        answer("time.flops_per_token", t.flops_per_token),
        answer("time.tokens_per_second", t.tokens_per_second),
        Input(name="machine.count", value=f"{plan.case.machine.count:,}"),
        *measured(f"hardware.peak_flops ({compute})", hardware.peak(compute)),
    )
    formula = "time.flops_per_token * time.tokens_per_second / (machine.count * hardware.peak_flops)"
    yield Entry(name="time.mfu", value=t.mfu, formula=formula, inputs=inputs, source=_ARITHMETIC)
    again = f"{formula}\nwith the arithmetic of what is computed a second time"
    yield Entry(name="time.hfu", value=t.hfu, formula=again, inputs=inputs, source=_ARITHMETIC)
