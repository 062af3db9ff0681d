"""
Work: the kernels of one training step of one rank, by phase, read off the same program as its memory.

Equal kernels are one entry with a count. Sizes are letters until :func:`work` gives them their values.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from llmplan.evaluating.case import Case
from llmplan.evaluating.setup import Setup, setup_of, sizes_of
from llmplan.evaluating.stages import stages_of
from llmplan.evaluating.tracing import trace
from llmplan.nouns._table import Table
from llmplan.parallel.data import MICRO_BATCHES
from llmplan.program.fusing import Fused, consumers_of, fused
from llmplan.program.kernel import Collective, Kernel, Pointwise, Transfer
from llmplan.program.op import Op, Region, Tensor
from llmplan.program.optimizer import update_bytes
from llmplan.program.size import Evaluator, Number, Size, total
from llmplan.program.stretch import Stretch

PhaseName = Literal["forward", "recompute", "backward", "optimizer", "communication"]

#: An optimizer that runs tensor by tensor launches about this many kernels for each (AdamW, ``foreach=False``).
_LAUNCHES_A_TENSOR = 12.0
#: A fused or foreach optimizer hands its kernels this many tensors at a time (PyTorch's multi_tensor_apply).
_TENSORS_A_LAUNCH = 30.0
#: Where a step goes tensor by tensor; a library's kernel does one tensor.
_LAUNCHES_BY_IMPLEMENTATION = {
    "loop": _LAUNCHES_A_TENSOR,
    "transformers": _LAUNCHES_A_TENSOR,
    "bitsandbytes": 1.0,
    "torchao": 1.0,
}
#: Steps of the Newton-Schulz iteration (``torch.optim.Muon``), each of three products.
_NEWTON_SCHULZ_STEPS = 5.0


@attrs.frozen(kw_only=True)
class Work:
    """
    What one rank does in one step.

    Attributes:
        phases: Kernels and how often each runs, by phase; all micro-batches of the step.
        model_flops: Arithmetic of forward and backward alone, as MFU counts it. [FLOP]
        hardware_flops: The same with what is recomputed, as HFU counts it. [FLOP]
        launches: Kernels launched.
        bytes: Traffic of device memory that the kernels ask for at least. [byte]
    """

    phases: Mapping[str, Sequence[tuple[Kernel, float]]]
    model_flops: float
    hardware_flops: float
    launches: float
    bytes: float


def work(case: Case) -> Work:
    """
    The kernels of one step of one rank.

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled.
    """
    sizes = {**sizes_of(case), str(MICRO_BATCHES): float(case.micro_batches)}
    if case.parallelism.pipeline > 1:
        return _of_stages(case, sizes)
    return _counted(setup_of(case), tuple(sizes.items()))


def _of_stages(case: Case, sizes: Mapping[str, float]) -> Work:
    """The kernels of the stage that works most, and the arithmetic of an average one."""
    stages = [
        [_counted(piece.setup, tuple({**sizes, **dict(piece.repeats)}.items())) for piece in stage.pieces]
        for stage in stages_of(case, every=True)
    ]
    most = max(stages, key=lambda pieces: sum(w.hardware_flops for w in pieces))
    phases: dict[str, tuple[tuple[Kernel, float], ...]] = {
        phase: tuple(kernel for w in most for kernel in w.phases[phase]) for phase in most[0].phases
    }
    everywhere = [w for pieces in stages for w in pieces]
    return Work(
        phases=Table(phases),
        model_flops=sum(w.model_flops for w in everywhere) / len(stages),
        hardware_flops=sum(w.hardware_flops for w in everywhere) / len(stages),
        launches=sum(w.launches for w in most),
        bytes=sum(w.bytes for w in most),
    )


@functools.lru_cache(maxsize=256)
def _counted(setup: Setup, sizes: tuple[tuple[str, float], ...]) -> Work:
    """The work of a structure of these sizes: whatever the card, the site and the tokens of the run."""
    kernels = _prepared(setup)
    phases, totals = kernels.valued(dict(sizes))
    return Work(phases=phases, **totals)


class _Sized:
    """Kernels in letters, ready to be given values, and the totals over all of them."""

    def __init__(self, phases: Mapping[str, Mapping[Kernel, Number]]) -> None:
        self._entries: list[tuple[str, type[Kernel], dict[str, Any], tuple[str, ...]]] = []
        totals = _totals(phases)
        sizes: list[Number] = list(totals.values())
        for phase, kernels in phases.items():
            for kernel, count in kernels.items():
                fields = {f.name: getattr(kernel, f.name) for f in attrs.fields(type(kernel))}
                names = tuple(name for name, value in fields.items() if isinstance(value, Size))
                self._entries.append((phase, type(kernel), fields, names))
                sizes += [count, *(fields[name] for name in names)]
        self._phases, self._totals = tuple(phases), tuple(totals)
        self._evaluator = Evaluator(sizes)

    def valued(self, sizes: Mapping[str, float]) -> tuple[Mapping[str, Sequence[tuple[Kernel, float]]], dict[str, Any]]:
        """The kernels with their sizes' values, and the totals by name."""
        values = iter(self._evaluator(sizes))
        totals = {name: next(values) for name in self._totals}
        found: dict[str, list[tuple[Kernel, float]]] = {phase: [] for phase in self._phases}
        for phase, kind, fields, names in self._entries:
            count = next(values)
            given = {name: next(values) for name in names}
            found[phase].append((kind(**(fields | given)), count))  # type: ignore[arg-type]
        return Table({phase: tuple(kernels) for phase, kernels in found.items()}), totals


