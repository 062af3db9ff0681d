"""Scaled dot-product attention in one kernel (FlashAttention and its kin), and with its scores written out."""

import numpy as np

from llmplan.costs.constants import Array, Constants


def attention_seconds(
    *,
    work: Array,
    row_work: Array,
    diagonal_work: Array,
    traffic: Array,
    rate: Array,
    bandwidth: Array,
    units: float,
    tail: Array,
    start: Array,
) -> Array:
    r"""
    Time of one fused attention kernel, forward or backward.

    .. math::

        t = t_0 + \sqrt{\left(\frac{W + W_{diag} + q\, u\, w}{R}\right)^2 + \left(\frac{M}{B}\right)^2}

    Each unit takes blocks of 128 queries through their keys (backward: keys through their queries). Where sequences
    and heads are few, u units wait for the longest block: q of them each are added. Causal kernels work the
    blocks on the diagonal in full and drop half, and each block has a fixed part; that is :math:`W_{diag}`. A pair's
    work is its products and its exponential, which weighs more in narrow heads.

    Args:
        work: :math:`W`, products that count, and exponentials as so many products. [FLOP]

        row_work: :math:`w`, of one block of queries over all keys. [FLOP]

        diagonal_work: :math:`W_{diag}`. [FLOP]

        traffic: :math:`M`. [byte]

        rate: :math:`R`, sustained by long sequences with many heads. [FLOP/s]

        bandwidth: :math:`B`. [byte/s]

        units: :math:`u`, multiprocessors; 0 where not known.

        tail: :math:`q`.

        start: :math:`t_0`. [s]

    Returns:
        Seconds.

    Example:
        Llama-3 8B's attention over 8,192 tokens (32 heads of 128) on an H100: 1.04 ms, 530 TFLOP/s.

        >>> pairs, heads, dims = 8192.0 * 8193 / 2, 32, 256
        >>> t = attention_seconds(work=2 * pairs * heads * dims, row_work=2 * 128 * 8192.0 * dims,
        ...                       diagonal_work=2 * 8192.0 * 400 * heads * dims, traffic=1.7e8, rate=620e12,
        ...                       bandwidth=2.6e12, units=132.0, tail=0.5, start=4e-6)
        >>> round(float(1e3 * t), 2)
        1.04

    References:
        .. [1] T. Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness," 2022.
           arXiv:2205.14135
        .. [2] J. Shah et al., "FlashAttention-3: Fast and Accurate Attention with Asynchrony and Low-precision,"
           2024. arXiv:2407.08608

    .. versionadded:: 0.1.0
    """
    arithmetic = (work + diagonal_work + tail * (units * row_work)) / rate
    moved = traffic / bandwidth
    result: Array = start + np.sqrt(arithmetic * arithmetic + moved * moved)
    return result


def version_share(version: int, architecture: str, constants: Constants) -> Array:
    """
    Rate of a generation of the kernel over the one made for the device's architecture.

    The first two generations were written for Ampere and use none of what Hopper and later brought; on older
    architectures, and on those with the older instructions, they are what there is.
    """
    modern = architecture in _WITH_NEWER_INSTRUCTIONS
    if modern and version in (1, 2):
        return constants[f"attention.version.{version}"]
    if version == 1:
        return constants["attention.version.1-older"]
    return np.ones(constants.count)


BLOCK = 128.0
"""Queries (backward: keys) that one unit takes through a row."""

_WITH_NEWER_INSTRUCTIONS = ("hopper-hbm", "blackwell-hbm", "blackwell-ultra-hbm")
