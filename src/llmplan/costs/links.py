"""The links of a machine, in the numbers that collectives and copies need."""

from functools import lru_cache

import numpy as np

from llmplan.costs.collectives import Links
from llmplan.costs.constants import Array, Constants
from llmplan.costs.rates import Device
from llmplan.errors import UnsupportedError
from llmplan.nouns.machine import Machine


@lru_cache(maxsize=1024)
def links(machine: Machine, dev: Device, constants: Constants) -> Links:
    """
    What collectives on *machine* sustain.

    A machine that names no interconnect has its devices' own links: NVLink through a switch where they have it (servers),
    else the host's bus.

    Raises:
        UnsupportedError: Several devices and nothing known of what connects them.
    """
    inner, inner_many = _inside(machine, dev, constants)
    return Links(
        per_node=float(machine.gpus_per_node),
        inner=inner,
        inner_many=inner_many,
        outer=_between(machine, constants),
        start=constants["collective.start"],
        hop=constants["collective.hop"],
        outer_hop=constants["collective.fabric-hop"],
        ramp=constants["collective.ramp"],
    )


def _inside(machine: Machine, dev: Device, constants: Constants) -> tuple[Array, Array]:
    """Bandwidth of a device to its neighbours in the node: in a pair, and in larger groups."""
    nothing = np.zeros(constants.count)
    if machine.gpus_per_node == 1:
        return nothing, nothing
    given = machine.interconnect
    switched = given.switched if given else dev.link is not None and dev.kind == "server"
    bandwidth = given.bandwidth.si if given else dev.link if switched else dev.host_link
    if bandwidth is None:
        raise UnsupportedError(
            f"messages between the accelerators of {machine.name}",
            f"neither the machine's interconnect nor a link of {dev.name} is known",
        )
    if switched:
        plateau = bandwidth * constants["collective.switched"]
        return plateau, plateau
    return bandwidth * constants["collective.bus-pair"], bandwidth * constants["collective.bus"]


def _between(machine: Machine, constants: Constants) -> Array:
    """Bandwidth of a device to other nodes."""
    if machine.nodes == 1:
        return np.zeros(constants.count)
    if machine.fabric is None:
        raise UnsupportedError(f"messages between the nodes of {machine.name}", "its fabric is not known")
    return machine.fabric.bandwidth.si * constants["collective.fabric"]


def host_link(dev: Device, constants: Constants) -> Array:
    """
    Bandwidth of copies between a device and its host, one way. [byte/s]

    Raises:
        UnsupportedError: The device's host link is not known.
    """
    if dev.host_link is None:
        raise UnsupportedError(f"copies between {dev.name} and its host", "its PCIe bandwidth is not known")
    return dev.host_link * constants["transfer.bandwidth"]
