"""Messages between devices: rings inside a node and across nodes, with a bus that small messages do not fill."""

import attrs
import numpy as np

from llmplan.costs.constants import Array

# Steps of a ring over a group, as shares of group - 1, and with them the traffic that passes each device.
PASSES = {
    "all_reduce": 2.0,
    "all_gather": 1.0,
    "reduce_scatter": 1.0,
    "all_to_all": 1.0,
    "broadcast": 1.0,
    "send_receive": 2.0,
}


@attrs.frozen(kw_only=True, eq=False)
class Links:
    """
    The links of a machine as its collectives find them, one value a draw.

    Attributes:
        per_node: Devices in a node.
        inner: Bandwidth of a device inside its node, one direction, as a group of two sustains it. [byte/s]
        inner_many: The same for larger groups; lower than *inner* where the devices share one bus. [byte/s]
        outer: Bandwidth of a device to other nodes, one direction; 0 where there are none. [byte/s]
        start: Of a collective. [s]
        hop: Of a step to a neighbour inside the node. [s]
        outer_hop: Of a step to another node. [s]
        ramp: What small messages lack in bandwidth, in seconds for the square root of a byte. [s/byte**0.5]
    """

    per_node: float
    inner: Array
    inner_many: Array
    outer: Array
    start: Array
    hop: Array
    outer_hop: Array
    ramp: Array


def collective_seconds(*, passes: Array, payload: Array, group: Array, stride: Array, launches: Array, links: Links) -> Array:
    r"""
    Time of collectives over a group of devices, none of it hidden.

    .. math::

        t = n\,(\alpha + p\,h) + \frac{V}{B} + c \sqrt{n V}, \qquad V = p\,\frac{g - 1}{g}\,M

    A ring passes V bytes through every device (p = 2 for an all-reduce, 1 for its halves). Inside a node it takes
    g - 1 steps a pass; across nodes rings are joined by trees, so that steps to other nodes grow with the logarithm of
    their number. The bus is as fast as its slowest part: the link inside a node, or the adapters of all members in a
    node together. A message has to be large to fill it; the square root says how large, and fits NVLink of three
    generations with one constant. A group of one costs nothing.

    Args:
        passes: :math:`p`, of :data:`PASSES`.

        payload: :math:`M`, bytes of the whole tensor. [byte]

        group: :math:`g`, devices that take part.

        stride: How many devices apart the members stand: 1 where they are neighbours, 8 where tensor parallelism over 8
            devices lies between them. It decides how many members share a node.

        launches: :math:`n`, messages that the payload is cut into.

        links: The machine's links.

    Returns:
        Seconds.

    Example:
        2 GiB of gradients summed over eight devices that sustain 330 GB/s each.

        >>> links = Links(per_node=8.0, inner=330e9, inner_many=330e9, outer=0.0, start=8e-6, hop=0.7e-6,
        ...               outer_hop=0.0, ramp=5.2e-9)
        >>> t = collective_seconds(passes=2.0, payload=2.0**31, group=8.0, stride=1.0, launches=1.0, links=links)
        >>> round(float(1e3 * t), 2)
        11.73

    References:
        .. [1] P. Patarasuk, X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations," Journal of
           Parallel and Distributed Computing 69 (2009).

    .. versionadded:: 0.1.0
    """
    together = np.minimum(group, np.maximum(1.0, links.per_node / stride))
    nodes = group / together
    volume = passes * payload * (group - 1.0) / group
    inner = np.where(together > _PAIR, links.inner_many, links.inner)
    # A ring across nodes leaves through every member's adapter; an exchange of all with all does too.
    bus = np.where(nodes > 1.0, np.minimum(np.where(together > 1.0, inner, np.inf), together * links.outer), inner)
    hops = passes * ((together - 1.0) * links.hop + np.log2(nodes) * links.outer_hop)
    # A group of one sends nothing, over links that there need not be.
    moved = volume / np.where(group > 1.0, bus, 1.0)
    time = launches * (links.start + hops) + moved + links.ramp * np.sqrt(launches * volume)
    return np.where(group > 1.0, time, 0.0)


_PAIR = 2.0
