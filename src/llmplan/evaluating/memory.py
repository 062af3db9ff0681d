"""
Memory: the peak of a training step, split by what it is for, and what lies beside it on the device.

The peak is the walk's, to the byte (:mod:`llmplan.program`). What PyTorch's counters do not see (the driver's context,
communication buffers) are estimates with names of their own: :mod:`llmplan.evaluating.overheads`.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs
import numpy as np

from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.compiled import MEASURED_OVER_COMPILED, check_compiled
from llmplan.evaluating.setup import LARGEST_RANK, Setup, setup_of, sizes_of
from llmplan.evaluating.tracing import TOKENS, Trace, trace
from llmplan.parallel.buffers import Buffers
from llmplan.program.op import Category, Region
from llmplan.program.optimizer import clipping_bytes
from llmplan.program.rows import Part
from llmplan.program.size import Evaluator, Number, largest, maximum, rounded, total
from llmplan.program.stretch import Program

if TYPE_CHECKING:
    from llmplan.program.size import Value


N = TypeVar("N")

#: ``torch.amp.GradScaler`` keeps its scale and the number of steps since it grew on the device, a block each. [byte]
_SCALER_BYTES: Final = 1024.0


@attrs.frozen(kw_only=True)
class Standing(Generic[N]):
    """
    What is there from the beginning of a step to its end, and what the optimizer's step adds. [byte]

    Attributes:
        parameters: Weights as they lie on this rank.
        optimizer: States on the device.
        other: Batch, tables, masks.
        accumulated: Gradients that are there while the next micro-batch runs; 0 without accumulation.
        buckets: Buffers that gradients are sent from.
        gradients: All gradients when backward is done; 0 where the optimizer uses them up in backward.
        step: What the optimizer, or the clipping of gradients before it, takes for a moment.
        host: States in the host's memory.
        building: What is there while the model is built, where a tied head's own matrix is made and then replaced.
    """

    parameters: N
    optimizer: N
    other: N
    accumulated: N
    buckets: N
    gradients: N
    step: N
    host: N
    building: N


@attrs.frozen(kw_only=True)
class Memory:
    """
    Memory of one rank in one training step. [byte]

    Attributes:
        peak: The most that lives at once, as ``torch.cuda.max_memory_allocated`` counts it.
        first_step_peak: The same for the first step, which makes the optimizer's states only at its end.
        parts: What lives at the peak, largest first.
        phase: When: "forward", "release" (the end of the forward), "backward" or "optimizer".
        moment: What came last, for people.
        saved_for_backward: Activations kept when the forward has ended, without copies of weights; of all micro-batches
            that are in flight then.
        saved_weight_casts: Copies of weights in another format that are kept then.
        parameters: Weights of this rank.
        host: What is kept in the host's memory.
        stage: The stage of a pipeline that this is, the one that needs most; 0 where there is none.
        rank: The data-parallel rank that this is, the first of those that need most.
        spread: Low, likely and high of a measured peak over the predicted one.
    """

    peak: float
    first_step_peak: float
    parts: tuple[Part, ...]
    phase: str
    moment: str
    saved_for_backward: float
    saved_weight_casts: float
    parameters: float
    host: float
    stage: int = 0
    rank: int = 0
    spread: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def split(self) -> dict[Category, float]:
        """The peak by category. [byte]"""
        found: dict[Category, float] = {}
        for part in self.parts:
            found[part.category] = found.get(part.category, 0.0) + part.bytes
        return found


@attrs.frozen(eq=False)
class _Prepared:
    """A setup's trace, its standing sizes, and one evaluator for all that memory needs."""

    trace: Trace
    evaluator: Evaluator

    def sized(self, sizes: Mapping[str, "Value"]) -> tuple[Standing[Any], Sequence[Any], Sequence[Any]]:
        """Standing sizes, repeats of the runs and sizes of the atoms, where letters have the values of *sizes*."""
        values = self.evaluator(sizes)
        names = [f.name for f in attrs.fields(Standing)]
        repeats = len(names) + len(self.trace.program.repeats)
        return Standing(**dict(zip(names, values, strict=False))), values[len(names) : repeats], values[repeats:]


@functools.lru_cache(maxsize=4096)
def _prepared(setup: Setup) -> _Prepared:
    if setup.compiled:
        check_compiled(setup)
    found = trace(attrs.evolve(setup.structure, compiled=setup.compiled))
    standing = standing_of(setup, found)
    atoms = [a.bytes for a in found.rows.atoms]
    return _Prepared(found, Evaluator([*attrs.astuple(standing, recurse=False), *found.program.repeats, *atoms]))


