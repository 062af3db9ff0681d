"""Cards, machines and constants that the tests of costs share."""

from types import SimpleNamespace

import pytest

from llmplan.costs.constants import constants
from llmplan.nouns.interconnect import Interconnect
from llmplan.nouns.machine import Machine
from llmplan.registry import calibrations, hardwares, runtimes
from llmplan.sources import Source, Sourced

MADE_UP = Source(kind="generated", title="a test")


def _machine(card, *, per_node, nodes=1, link=None, fabric=None):
    tiers = {"interconnect": link, "fabric": fabric}
    links = {
        name: Interconnect(name=name, bandwidth=Sourced(f"{rate} GB/s", MADE_UP), switched=True)
        for name, rate in tiers.items()
        if rate is not None
    }
    return Machine(name="machine", hardware=card, gpus_per_node=per_node, nodes=nodes, kind=card.kind, **links)


@pytest.fixture(scope="session")
def world():
    """A desktop card, a server card, and how to put them into machines."""
    calibration = calibrations["default"]
    return SimpleNamespace(
        desktop=hardwares["rtx-4070"],
        server=hardwares["h100-sxm"],
        laptop=hardwares["rtx-4070-laptop"],
        eager=runtimes["pytorch"],
        compiled=runtimes["pytorch-compiled"],
        constants=constants(calibration),
        one=constants(calibration, count=1),
        machine=_machine,
    )
