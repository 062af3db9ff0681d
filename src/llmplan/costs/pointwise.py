"""Kernels bound by the memory that they touch: sums, casts, norms, softmax, optimizer updates."""

from llmplan.costs.constants import Array


def pointwise_seconds(*, traffic: Array, launches: Array, bandwidth: Array, start: Array) -> Array:
    r"""
    Time of pointwise kernels on the device.

    .. math:: t = n\, t_0 + M / B

    Args:
        traffic: :math:`M`, bytes read and written by all of them. [byte]

        launches: :math:`n`, kernels.

        bandwidth: :math:`B`, sustained: a share of the printed one. [byte/s]

        start: :math:`t_0`, what a kernel takes beside its traffic: ramp, reduction, drain. [s]

    Returns:
        Seconds.

    Example:
        Adding two bf16 tensors of 64 MiB on a card that sustains 400 GB/s.

        >>> t = pointwise_seconds(traffic=3 * 2.0**26, launches=1.0, bandwidth=400e9, start=2.6e-6)
        >>> round(1e6 * t, 1)
        505.9

    .. versionadded:: 0.1.0
    """
    return launches * start + traffic / bandwidth
