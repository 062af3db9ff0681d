"""How a plan's parameters and memory came about."""

from collections.abc import Iterator
from typing import Final

from llmplan.evaluating.overheads import overheads
from llmplan.nouns.runtime import Runtime
from llmplan.planning.explaining import Entry, Input
from llmplan.planning.reasons import answer, knob, measured
from llmplan.planning.result import Plan
from llmplan.sources import Estimate, Source

_COUNTED: Final = Source.derived("counted on the program that the architecture says to the runtime, each tensor once")
_WALKED: Final = Source.derived(
    "one step of one rank, run operation by operation under autograd's rules: each storage lives from the operation that "
    "makes it to the last one that needs it, in blocks of 512 bytes as PyTorch's allocator gives them"
)
_SUM: Final = Source.derived("arithmetic on other numbers of this plan")

_OF_A_CATEGORY: Final = {
    "parameters": "bytes of the weights as they lie on this rank, each rounded up to 512",
    "gradients": "bytes of the gradients that live at the peak, with the buffers that they are sent from",
    "optimizer": "bytes of the optimizer's states on the device",
    "activations": "bytes of what the forward keeps for the backward and that lives at the peak",
    "temporary": "bytes of what lives for a moment only, at the peak",
    "other": "bytes of the batch, tables and masks",
}


def parameter_entries(plan: Plan) -> Iterator[Entry]:
    """The numbers of parameters, by role and in all."""
    shape = [Input(name=f"model.{key}", value=f"{n}", source=plan.case.model.source) for key, n in _sizes(plan)]
    formulas = {
        "total": "all elements of all weights, each tensor once",
        "trainable": "elements of the weights that the job trains, adapters included",
    }
    for role, count in plan.num_parameters.items():
        formula = formulas.get(role, f"elements of the weights whose role is {role!r}")
        value = Estimate.exact(float(count), "")
        yield Entry(name=f"num_parameters.{role}", value=value, formula=formula, inputs=tuple(shape), source=_COUNTED)


def memory_entries(plan: Plan) -> Iterator[Entry]:
    """The peak and its parts, what lies beside it, and whether it fits."""
    yield from _parts(plan)
    yield _peak(plan)
    m, inputs = plan.memory, _job(plan)
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
    yield from _reserved(plan)
    yield from _fit(plan)
    yield Entry(
        name="memory.host",
        value=m.host,
        formula="bytes of the optimizer's states where they live on the host, otherwise nothing",
        inputs=(Input(name="optimizer.states_on", value=plan.case.optimizer.states_on),),
        source=_WALKED,
    )
    yield from _largest(plan)


def _parts(plan: Plan) -> Iterator[Entry]:
    for name, size in plan.memory.terms.items():
        beside = plan.overhead_sources.get(name)
        if beside is not None:
            yield Entry(name=f"memory.terms.{name}", value=size, formula="as the source states it", inputs=(), source=beside)
        else:
            formula = _OF_A_CATEGORY.get(name, f"bytes of the category {name!r} at the peak")
            yield Entry(name=f"memory.terms.{name}", value=size, formula=formula, inputs=_job(plan), source=_WALKED)


def _peak(plan: Plan) -> Entry:
    m = plan.memory
    parts = [name for name in m.terms if name not in plan.overhead_sources]
    formula = " + ".join(f"memory.terms.{name}" for name in parts) + f"\nat the peak: {m.phase}, {m.moment}"
    if m.formula:
        formula += f"\nof which, in letters, what does not live all the time:\n{m.formula}"
    inputs = (*(answer(f"memory.terms.{name}", m.terms[name]) for name in parts), *_letters(plan))
    return Entry(name="memory.peak", value=m.peak, formula=formula, inputs=inputs, source=_WALKED)


def _letters(plan: Plan) -> Iterator[Input]:
    """What the letters of the closed form stand for."""
    if not plan.memory.formula:
        return
    case = plan.case
    yield Input(name="tokens", value=f"{case.micro_batch_size * case.sequence_length:,}")
    shape = case.architecture.shape(case.model.config)
    yield from (Input(name=name, value=f"{size:g}") for name, size in shape.sizes().items() if name in plan.memory.formula)


def _reserved(plan: Plan) -> Iterator[Entry]:
    m = plan.memory
    yield Entry(
        name="memory.reserved",
        value=m.reserved,
        formula="memory.peak * what PyTorch's caching allocator holds for a byte that is allocated",
        inputs=(answer("memory.peak", m.peak), *_allocator(plan.case.runtime)),
        source=Source("measurement", "steps of PyTorch 2.13 without a GPU: reserved over allocated memory"),
    )
    beside = [o.name for o in overheads(plan.case.hardware, plan.case.ranks) if not o.counted]
    yield Entry(
        name="memory.device",
        value=m.device,
        formula=" + ".join(["memory.reserved", *(f"memory.terms.{name}" for name in beside)]),
        inputs=(answer("memory.reserved", m.reserved), *_terms(plan, beside)),
        source=_SUM,
    )


def _fit(plan: Plan) -> Iterator[Entry]:
    m, hardware = plan.memory, plan.case.hardware
    beside = [name for name in m.terms if name in plan.overhead_sources]
    yield Entry(
        name="memory.needed",
        value=m.needed,
        formula=" + ".join(["memory.peak", *(f"memory.terms.{name}" for name in beside)]),
        inputs=(answer("memory.peak", m.peak), *_terms(plan, beside)),
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
        value=Estimate(*[plan.fit_probability] * 3, "", basis="calibrated"),
        formula="the share of what may be needed that is within memory.usable: linear between low, likely and high",
        inputs=(answer("memory.needed", m.needed), answer("memory.usable", m.usable)),
        source=_SUM,
    )


def _largest(plan: Plan) -> Iterator[Entry]:
    for place, (label, category, size) in enumerate(plan.memory.largest):
        yield Entry(
            name=f"memory.largest.{place}",
            value=Estimate.exact(size, "byte"),
            formula=f"bytes of {label!r} ({category}) at the peak",
            inputs=_job(plan),
            source=_WALKED,
        )


def _terms(plan: Plan, names: list[str]) -> Iterator[Input]:
    return (answer(f"memory.terms.{name}", plan.memory.terms[name]) for name in names if name in plan.memory.terms)


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


def _sizes(plan: Plan) -> list[tuple[str, object]]:
    """The numbers of a model's configuration."""
    config = plan.case.model.config
    return [(key, value) for key, value in config.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
