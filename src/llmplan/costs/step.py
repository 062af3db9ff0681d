"""
One training step of one rank: its kernels priced all at once, host and device joined, and what hides behind what.

Axes. The first axis of every result is the draw of the constants; the axes after it are the sweep's, as the sizes of
the kernels have them (sizes of several shapes are broadcast as numpy does, last axis to last axis). Inside, the kernels
of a kind are stacked on an axis before both: ``(kernel, draw, sweep...)``.
"""

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from llmplan.costs import kinds
from llmplan.costs.constants import Array, Constants, along
from llmplan.costs.launch import joined, launch_seconds
from llmplan.costs.rates import Rates, device, rates
from llmplan.costs.stacks import Phases, Stacks, Value, stacked
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.machine import Machine
from llmplan.nouns.runtime import Runtime

_COMPUTING = ("forward", "backward", "recompute")


@attrs.frozen(kw_only=True, eq=False)
class StepTime:
    """
    What a training step takes.

    Attributes:
        draws: Seconds of a step, the draws first, then the sweep. [s]
        terms: Likely seconds by what they go to: the phases, and "launch" (the device waits for the host), "exposed"
            (messages inside a pass that nothing hides), "bubble" (stages of a pipeline wait), "fixed" (the loop around
            the step). They sum to the likely step. [s]
        bound_by: What most of the step waits for: "compute", "memory", "communication", "launch", "transfer"; an array
            of such words for a sweep.
        conditions: Which term for unstated conditions the draws contain: "one-node", "several-nodes", "adapter" or
            "consumer".
        flops: 16-bit equivalents of the arithmetic of a step, for power. [FLOP]
        bytes: Traffic of device memory in a step. [byte]
        busy: Seconds of a step in which the device computes, without unstated conditions. [s]
        quiet: Seconds of a step without unstated conditions. [s]
    """

    draws: Array
    terms: Mapping[str, Array]
    bound_by: str | NDArray[np.str_]
    conditions: str
    flops: Array
    bytes: Array
    busy: Array
    quiet: Array

    @property
    def likely(self) -> Array:
        """The median of the draws. [s]"""
        return median(self.draws)


def price(
    phases: Phases | Stacks,
    *,
    hardware: Hardware,
    machine: Machine,
    runtime: Runtime,
    constants: Constants,
    micro_batches: Value = 1.0,
    conditions: str | None = None,
    power_limit: float | None = None,
    stride: Value = 1.0,
    stages: Value = 1.0,
    virtual_stages: Value = 1.0,
) -> StepTime:
    r"""
    Time of one training step of one rank.

    .. math::

        t = \left(\max(t_{exec} + x\,t_{path},\; n\,t_{launch}) \left(1 + \frac{p - 1}{v\,m}\right)
            + \max(t_{opt},\; n_{opt}\,t_{launch}) + t_{exposed} + t_{fixed}\right) \epsilon

    Launches and execution are joined over a micro-batch, which comes to the same as over the m equal ones of a step.
    Collectives inside a pass (tensor parallelism) are on its path and are exposed to a share x. Those of the phase
    "communication" hide behind the computation: sums of gradients, and what else is sent less often than there are
    micro-batches, behind the last micro-batch's backward; gathers and scatters that are sent in each (sharded training)
    behind all of it. Copies to the host inside a pass run beside it. What conditions that a job leaves unsaid
    (power limits, clocks, versions) do to the time is one more factor, a log-normal :math:`\epsilon` around 1; it makes no
    step faster than its arithmetic at the rate of the best kernels.

    Args:
        phases: The kernels of one step of one rank and how often each runs, by phase: "forward", "backward",
            "recompute" (all micro-batches of the step), "optimizer", "communication". Or the same stacked, with as many
            axes as the sweep has, where they are priced more than once.

        hardware: The accelerator.

        machine: How many there are and what connects them.

        runtime: Whose launches they are (``framework``), and ``mode``.

        constants: Draws of the calibrated constants.

        micro_batches: :math:`m`, of a step.

        conditions: Which unstated conditions: "one-node", "several-nodes", "adapter" (LoRA), "consumer". Where left
            out it follows from hardware and machine.

        power_limit: Set below the hardware's own. [W]

        stride: How many devices apart the members of a group in "communication" stand: the degree of what lies between
            them, as tensor parallelism does. Groups inside a pass are neighbours.

        stages: :math:`p`, of a pipeline.

        virtual_stages: :math:`v`, interleaved stages on each device.

    Returns:
        Seconds, with their terms.

    Raises:
        UnsupportedError: A rate or a link that the step needs is not known.

        JobError: A phase that does not exist, or a group of more devices than the machine has.
    """
    found = _Step(phases, rates(device(hardware, power_limit), constants), machine, runtime)
    return found.time(
        micro_batches=np.asarray(micro_batches, dtype=np.float64),
        stride=np.asarray(stride, dtype=np.float64),
        bubble=(np.asarray(stages) - 1.0) / (np.asarray(virtual_stages) * np.asarray(micro_batches)),
        conditions=conditions or conditions_of(hardware, machine),
    )


def conditions_of(hardware: Hardware, machine: Machine) -> str:
    """Which unstated conditions a job on *machine* has: consumer cards leave most unsaid, clusters least."""
    if hardware.kind != "server":
        return "consumer"
    return "several-nodes" if machine.nodes > 1 else "one-node"