def standing_of(setup: Setup, found: Trace) -> Standing[Number]:
    """What stands around a trace, in its letters."""
    if setup.buffers is not None:
        return _standing_in_buffers(setup.buffers, found)
    data, rule, program = setup.data, setup.rule, found.program
    trained = data.updated(program)
    parameters, kept = data.parameters(program), data.gradients(program)
    states = data.states(total(rule.device_bytes(w) * n for w, n in trained) + rule.shared_bytes)
    paged = data.states(total(rule.paged_bytes(w) * n for w, n in trained))
    used_up = setup.structure.steps_in_backward is not None
    if setup.shards_on_host:
        return Standing(
            parameters=0.0,
            optimizer=0.0,
            other=_other(found),
            accumulated=0.0,
            buckets=0.0,
            gradients=0.0,
            step=0.0,
            host=data.on_the_host(program, states + paged),
            building=0.0,
        )
    visit = largest(rule.state_bytes(w) for w, _ in trained) if setup.states_on_host else 0.0
    clipping = clipping_bytes(trained) if setup.clips else 0.0
    return Standing(
        parameters=parameters,
        optimizer=0.0 if setup.states_on_host else states,
        other=_other(found) + (_SCALER_BYTES if setup.scales_loss else 0.0),
        accumulated=data.accumulated(program) if setup.accumulates else 0.0,
        buckets=data.buckets(program),
        gradients=0.0 if used_up else kept,
        step=0.0 if used_up else maximum(data.temporaries(program, rule.temporary_bytes(trained)) + visit, clipping),
        host=(states if setup.states_on_host else paged) + _on_host(found.program),
        building=0.0 if data.several else _building(program),
    )


def _standing_in_buffers(buffers: Buffers, found: Trace) -> Standing[Number]:
    """The same where weights and gradients lie in buffers: the gradients' stands all the time."""
    weights = found.program.weights()
    gradients = buffers.gradients(weights)
    return Standing(
        parameters=buffers.parameters(weights),
        optimizer=buffers.states(weights),
        other=_other(found),
        accumulated=gradients,
        buckets=0.0,
        gradients=gradients,
        step=0.0,
        host=0.0,
        building=0.0,
    )


def _building(program: Program) -> Number:
    """
    What is there while the model is built: its own parameters, to which adapters come later, and a tied head's own
    matrix, which the table then replaces. [byte]
    """
    own = total(rounded(w.weight.stored) * n for w, n in program.weights() if w.weight and w.weight.role != "adapter")
    return own + total(program.replaced) if program.replaced else 0.0


def _other(found: Trace) -> Number:
    """Batch, tables and masks. [byte]"""
    return total(rounded(size) for _, size in found.program.constants)


def peak_bytes(case: Case, sizes: Mapping[str, "Value"] | None = None) -> "Value":
    """
    The peak alone. [byte]

    Args:
        case: The job.
        sizes: What the letters stand for, where it is not what the case says: arrays give the peak along their axes.
    """
    if _has_stages(case):
        from llmplan.evaluating.stages import peak_of_stages

        return peak_of_stages(case, sizes)
    return _peak(_prepared(setup_of(case)), sizes or sizes_of(case))


def _has_stages(case: Case) -> bool:
    """Whether layers are shared out among the stages of a pipeline."""
    if case.parallelism.pipeline == 1:
        return False
    if case.runtime.mode == "compiled":
        raise UnsupportedError("the memory of compiled code with stages of a pipeline", "a stage is no graph that was measured")
    return True


def _peak(prepared: _Prepared, sizes: Mapping[str, "Value"]) -> "Value":
    standing, repeats, atoms = prepared.sized(sizes)
    live = prepared.trace.rows.peak(atoms, repeats)
    at_work: Any = always(standing) + maximum(live + standing.accumulated, standing.gradients + standing.step)
    peak: Value = maximum(at_work, standing.building)  # type: ignore[assignment]  # values by now, no letters
    return peak


def peaks_at(case: Case, tokens: Iterable[float]) -> tuple[float, ...]:
    """The peaks where a micro-batch has so many *tokens*: one evaluation for all. [byte]"""
    if _has_stages(case):
        along = np.array(tuple(tokens))
        found = np.ravel(peak_bytes(case, dict(sizes_of(case)) | {str(TOKENS): along}))
        return tuple(map(float, np.broadcast_to(found, len(along))))
    return _peaks_at(setup_of(case), tuple(sizes_of(case).items()), tuple(tokens))


@functools.lru_cache(maxsize=256)
def _peaks_at(setup: Setup, sizes: tuple[tuple[str, float], ...], tokens: tuple[float, ...]) -> tuple[float, ...]:
    """The peaks of a structure: whatever the card, the site and the tokens of the run."""
    along = tokens[0] if len(tokens) == 1 else np.array(tokens)  # numbers are faster than an array of one
    found = np.ravel(_peak(_prepared(setup), dict(sizes) | {str(TOKENS): along}))
    return tuple(map(float, np.broadcast_to(found, len(tokens))))


