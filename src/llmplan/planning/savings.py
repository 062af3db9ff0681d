"""What each knob would save: the same job with one thing changed, evaluated anew."""

from collections.abc import Iterator

import attrs

from llmplan.errors import LlmplanError
from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import peak_bytes
from llmplan.nouns.lora import LoRA
from llmplan.nouns.recompute import Recompute
from llmplan.registry import resolve

#: Pieces of a chunked loss that is tried.
_CHUNKS = 8
#: Rank of the adapters that are tried.
_RANK = 16
#: ZeRO's last stage.
_ALL_SHARED = 3


@attrs.frozen(kw_only=True)
class Saving:
    """
    One change, and what it does to the peak.

    Attributes:
        knob: What is changed, as in "Training.recompute".
        before, after: Its value as the job has it, and as it is tried.
        peak: The peak then. [byte]
        saves: By how much that is less; negative where it is more. [byte]
        why_not: Why there is no answer; empty where there is one.
    """

    knob: str
    before: str
    after: str
    peak: float
    saves: float
    why_not: str = ""


def savings(case: Case) -> tuple[Saving, ...]:
    """
    What each knob of a *case* would save, most first; what cannot be said comes last, with its reason.

    Only the knob that is named changes. A change that the job has already is left out.
    """
    now = float(peak_bytes(case))
    tried = [_tried(knob, before, after, changed, now) for knob, before, after, changed in _changes(case)]
    return tuple(sorted(tried, key=lambda s: (s.why_not != "", -s.saves)))


def _tried(knob: str, before: str, after: str, changed: Case, now: float) -> Saving:
    try:
        peak = float(peak_bytes(changed))
    except LlmplanError as error:
        return Saving(knob=knob, before=before, after=after, peak=now, saves=0.0, why_not=str(error))
    return Saving(knob=knob, before=before, after=after, peak=peak, saves=now - peak)


def _changes(case: Case) -> Iterator[tuple[str, str, str, Case]]:
    """Each knob, its value, the value that is tried, and the case with it."""
    yield from _of_batch(case)
    for what in ("attention", "full"):
        if case.recompute.what in ("none", "attention") and case.recompute.what != what:
            yield "Training.recompute", case.recompute.what, what, attrs.evolve(case, recompute=Recompute(what=what))
    if case.training.loss == "plain":
        chunked = case.training.evolve(loss="chunked", loss_chunks=_CHUNKS)
        yield "Training.loss", "plain", f"chunked in {_CHUNKS}", attrs.evolve(case, training=chunked)
    if case.runtime.attention == "eager":
        yield "Runtime.attention", "eager", "flash", attrs.evolve(case, runtime=case.runtime.evolve(attention="flash"))
    yield from _of_optimizer(case)
    if case.precision.name != "bf16":
        yield (
            "precision",
            case.precision.name,
            "bf16",
            attrs.evolve(case, precision=resolve("precision", "bf16"), frozen_format=None),
        )
    if case.training.adapter is None:
        adapted = case.training.evolve(adapter=LoRA(rank=_RANK))
        yield "Training.adapter", "none", f"LoRA of rank {_RANK}", attrs.evolve(case, training=adapted)
    shard = case.parallelism.shard
    for stage in range(shard + 1, _ALL_SHARED + 1) if case.ranks > 1 else ():
        yield "Parallelism.shard", f"{shard}", f"{stage}", attrs.evolve(case, parallelism=case.parallelism.evolve(shard=stage))


def _of_batch(case: Case) -> Iterator[tuple[str, str, str, Case]]:
    """Half the sequences at a time, where they can be halved; the step stays as large."""
    size = case.micro_batch_size
    if size % 2 == 0:
        halved = case.training.evolve(micro_batch_size=size // 2)
        yield "Training.micro_batch_size", f"{size}", f"{size // 2}", attrs.evolve(case, training=halved)


def _of_optimizer(case: Case) -> Iterator[tuple[str, str, str, Case]]:
    now = case.optimizer
    if now.algorithm == "adamw" and now.state_format != "8bit-block":
        yield "Training.optimizer", now.name, "adamw-8bit", attrs.evolve(case, optimizer=resolve("optimizer", "adamw-8bit"))
    if now.states_on == "device" and now.algorithm != "sgd":
        yield "Optimizer.states_on", "device", "host", attrs.evolve(case, optimizer=now.evolve(states_on="host"))
    if now.when == "step" and case.micro_batches == 1 and case.ranks == 1:
        yield "Optimizer.when", "step", "backward", attrs.evolve(case, optimizer=now.evolve(when="backward"))
