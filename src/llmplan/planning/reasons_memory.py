"""How a plan's parameters and memory came about."""

import re
from collections.abc import Iterator
from typing import Final

from llmplan.evaluating.memory import formula as closed_form
from llmplan.evaluating.overheads import overheads
from llmplan.evaluating.replaying import why_not_replayed
from llmplan.evaluating.setup import sizes_of
from llmplan.nouns.model import Model
from llmplan.nouns.runtime import Runtime
from llmplan.planning.explaining import Entry, Input
from llmplan.planning.reasons import answer, knob, measured
from llmplan.planning.reports import MemoryReport
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source

_COUNTED: Final = Source.derived("counted on the program that the architecture says to the runtime, each tensor once")
_WALKED: Final = Source.derived(
    "one step of one rank, run operation by operation under autograd's rules: each storage lives from the operation that "
    "makes it to the last one that needs it, in blocks of 512 bytes as PyTorch's allocator gives them"
)
_REPLAYED: Final = Source.derived(
    "the rules of c10/cuda/CUDACachingAllocator.cpp (PyTorch 2.13); low and high are the 5th and 95th percentile of the replay's "
    "errors in random runs of PyTorch without a GPU"
)
_RATIOS: Final = Source("measurement", "steps of PyTorch 2.13 without a GPU: reserved over allocated memory")
_SUM: Final = Source.derived("arithmetic on other numbers of this plan")

_OF_A_CATEGORY: Final = {
    "compiler": "what the compiler's choice of buffers was measured to add or take, of 31 compiled runs",
    "parameters": "bytes of the weights as they lie on this rank, each rounded up to 512",
    "gradients": "bytes of the gradients that live at the peak, with the buffers that they are sent from",
    "optimizer": "bytes of the optimizer's states on the device",
    "activations": "bytes of what the forward keeps for the backward and that lives at the peak",
    "temporary": "bytes of what lives for a moment only, at the peak",
    "other": "bytes of the batch, tables and masks",
}


def parameter_entries(plan: Plan) -> Iterator[Entry]:
    """The numbers of parameters, by role and in all."""
    model = plan.case.model
    shape = ", ".join(f"{key} {n}" for key, n in _sizes(model))
    inputs = (
        Input(name="model.architecture", value=model.architecture),
        Input(name="model.config", value=shape, source=model.source),
    )
    formulas = {
        "total": "all elements of all weights, each tensor once",
        "trainable": "elements of the weights that the job trains, adapters included",
    }
    for role, count in plan.num_parameters.items():
        formula = formulas.get(role, f"elements of the weights whose role is {role!r}")
        value = Estimate.exact(float(count), "")
        yield Entry(name=f"num_parameters.{role}", value=value, formula=formula, inputs=inputs, source=_COUNTED)


def memory_entries(plan: Plan) -> Iterator[Entry]:
    """The peak and its parts, what lies beside it, and whether it fits."""
    if plan.fits is None:
        return
    m, inputs = plan.memory, _job(plan)
    yield from _parts(plan, m)
    yield _peak(plan, m)
    yield Entry(
        name="memory.first_step_peak",
        value=m.first_step_peak,
        formula="memory.peak of a step in which the optimizer's states are made only at its end",
        inputs=inputs,
        source=_WALKED,
    )
    yield Entry(
        name="memory.saved_for_backward",
        value=m.saved_for_backward,
        formula="activations, and copies of weights in another format, that are kept when the forward has ended",
        inputs=inputs,
        source=_WALKED,
    )
    yield from _reserved(plan, m)
    yield from _fit(plan, m)
    yield Entry(
        name="memory.host",
        value=m.host,
        formula="bytes of the optimizer's states where they live on the host, otherwise nothing",
        inputs=(Input(name="optimizer.states_on", value=plan.case.optimizer.states_on),),
        source=_WALKED,
    )
    yield from _largest(plan, m)


def _parts(plan: Plan, m: MemoryReport) -> Iterator[Entry]:
    for name, size in m.terms.items():
        beside = plan.overhead_sources.get(name)
        if beside is not None:
            yield Entry(name=f"memory.terms.{name}", value=size, formula="as the source states it", inputs=(), source=beside)
        else:
            formula = _OF_A_CATEGORY.get(name, f"bytes of the category {name!r} at the peak")
            yield Entry(name=f"memory.terms.{name}", value=size, formula=formula, inputs=_job(plan), source=_WALKED)


