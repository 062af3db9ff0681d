"""Electric power while a step runs."""

from typing import TYPE_CHECKING

import numpy as np

from llmplan.costs.constants import Array, Constants, along
from llmplan.costs.rates import base_power, device, flops_per_watt
from llmplan.nouns.hardware import Hardware

if TYPE_CHECKING:
    from llmplan.costs.step import StepTime


def average_power(step: "StepTime", hardware: Hardware, constants: Constants, *, power_limit: float | None = None) -> Array:
    """
    Average power of one accelerator's board over a *step*, one value a draw. [W]

    Args:
        step: The step, as :func:`llmplan.costs.step.price` gives it.

        hardware: The accelerator.

        constants: Draws of the calibrated constants, the same that the step was priced with.

        power_limit: Set below the hardware's own. [W]

    Returns:
        Watts: the draws, then the sweep.
    """
    dev = device(hardware, power_limit)
    axes = step.draws.ndim - 1
    return board_power(
        flops_per_second=step.flops / step.draws,
        bytes_per_second=step.bytes / step.draws,
        busy=step.busy / step.quiet,
        flops_per_joule=along(flops_per_watt(dev, constants), axes),
        joules_per_byte=along(constants[f"power.byte.{dev.memory_class}"], axes),
        active_share=along(constants["power.active"], axes),
        base=along(base_power(dev, constants), axes),
        power_limit=dev.power_limit,
    )


def board_power(
    *,
    flops_per_second: Array,
    bytes_per_second: Array,
    busy: Array,
    flops_per_joule: Array,
    joules_per_byte: Array,
    active_share: Array,
    base: Array,
    power_limit: float,
) -> Array:
    r"""
    Average power of one accelerator's board in training. [W]

    .. math::

        P = \min\left(P_{base} + a\, u\, P_{limit} + \frac{\dot{F}}{w} + e\,\dot{M},\; P_{limit}\right)

    What is on whenever the device works, the arithmetic and the traffic of its memory add up until the board's limit,
    which firmware keeps. A loop of large products on a consumer card sits at the limit; runs that wait for memory or for
    other devices sit near 0.6 of it.

    Args:
        flops_per_second: :math:`\dot{F}`, average over the step, as 16-bit arithmetic. [FLOP/s]

        bytes_per_second: :math:`\dot{M}`, average traffic of device memory. [byte/s]

        busy: :math:`u`, share of the step in which the device computes.

        flops_per_joule: :math:`w`, what the power-limited rate of large products comes to. [FLOP/J]

        joules_per_byte: :math:`e`, of device memory. [J/byte]

        active_share: :math:`a`, of the limit, drawn by clocks, caches and controllers whenever the device works.

        base: :math:`P_{base}`, of a board that a program holds and does not use. [W]

        power_limit: :math:`P_{limit}`. [W]

    Returns:
        Watts, between the base and the limit.

    Example:
        An H100 at 400 TFLOP/s and 1.2 TB/s.

        >>> p = board_power(flops_per_second=400e12, bytes_per_second=1.2e12, busy=0.95, flops_per_joule=1.35e12,
        ...                 joules_per_byte=60e-12, active_share=0.15, base=75.0, power_limit=700.0)
        >>> round(float(p))
        543

    .. versionadded:: 0.1.0
    """
    work = flops_per_second / flops_per_joule + joules_per_byte * bytes_per_second
    drawn: Array = np.minimum(base + active_share * busy * power_limit + work, power_limit)
    return drawn
