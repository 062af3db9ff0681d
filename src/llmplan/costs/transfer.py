"""Copies between a device and its host."""

from llmplan.costs.constants import Array


def transfer_seconds(*, payload: Array, launches: Array, bandwidth: Array, start: Array) -> Array:
    r"""
    Time of copies over the host link, one way, from pinned memory.

    .. math:: t = n\, t_0 + M / B

    Args:
        payload: :math:`M`, bytes of all copies. [byte]

        launches: :math:`n`, copies.

        bandwidth: :math:`B`, a share of the link's one direction. [byte/s]

        start: :math:`t_0`, of a copy. [s]

    Returns:
        Seconds.

    Example:
        4 GB of optimizer states over PCIe 4.0 x16 at 25 GB/s.

        >>> transfer_seconds(payload=4e9, launches=1.0, bandwidth=25e9, start=1e-5)
        0.16001

    .. versionadded:: 0.1.0
    """
    return launches * start + payload / bandwidth