def _totals(phases: Mapping[str, Mapping[Kernel, Number]]) -> dict[str, Number]:
    """What :class:`Work` says of all kernels together, in letters."""
    flops = {phase: total(k.flops() * n for k, n in kernels.items()) for phase, kernels in phases.items()}
    entries = [e for kernels in phases.values() for e in kernels.items()]
    model = flops["forward"] + flops["backward"]
    return {
        "model_flops": model,
        "hardware_flops": model + flops["recompute"],
        "launches": total(getattr(k, "launches", 1.0) * n for k, n in entries),
        "bytes": total(k.bytes() * n for k, n in entries if not isinstance(k, (Collective, Transfer))),
    }


@functools.lru_cache(maxsize=4096)
def _prepared(setup: Setup) -> _Sized:
    program = trace(setup.structure).program
    phases: dict[str, dict[Kernel, Number]] = {p: {} for p in ("forward", "recompute", "backward", "optimizer", "communication")}
    consumers = consumers_of([op for s in program.stretches for op in s.operations()])
    for stretch in program.stretches:
        count = MICRO_BATCHES * program.count(stretch)
        launched = _launched(stretch, consumers if setup.compiled else None)
        _gather(phases["forward"], launched.forward, count)
        _gather(phases["recompute"], _recomputed(stretch, consumers if setup.compiled else None), count)
        _gather(phases["backward"], launched.backward, count)
    trained = [(w, n) for w, n in program.weights() if w.weight and w.weight.trainable]
    for kernel, count in _optimizer(setup, trained):
        _gather(phases["optimizer"], [kernel], count)
    messages = setup.data.messages(program, trained) if setup.buffers is None else setup.buffers.messages(trained)
    for kernel, count in messages:
        _gather(phases["communication"], [kernel], count)
    return _Sized(phases)


def _gather(into: dict[Kernel, Number], kernels: Iterable[Kernel], count: Number) -> None:
    for kernel, times in Counter(kernels).items():
        more = float(times) * count
        into[kernel] = into[kernel] + more if kernel in into else more


def _launched(stretch: Stretch, consumers: dict[int, list[Op]] | None) -> Fused:
    """What a stretch launches forward and backward: operation by operation, or merged where it is compiled."""
    ops = stretch.operations()
    once = [op for op in ops if not op.again]
    if consumers is not None:
        return fused(once, consumers)
    return Fused([k for op in once for k in op.forward], [k for op in ops for k in op.backward])


def _recomputed(stretch: Stretch, consumers: dict[int, list[Op]] | None) -> list[Kernel]:
    """What runs a second time: regions, each to the last tensor that is needed."""
    again: list[Op] = []
    for region in stretch.items:
        if not isinstance(region, Region) or region.offloads:
            continue
        stop = region.last_needed()
        for op in region if stop is not None else ():
            if op is stop and not _keeps_its_output(op):
                break
            if not op.saved:
                again.append(op)
            if op is stop:
                break
    if consumers is not None:
        return fused(again, consumers).forward
    return [k for op in again for k in op.forward]


def _keeps_its_output(op: Op) -> bool:
    return any(k is o for o in op.outputs for k in op.keeps)


def _optimizer(setup: Setup, trained: list[tuple[Tensor, Number]]) -> Iterable[tuple[Kernel, Number]]:
    """Traffic of the update, copies of states that live on the host, and Muon's products."""
    share = setup.data.updated_share if setup.buffers is None else setup.buffers.updated_share
    for w, n in trained:
        states = setup.rule.state_bytes(w)
        read, written = update_bytes(w, states)
        launches = _LAUNCHES_BY_IMPLEMENTATION.get(setup.rule.implementation, 1.0 / _TENSORS_A_LAUNCH)
        yield Pointwise(read=read / share, written=written / share, launches=launches, fusible=False), n
        if setup.states_on_host:
            yield Transfer(payload=2.0 * states / share, launches=2.0), n
        for kernel in setup.rule.products(w):
            yield kernel, n * _NEWTON_SCHULZ_STEPS / share
