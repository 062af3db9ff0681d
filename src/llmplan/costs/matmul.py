"""Matrix products: a roofline with a tail of tiles."""

import numpy as np

from llmplan.costs.constants import Array


def matmul_seconds(
    *,
    m: Array,
    n: Array,
    k: Array,
    batch: Array,
    traffic: Array,
    rate: Array,
    bandwidth: Array,
    units: float,
    depth: Array,
    tail: Array,
    start: Array,
) -> Array:
    r"""
    Time of one launch of ``batch`` products C[m, n] = A[m, k] B[k, n].

    .. math::

        t = t_0 + \sqrt{\left(\frac{2\,(m n\, b + q\, u\, a^2)\,(k + k_0)}{R}\right)^2 + \left(\frac{M}{B}\right)^2}

    The first term under the root is arithmetic, the second traffic; near the ridge of the roofline both cost. Work is
    dealt out in tiles of :math:`a \times a = 128 \times 128`, one to each of u units at a time, and the last round is
    not full: q rounds are added. :math:`k_0` is the way a tile's pipeline goes to fill and to drain.

    Args:
        m, n, k, batch: Shape; :math:`b` is the batch.

        traffic: :math:`M`, bytes of the factors read and of the product written. [byte]

        rate: :math:`R`, sustained on large products. [FLOP/s]

        bandwidth: :math:`B`, sustained by such kernels. [byte/s]

        units: :math:`u`, multiprocessors; 0 where not known, which leaves the tail out.

        depth: :math:`k_0`, elements.

        tail: :math:`q`, rounds.

        start: :math:`t_0`, from launch on the device to the first tile. [s]

    Returns:
        Seconds, in the shape that the arguments broadcast to.

    Example:
        A product of 4,096 x 4,096 x 4,096 on an H100 that sustains 800 TFLOP/s.

        >>> t = matmul_seconds(m=4096.0, n=4096.0, k=4096.0, batch=1.0, traffic=3 * 2 * 4096.0**2, rate=800e12,
        ...                    bandwidth=3e12, units=132.0, depth=64.0, tail=0.1, start=3e-6)
        >>> round(float(1e6 * t), 1)
        182.9

    .. versionadded:: 0.1.0
    """
    cells = m * n * batch + tail * (units * _TILE * _TILE)
    arithmetic = 2.0 * cells * (k + depth) / rate
    moved = traffic / bandwidth
    result: Array = start + np.sqrt(arithmetic * arithmetic + moved * moved)
    return result


_TILE = 128.0
