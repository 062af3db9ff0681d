"""Timing: seconds of a step and of the whole run, and the energy that they take."""

import functools
import math
from collections.abc import Mapping
from typing import Final

import attrs
import numpy as np

from llmplan.costs.constants import Array, constants
from llmplan.costs.energy import energy
from llmplan.costs.power import average_power
from llmplan.costs.stacks import Stacks, stacked
from llmplan.costs.step import price
from llmplan.costs.wall import wall_time
from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.work import Work
from llmplan.sources import Source

_JOULES_A_KWH: Final = 3.6e6

#: What supplies lose on the way to a card that has no power of its own at the wall.
SUPPLY_EFFICIENCY: Final = {"desktop": 0.92, "laptop": 0.9, "server": 1.0}
SUPPLY_SOURCE: Final = Source.assumption(
    "a desktop's supply passes on 92 % (one rated unit, The FPS Review 2020-10-22), a laptop's 90 %; a server's loss is in "
    "its host power"
)

#: Device hours between two interruptions, and how long a restart takes: Llama 3 on 16,384 H100 had 419 unexpected
#: interruptions in 54 days (arXiv 2407.21783, section 3.3.4), 16,384 x 54 x 24 / 419; ten minutes are an assumption.
_DEVICE_HOURS_BETWEEN_FAILURES: Final = 16384 * 54 * 24 / 419
_RESTART_SECONDS: Final = 600.0
FAILURES_SOURCE: Final = Source(
    kind="paper",
    title="The Llama 3 Herd of Models, section 3.3.4",
    url="https://arxiv.org/abs/2407.21783",
    accessed="2026-11-24",
    note="419 unexpected interruptions of 16,384 H100 in 54 days; a restart of ten minutes is an assumption",
)
#: Bytes of a checkpoint file for each parameter: weights and two states in FP32.
_CHECKPOINT_BYTES_A_PARAMETER: Final = 12.0


@attrs.frozen(kw_only=True, eq=False)
class Timing:
    """
    Time and power of a run; arrays have one value for each draw of the constants.

    Attributes:
        steps: Optimizer steps of the run.
        step: Seconds of one. [s]
        total: Wall clock of the run. [s]
        terms: Likely seconds of a step by what they go to; they sum to the likely step. [s]
        bound_by: What most of a step waits for.
        conditions: Which term for unstated conditions is in the interval.
        tokens_per_second: Of all devices.
        mfu, hfu: Arithmetic of the model, and of model and recomputation, over the dense peak in the compute format.
        board_power: Of one accelerator, average. [W]
        host_power: Of all nodes without accelerators. [W]
        device_kwh, host_kwh, site_kwh: Of the run: all accelerators, all hosts, what the meter counts. [kWh]
    """

    steps: int
    step: Array
    total: Array
    terms: Mapping[str, float]
    bound_by: str
    conditions: str
    tokens_per_second: Array
    mfu: Array
    hfu: Array
    board_power: Array
    host_power: float
    device_kwh: Array
    host_kwh: Array
    site_kwh: Array


@functools.lru_cache(maxsize=256)
def _stacked(work: Work) -> Stacks:
    """Kernels side by side: once for all cards."""
    return stacked(work.phases)


def timing(case: Case, work: Work, parameters: float) -> Timing:
    """
    Time and energy of a *case* with its *work*.

    Args:
        case: The job.
        work: Its kernels.
        parameters: Of the model, for checkpoint files.

    Raises:
        UnsupportedError: A rate or a link that the step needs is not known.
    """
    p = case.parallelism
    if p.context > 1 or p.expert > 1:
        raise UnsupportedError(
            "the time of a step whose sequences or experts are shared out",
            "no run of that kind has calibrated it; its memory is answered by llmplan.evaluating.memory",
        )
    drawn = constants(case.calibration)
    step = price(
        _stacked(work),
        hardware=case.hardware,
        machine=case.machine,
        runtime=case.runtime,
        constants=drawn,
        micro_batches=float(case.micro_batches),
        stride=float(p.tensor),
        stages=float(p.pipeline),
        virtual_stages=float(p.virtual_stages),
        # Runs with adapters are better described than others, on servers; a desktop's conditions stay unsaid.
        conditions="adapter" if case.training.adapter and case.hardware.kind == "server" else None,
    )
    steps = max(1, math.ceil(case.training.tokens / case.tokens_per_step))
    total = _wall(case, steps, step.draws, parameters)
    peak = case.hardware.peak(_computed_in(case)).si
    board = average_power(step, case.hardware, drawn)
    host = case.machine.host_power.si if case.machine.host_power else 0.0
    used = energy(
        seconds=total,
        board_power=board,
        boards=np.asarray(float(case.machine.count)),
        host_power=np.asarray(host),
        nodes=np.asarray(float(case.machine.nodes)),
        supply_efficiency=np.asarray(SUPPLY_EFFICIENCY[case.machine.kind]),
        pue=np.asarray(case.site.pue if case.site else 1.0),
    )
    return Timing(
        steps=steps,
        step=step.draws,
        total=total,
        terms={name: float(value) for name, value in step.terms.items()},
        bound_by=str(step.bound_by),
        conditions=step.conditions,
        tokens_per_second=case.tokens_per_step / step.draws,
        mfu=work.model_flops / (step.draws * peak),
        hfu=work.hardware_flops / (step.draws * peak),
        board_power=board,
        host_power=host * case.machine.nodes,
        device_kwh=used.device / _JOULES_A_KWH,
        host_kwh=used.host / _JOULES_A_KWH,
        site_kwh=used.site / _JOULES_A_KWH,
    )


def _computed_in(case: Case) -> str:
    """The format whose peak utilisation is measured against."""
    return case.precision.compute


def _wall(case: Case, steps: int, step: Array, parameters: float) -> Array:
    """Wall clock with checkpoint files and failures, where the machine's disk is known; steps alone where not."""
    disk = case.machine.disk_bandwidth
    if disk is None:
        return steps * step
    return wall_time(
        steps=np.asarray(float(steps)),
        step_seconds=step,
        devices=np.asarray(float(case.machine.count)),
        device_hours_between_failures=np.asarray(_DEVICE_HOURS_BETWEEN_FAILURES),
        checkpoint_seconds=np.asarray(_CHECKPOINT_BYTES_A_PARAMETER * parameters / disk.si),
        restart_seconds=np.asarray(_RESTART_SECONDS),
    ).total


def quantiles(draws: Array) -> tuple[float, float, float]:
    """Low, likely and high: the 5th, 50th and 95th percentile."""
    low, likely, high = np.quantile(draws, (0.05, 0.5, 0.95))
    return float(low), float(likely), float(high)
