"""Completing: the knobs that a job leaves open get stated defaults, by asking :mod:`llmplan.evaluating`."""

import math
from typing import Any, Final

import attrs

from llmplan.evaluating.case import Case
from llmplan.evaluating.fitting import usable_bytes
from llmplan.evaluating.memory import peaks_at, refusal
from llmplan.evaluating.overheads import overheads

#: Tokens of a step where nothing is said: about half a million, as GPT-3's smaller models and nanoGPT have.
DEFAULT_TOKENS_PER_STEP: Final = 524288


@attrs.frozen(kw_only=True)
class Assumption:
    """
    A knob that was left open, and what it was set to.

    Attributes:
        knob: Its name, as in "Training.micro_batch_size".
        value: What it was set to, in words.
        why: By which rule.
    """

    knob: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.knob} = {self.value}: {self.why}"


def complete(case: Case) -> tuple[Case, tuple[Assumption, ...]]:
    """
    Fill what is None in a *case*'s workload and parallelism.

    Returns:
        The complete case, and what was assumed.

    Raises:
        JobError, SpecError, UnsupportedError: As of :func:`llmplan.evaluating.evaluate`.
    """
    notes: list[Assumption] = []
    for step in (_ranks, _sequence, _batches):
        case = step(case, notes)
    return case, tuple(notes)


def _ranks(case: Case, notes: list[Assumption]) -> Case:
    p = case.parallelism
    if p.data is not None:
        return case
    data = max(1, case.machine.count // p.ranks_per_replica)
    if case.machine.count > 1:
        notes.append(_note("Parallelism.data", f"{data}", "one data-parallel rank for each device that nothing else uses"))
    return attrs.evolve(case, parallelism=p.evolve(data=data))


def _sequence(case: Case, notes: list[Assumption]) -> Case:
    """The length of a sequence, and how its loss is computed."""
    changes: dict[str, Any] = {}
    if case.training.sequence_length is None:
        changes["sequence_length"] = length = case.architecture.sequence_length(case.model.config)
        notes.append(_note("Training.sequence_length", f"{length}", "the model's own"))
    if case.training.loss is None:
        changes["loss"] = "plain"
        notes.append(_note("Training.loss", "plain", "logits of a whole micro-batch at once"))
    return _with(case, **changes) if changes else case


def _batches(case: Case, notes: list[Assumption]) -> Case:
    """Micro-batch and step, whichever of them is open."""
    t, ranks = case.training, case.ranks
    in_backward = case.optimizer.when == "backward"
    if t.global_batch_size is None and t.micro_batch_size is not None:
        size = _multiple(case, t.micro_batch_size, once=in_backward)
        notes.append(_note("Training.global_batch_size", f"{size}", _why_step(in_backward)))
        return _with(case, global_batch_size=size)
    if t.micro_batch_size is not None:
        return case
    if t.global_batch_size is None:
        per_rank = _power_of_two(DEFAULT_TOKENS_PER_STEP / case.sequence_length / ranks)
    else:
        per_rank = max(1, t.global_batch_size // ranks)
    micro = _largest_that_fits(case, per_rank, in_backward=in_backward, free=t.global_batch_size is None)
    why = "the largest power of two that fits and divides a rank's share of a step; 1 where none fits"
    if _judged_as(case) is not case:
        why += "; judged by the memory of eager code, as that of compiled code is not modelled for such a job"
    notes.append(_note("Training.micro_batch_size", f"{micro}", why))
    if t.global_batch_size is None:
        size = micro * ranks if in_backward else per_rank * ranks
        notes.append(_note("Training.global_batch_size", f"{size}", _why_step(in_backward)))
        return _with(case, micro_batch_size=micro, global_batch_size=size)
    return _with(case, micro_batch_size=micro)


def _why_step(in_backward: bool) -> str:  # noqa: FBT001  one question, asked here only
    if in_backward:
        return "one micro-batch a rank, as an optimizer in backward needs"
    return f"sequences of about {DEFAULT_TOKENS_PER_STEP:,} tokens"


def _multiple(case: Case, micro: int, *, once: bool) -> int:
    """The step's sequences nearest to half a million tokens that whole micro-batches make."""
    unit = micro * case.ranks
    return unit if once else unit * max(1, round(DEFAULT_TOKENS_PER_STEP / case.sequence_length / unit))


def _power_of_two(x: float) -> int:
    return int(2 ** max(0, round(math.log2(max(x, 1.0)))))


def _largest_that_fits(case: Case, per_rank: int, *, in_backward: bool, free: bool) -> int:
    """The largest power of two whose peak, with what lies beside it, is within the card."""
    if in_backward and not free:
        return per_rank
    case = _judged_as(case)
    sizes: list[int] = [2**i for i in range(per_rank.bit_length()) if per_rank % 2**i == 0]
    beside = sum(o.size.si[1] for o in overheads(case.hardware, case.devices, case.runtime.framework))
    room = usable_bytes(case.hardware)[0] - beside
    whole = sizes if in_backward else [m for m in sizes if m == per_rank]  # keep no gradients of earlier micro-batches
    several = [m for m in sizes if m not in whole]
    for group, micro_batches in ((whole, 1), (several, 2)):
        peaks = zip(group, _peaks(case, group, micro_batches), strict=True)
        fitting = [m for m, peak in peaks if peak <= room]
        if fitting:
            return fitting[-1]
    return 1


def _judged_as(case: Case) -> Case:
    """The case, or the same in eager code where the memory of compiled code is not modelled for it."""
    if case.runtime.mode == "eager":
        return case
    one = _with(case, micro_batch_size=1, global_batch_size=case.ranks)
    return case if refusal(one) is None else attrs.evolve(case, runtime=case.runtime.evolve(mode="eager"))


def _peaks(case: Case, sizes: list[int], micro_batches: int) -> list[float]:
    """The peak at some micro-batch *sizes* in steps of so many micro-batches: one evaluation, many sizes."""
    if sizes[:1] == [1] and case.runtime.attention == "eager":  # a structure of its own
        return [*_peaks_of_one_structure(case, [1], micro_batches), *_peaks(case, sizes[1:], micro_batches)]
    return _peaks_of_one_structure(case, sizes, micro_batches) if sizes else []


def _peaks_of_one_structure(case: Case, sizes: list[int], micro_batches: int) -> list[float]:
    job = _with(case, micro_batch_size=sizes[0], global_batch_size=sizes[0] * case.ranks * micro_batches)
    return [*peaks_at(job, (m * case.sequence_length / case.parallelism.context for m in sizes))]


def _with(case: Case, **changes: Any) -> Case:
    training = attrs.evolve(case.training, **changes)  # type: ignore[misc]  # mypy does not know that every noun is an attrs class
    return attrs.evolve(case, training=training)


def _note(knob: str, value: str, why: str) -> Assumption:
    return Assumption(knob=knob, value=value, why=why)