def memory(case: Case) -> Memory:
    """
    All that is known of the memory of one rank of a *case*.

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled.
    """
    if _has_stages(case):
        from llmplan.evaluating.stages import memory_of_stages

        return max(memory_of_stages(case), key=lambda stage: stage.peak)
    return _memory(setup_of(case), tuple(sizes_of(case).items()))


@functools.lru_cache(maxsize=256)
def _memory(setup: Setup, sizes_in_order: tuple[tuple[str, float], ...]) -> Memory:
    """The memory of a structure of these sizes: whatever the card, the site and the tokens of the run."""
    prepared, sizes = _prepared(setup), dict(sizes_in_order)
    standing, repeats, atoms = prepared.sized(sizes)
    rows = prepared.trace.rows
    row = rows.highest(atoms, repeats)
    live, step = rows.peak(atoms, repeats) + standing.accumulated, standing.gradients + standing.step
    saved = [p for p in rows.saved(atoms, repeats) if p.category == "activations"]
    casts = sum(p.bytes for p in saved if p.label.startswith("cast of "))
    in_step = bool(step > live)
    moment, rank = rows.moments[row], int(sizes.get(LARGEST_RANK, 0.0))
    return Memory(
        peak=float(max(always(standing) + max(live, step), standing.building)),
        first_step_peak=max(_first_step_peak(setup, sizes, live, standing), float(standing.building)),
        parts=parts_of(standing, [] if in_step else rows.parts(row, atoms, repeats), in_step=in_step),
        phase="optimizer" if in_step else moment.phase,
        moment=("optimizer step" if in_step else f"{moment.label} in {moment.stretch}") + _on(setup, rank),
        saved_for_backward=sum(p.bytes for p in saved) - casts,
        saved_weight_casts=casts,
        parameters=standing.parameters,
        host=standing.host,
        rank=rank,
        spread=MEASURED_OVER_COMPILED if setup.compiled else (1.0, 1.0, 1.0),
    )


def _on(setup: Setup, rank: int) -> str:
    """Which rank has most, where they differ: padding and parameters dealt out whole fall unevenly."""
    return f", on rank {rank}" if setup.data.ranks_differ else ""


def refusal(case: Case) -> UnsupportedError | None:
    """Why there is no answer for the memory of a *case*, or None where there is one."""
    try:
        memory(case)
    except UnsupportedError as refused:
        return refused
    return None


def formula(case: Case) -> str:
    """
    The closed form of a case's peak in letters: what is live at its moment beside what stands all the time.

    One line a term: a count, a size in letters [byte], and what it is. Empty where the optimizer's step is the peak.
    """
    if case.parallelism.pipeline > 1:
        from llmplan.evaluating.stages import formula_of_stages

        return formula_of_stages(case)
    prepared = _prepared(setup_of(case))
    standing, repeats, atoms = prepared.sized(sizes_of(case))
    rows = prepared.trace.rows
    if standing.gradients + standing.step > rows.peak(atoms, repeats) + standing.accumulated:
        return ""
    return rows.letters(rows.highest(atoms, repeats), [str(n) for n in prepared.trace.program.repeats])


def _first_step_peak(setup: Setup, sizes: Mapping[str, float], live: float, standing: Standing[Any]) -> float:
    """The peak of the step that makes the optimizer's states: at its end, or weight by weight in backward. [byte]"""
    whole = always(standing)
    stateless: float = whole - standing.optimizer
    if setup.structure.steps_in_backward is None:
        return float(max(stateless + live, whole + standing.gradients + standing.step))
    if setup.states_on_host:
        return float(whole + live)
    first = _prepared(attrs.evolve(setup, structure=attrs.evolve(setup.structure, makes_states=True)))
    _, repeats, atoms = first.sized(sizes)
    return float(stateless + first.trace.rows.peak(atoms, repeats))


def always(s: Standing[Any]) -> Any:  # noqa: ANN401  floats of floats, arrays of arrays
    """What lives at any moment. [byte]"""
    return s.parameters + s.optimizer + s.other + s.buckets


def parts_of(s: Standing[float], live: list[Part], *, in_step: bool) -> tuple[Part, ...]:
    """What lives at the peak, largest first; parts that nothing is in are left out."""
    parts = [
        Part("parameters", "parameters", s.parameters),
        Part("optimizer", "optimizer states", s.optimizer),
        Part("other", "batch and tables", s.other),
        Part("gradients", "gradient buckets", s.buckets),
        Part("gradients", "gradients", s.gradients if in_step else s.accumulated),
        Part("temporary", "optimizer step", s.step if in_step else 0.0),
        *live,
    ]
    return tuple(sorted((p for p in parts if p.bytes), key=lambda p: -p.bytes))


def _on_host(program: Program) -> Number:
    """What regions of a program keep in the host's memory between forward and backward. [byte]"""
    regions = ((i, program.count(s)) for s in program.stretches for i in s.items if isinstance(i, Region) and i.offloads)
    return total(region.on_host() * n for region, n in regions)
