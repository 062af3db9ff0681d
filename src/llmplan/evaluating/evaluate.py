"""evaluate(): complete nouns in, every answer out. No defaults, no names, no search."""

import attrs

from llmplan.errors import SpecError
from llmplan.evaluating.case import Case
from llmplan.evaluating.fitting import Fit, fit
from llmplan.evaluating.memory import Memory, memory, refusal
from llmplan.evaluating.money import Carbon, Cost, cost, emissions
from llmplan.evaluating.overheads import Overhead, overheads
from llmplan.evaluating.parameters import Parameters, parameters
from llmplan.evaluating.timing import Timing, timing
from llmplan.evaluating.work import Work, work


@attrs.frozen(kw_only=True, eq=False)
class Answers:
    """
    All that is said about one case.

    Attributes:
        parameters: Of the model, by role.
        memory: Of one rank, or None where that of compiled code is not modelled.
        overheads: What lies beside the tensors.
        fit: Whether it is all there, or None.
        work: Kernels of a step.
        timing: Seconds and energy.
        cost: Bills and rent.
        carbon: What the energy emits, or None.
    """

    parameters: Parameters
    memory: Memory | None
    overheads: tuple[Overhead, ...]
    fit: Fit | None
    work: Work
    timing: Timing
    cost: Cost
    carbon: Carbon | None


def _check_complete(case: object) -> None:
    """No knob may be open: nothing here has a default."""
    if not isinstance(case, Case):
        raise SpecError("evaluate()", (f"expected a Case, got {case!r:.80} @ case",))
    training = case.training
    knobs = {
        "Training.sequence_length": training.sequence_length,
        "Training.micro_batch_size": training.micro_batch_size,
        "Training.global_batch_size": training.global_batch_size,
        "Training.loss": training.loss,
        "Parallelism.data": case.parallelism.data,
    }
    faults = tuple(f"required here, as nothing is completed @ {knob}" for knob, value in knobs.items() if value is None)
    if faults:
        raise SpecError("evaluate()", faults)


def evaluate(case: Case) -> Answers:
    """
    Answer everything about one *case*.

    Raises:
        SpecError: It is no case, or one with open knobs.
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled.
    """
    _check_complete(case)
    unknown = case.runtime.mode == "compiled" and refusal(case) is not None
    held = None if unknown else memory(case)
    beside = tuple(overheads(case.hardware, case.devices, case.runtime.framework))
    counted = parameters(case)
    done = work(case)
    timed = timing(case, done, counted.total)
    return Answers(
        parameters=counted,
        memory=held,
        overheads=beside,
        fit=None if held is None else fit(held, beside, case.hardware),
        work=done,
        timing=timed,
        cost=cost(case, timed),
        carbon=emissions(case, timed),
    )