class _Step:
    """A step while it is being priced."""

    def __init__(self, phases: Phases | Stacks, found: Rates, machine: Machine, runtime: Runtime) -> None:
        self.rates = found
        self.machine = machine
        self.runtime = runtime
        self.phases = phases

    def time(self, *, micro_batches: Array, stride: Array, bubble: Array, conditions: str) -> StepTime:
        """All of it, put together."""
        sweep = max(micro_batches.ndim, stride.ndim, bubble.ndim)
        stacks = self.phases if isinstance(self.phases, Stacks) else stacked(self.phases, axes=sweep)
        axes = stacks.axes
        nothing = np.zeros((1,) * (1 + axes))
        found = self.rates
        compute = kinds.added(kinds.matmuls(stacks.matmuls, found), kinds.attentions(stacks.attentions, found))
        memory = kinds.pointwise(stacks.pointwise, found, self.runtime.mode)
        copies = kinds.transfers(stacks.transfers, found)
        sent = kinds.messages(stacks.collectives, found, self.machine, micro_batches=micro_batches, stride=stride, nothing=nothing)
        launches = kinds.launches(stacks)
        per_launch = along(launch_seconds(self.runtime.framework, self.runtime.mode, found.constants), axes)

        on_device = {p: _of(compute, p, nothing) + _of(memory, p, nothing) for p in (*_COMPUTING, "optimizer")}
        passes = sum((on_device[p] for p in _COMPUTING), nothing)
        copied = np.maximum(0.0, sum((_of(copies, p, nothing) for p in _COMPUTING), nothing) - passes)
        exposed = np.minimum(1.0, self._constant("exposed.path", axes)) * sent.path + copied
        launched = sum((_of(launches, p, nothing) for p in _COMPUTING), nothing)
        waits = np.maximum(0.0, joined(passes + exposed, launched, per_launch) - passes - exposed)
        last = (on_device["backward"] + on_device["recompute"]) / micro_batches
        unhidden = self._unhidden(sent.once, last, axes) + self._unhidden(sent.repeated, passes, axes)
        optimizer = on_device["optimizer"] + _of(copies, "optimizer", nothing)
        late = joined(optimizer, _of(launches, "optimizer", nothing), per_launch) - optimizer
        fixed = found.constants.first(f"step.fixed.{self.runtime.framework}", "step.fixed")

        terms = {
            **{p: on_device[p] for p in _COMPUTING},
            "optimizer": optimizer,
            "communication": unhidden,
            "exposed": exposed,
            "launch": waits + late,
            "bubble": (passes + exposed + waits) * bubble,
            "fixed": along(fixed, axes),
        }
        bounds = {
            "compute": sum(compute.values(), nothing),
            "memory": sum(memory.values(), nothing),
            "communication": unhidden + exposed - copied,
            "launch": terms["launch"],
            "transfer": copied + _of(copies, "optimizer", nothing),
        }
        quiet = sum(terms.values(), nothing)
        flops = kinds.arithmetic(stacks, found, nothing)
        # Unsaid conditions may be kinder than usual, but no run is faster than its arithmetic at the best kernels' rate.
        least = flops / along(found.ceiling, axes)
        draws = np.maximum(quiet * self._constant(f"conditions.{conditions}", axes), least)
        return StepTime(
            draws=draws,
            terms=_shares(terms, quiet, draws),
            bound_by=_largest(bounds, quiet),
            conditions=conditions,
            flops=flops,
            bytes=kinds.traffic(stacks, nothing),
            busy=passes + on_device["optimizer"],
            quiet=quiet,
        )

    def _constant(self, name: str, axes: int) -> Array:
        return kinds.constant(self.rates, name, axes)

    def _unhidden(self, messages: Array, window: Array, axes: int) -> Array:
        """What is left of messages that run beside a computation of *window* seconds: a floor is never hidden."""
        hidden = self._constant("exposed.overlap", axes) * window
        floor = np.minimum(1.0, self._constant("exposed.floor", axes))
        return np.maximum(messages - hidden, floor * messages)


def _of(sums: Mapping[str, Array], phase: str, nothing: Array) -> Array:
    return sums.get(phase, nothing)


def _shares(terms: Mapping[str, Array], quiet: Array, draws: Array) -> dict[str, Array]:
    """The likely step, dealt out to its terms as they stand to each other on average."""
    shares = (_rows(terms, quiet) / quiet).mean(axis=1)
    return dict(zip(terms, median(draws) * shares, strict=True))


def _largest(bounds: Mapping[str, Array], quiet: Array) -> str | NDArray[np.str_]:
    """The name of the largest, one for each place of the sweep."""
    winners = _rows(bounds, quiet).mean(axis=1).argmax(axis=0)
    names = np.array(list(bounds))[winners]
    return names if quiet.ndim > 1 else str(names)


def _rows(parts: Mapping[str, Array], quiet: Array) -> Array:
    """Parts of a step side by side, in its shape."""
    rows = np.empty((len(parts), *quiet.shape))
    for row, part in zip(rows, parts.values(), strict=True):
        row[...] = part
    return rows


def median(draws: Array) -> Array:
    """The median of draws, along their axis, the first."""
    ranked = np.sort(draws, axis=0)
    middle = len(ranked) // 2
    odd: Array = ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2.0
    return odd
