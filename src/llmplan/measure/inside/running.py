"""Two training steps under the ledger, and what the ledger says of them."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import attrs
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from llmplan.measure.inside.building import built
from llmplan.measure.inside.ledger import Entry, Ledger
from llmplan.measure.inside.optimizers import optimizers, states
from llmplan.measure.report import Measured
from llmplan.measure.settings import PRECISIONS, Settings

_STEPS = 2
_CATEGORIES = ("parameters", "gradients", "optimizer", "activations", "temporary", "other")


def run(asked: Mapping[str, Any], settings: Settings) -> Measured:
    """Measure what is *asked*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with FakeTensorMode(allow_fallback_kernels=False), Ledger("cuda") as ledger:
            model = _steps(asked, settings, ledger)
    parameters = list(model.parameters())
    packages = ("torch", "transformers") if "config" in asked else ("torch",)
    return Measured(
        **_read(ledger),
        num_parameters=sum(p.numel() for p in parameters),
        num_trainable=sum(p.numel() for p in parameters if p.requires_grad),
        versions={name: version(name) for name in packages},
    )


def _steps(asked: Mapping[str, Any], settings: Settings, ledger: Ledger) -> Any:  # noqa: ANN401
    model, loss_of = built(asked, settings, ledger)
    model.train()
    ledger.name(model.buffers(), "other")
    ledger.name(model.parameters(), "parameters")
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    made = optimizers(settings.optimizer, trained)
    for _, parameter in trained:
        parameter.register_post_accumulate_grad_hook(lambda p: ledger.name([p.grad], "gradients"))
    for _ in range(_STEPS):
        for _ in range(settings.micro_batches):
            batch = _micro_batch(loss_of, settings, ledger)
        ledger.begin("optimizer")
        for optimizer in made:
            optimizer.step()
        ledger.name(states(made), "optimizer")
        for optimizer in made:
            optimizer.zero_grad()
        del batch  # a script's variables hold it until the next one
    ledger.begin("end")
    return model


def _micro_batch(loss_of: Any, settings: Settings, ledger: Ledger) -> list[Any]:  # noqa: ANN401
    """One forward and backward; returns the batch, which lives on."""
    ledger.begin("forward")
    shape = settings.micro_batch_size, settings.sequence_length
    batch = [torch.zeros(*shape, dtype=torch.long, device="cuda") for _ in range(2)]
    ledger.name(batch, "other")
    autocast = PRECISIONS[settings.precision][1]
    with torch.autocast("cuda", torch.bfloat16) if autocast else contextlib.nullcontext():
        loss = loss_of(*batch)
    ledger.begin("backward")
    (loss / settings.micro_batches).backward()
    return batch


@attrs.define
class _Moment:
    """A state of the ledger: how much lives, and what."""

    bytes: int = 0
    step: int = 0
    phase: str = "setup"
    operation: str = ""
    index: int = 0


def _read(ledger: Ledger) -> dict[str, Any]:
    """Peaks, what was kept, and what stays, off the log."""
    highest = [_Moment() for _ in range(_STEPS)]
    forward_end = between = 0
    for moment in _moments(ledger):
        if moment.phase == "after forward":
            forward_end = moment.index
        elif moment.phase == "after optimizer":
            between = moment.bytes
        elif moment.phase not in ("setup", "end") and moment.bytes > highest[moment.step].bytes:
            highest[moment.step] = moment
    first, steady = highest
    kept = _live(ledger, forward_end)
    saved = [e for e in kept if _category(e) == "activations"]
    casts = sum(e.bytes for e in saved if e.kind == "cast")
    return {
        "peak": steady.bytes,
        "first_step_peak": first.bytes,
        "phase": "backward" if steady.phase == "recompute" else steady.phase,
        "operation": steady.operation,
        "split": _split(_live(ledger, steady.index + 1)),
        "saved_for_backward": sum(e.bytes for e in saved) - casts,
        "saved_weight_casts": casts,
        "between_steps": between,
    }


def _moments(ledger: Ledger) -> Iterator[_Moment]:
    """The state after each event that adds something, and where a forward or an optimizer's step has ended."""
    live, step, phase = 0, 0, "setup"
    for index, (sign, what) in enumerate(ledger.events):
        if sign == 0:
            if phase in ("forward", "optimizer"):
                yield _Moment(live, step, f"after {phase}", "", index)
            step += phase == "optimizer"
            phase = what
            continue
        live += sign * what.bytes
        if sign > 0:
            yield _Moment(live, min(step, _STEPS - 1), phase, what.operation, index)


def _live(ledger: Ledger, end: int) -> list[Entry]:
    """What lives after the first *end* events."""
    found: dict[int, Entry] = {}
    for sign, what in ledger.events[:end]:
        if sign > 0:
            found[id(what)] = what
        elif sign < 0:
            found.pop(id(what), None)
    return list(found.values())


def _category(entry: Entry) -> str:
    """What a storage is for: an activation is one made in a forward, or in one that runs again, that outlives it."""
    if entry.kind == "cast":
        return "activations"
    if entry.kind:
        return entry.kind
    outlives = entry.died is None or entry.died > entry.stretch
    return "activations" if entry.phase in ("forward", "recompute") and outlives else "temporary"


def _split(entries: list[Entry]) -> dict[str, int]:
    found = dict.fromkeys(_CATEGORIES, 0)
    for entry in entries:
        found[_category(entry)] += entry.bytes
    return found