def _peak(plan: Plan, m: MemoryReport) -> Entry:
    letters = closed_form(plan.case)
    parts = [name for name in m.terms if name not in plan.overhead_sources]
    formula = " + ".join(f"memory.terms.{name}" for name in parts) + f"\nat the peak: {m.phase}, {m.moment}"
    if letters:
        formula += f"\nof which, in letters, what does not live all the time:\n{letters}"
    inputs = (*(answer(f"memory.terms.{name}", m.terms[name]) for name in parts), *_letters(plan, letters))
    return Entry(name="memory.peak", value=m.peak, formula=formula, inputs=inputs, source=_WALKED)


def _letters(plan: Plan, letters: str) -> Iterator[Input]:
    """What the letters of the closed form stand for."""
    used = set(re.findall(r"[A-Za-z_]\w*", letters))
    return (Input(name=name, value=f"{size:,g}") for name, size in sizes_of(plan.case).items() if name in used)


def _reserved(plan: Plan, m: MemoryReport) -> Iterator[Entry]:
    why = why_not_replayed(plan.case)
    replay = "the segments that PyTorch's caching allocator holds after two steps, replayed request by request"
    ratio = f"memory.peak * what PyTorch's caching allocator holds for a byte that is allocated; not replayed: {why}"
    yield Entry(
        name="memory.reserved",
        value=m.reserved,
        formula=ratio if why else replay,
        inputs=(answer("memory.peak", m.peak), *_allocator(plan.case.runtime)) if why else _job(plan),
        source=_RATIOS if why else _REPLAYED,
    )
    beside = [o.name for o in overheads(plan.case.hardware, plan.case.devices, plan.case.runtime.framework) if not o.counted]
    yield Entry(
        name="memory.device",
        value=m.device,
        formula=" + ".join(["memory.reserved", *(f"memory.terms.{name}" for name in beside)]),
        inputs=(answer("memory.reserved", m.reserved), *_terms(m, beside)),
        source=_SUM,
    )


def _fit(plan: Plan, m: MemoryReport) -> Iterator[Entry]:
    hardware, probability = plan.case.hardware, plan.fit_probability or 0.0
    beside = [name for name in m.terms if name in plan.overhead_sources]
    yield Entry(
        name="memory.needed",
        value=m.needed,
        formula=" + ".join(["memory.peak", *(f"memory.terms.{name}" for name in beside)]),
        inputs=(answer("memory.peak", m.peak), *_terms(m, beside)),
        source=_SUM,
    )
    known = hardware.memory_usable is not None
    yield Entry(
        name="memory.usable",
        value=m.usable,
        formula="hardware.memory_usable" if known else "a share of hardware.memory_capacity",
        inputs=measured("hardware.memory_usable", hardware.memory_usable)
        or measured("hardware.memory_capacity", hardware.memory_capacity),
        source=plan.overhead_sources["usable"],
    )
    yield Entry(
        name="fit_probability",
        value=Estimate(probability, probability, probability, "", basis="calibrated"),
        formula="the share of what may be needed that is within memory.usable: linear between low, likely and high",
        inputs=(answer("memory.needed", m.needed), answer("memory.usable", m.usable)),
        source=_SUM,
    )


def _largest(plan: Plan, m: MemoryReport) -> Iterator[Entry]:
    for place, (label, category, size) in enumerate(m.largest):
        yield Entry(
            name=f"memory.largest.{place}",
            value=Estimate.exact(size, "byte"),
            formula=f"bytes of {label!r} ({category}) at the peak",
            inputs=_job(plan),
            source=_WALKED,
        )


def _terms(m: MemoryReport, names: list[str]) -> Iterator[Input]:
    return (answer(f"memory.terms.{name}", m.terms[name]) for name in names if name in m.terms)


def _job(plan: Plan) -> tuple[Input, ...]:
    """The knobs that memory follows from."""
    case = plan.case
    return (
        Input(name="model", value=case.model.name, source=case.model.source),
        knob(plan, "Training.sequence_length", case.sequence_length),
        knob(plan, "Training.micro_batch_size", case.micro_batch_size),
        knob(plan, "Training.global_batch_size", case.training.global_batch_size),
        knob(plan, "Training.optimizer", case.optimizer.name),
        knob(plan, "Training.recompute", case.recompute.what),
        knob(plan, "Training.loss", case.training.loss),
        knob(plan, "precision", case.precision.name),
        knob(plan, "Parallelism.data", case.ranks),
        Input(name="Parallelism.shard", value=f"{case.parallelism.shard}"),
        knob(plan, "runtime", case.runtime.name),
    )


def _allocator(runtime: Runtime) -> tuple[Input, ...]:
    return (Input(name="runtime.expandable_segments", value=str(runtime.expandable_segments).lower(), source=runtime.source),)


def _sizes(model: Model) -> list[tuple[str, object]]:
    """The numbers of a model's configuration."""
    return [(key, n) for key, n in model.config.items() if isinstance(n, (int, float)) and not isinstance(n, bool)]
