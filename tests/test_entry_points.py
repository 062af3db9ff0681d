"""Every entry point of the core, and every item of its catalogues, is loaded: a name that only looks right is none."""

import pytest

import llmplan.errors
from llmplan.registry import REGISTRIES, Registry

OFFERS = [
    pytest.param(kind, offer.name, id=f"{kind}/{offer.name}")
    for kind, registry in REGISTRIES.items()
    for offer in registry.offers()
    if offer.origin.package == "llmplan"
]


@pytest.mark.parametrize(("kind", "name"), OFFERS)
def test_what_is_offered_loads_under_its_own_name(kind: str, name: str) -> None:
    """An item loads, is of its kind, and calls itself by the name that one asks for."""
    registry = REGISTRIES[kind]
    if name in registry.families:
        assert name not in registry.failures()
        return
    item = registry[name]
    assert isinstance(item, registry.cls)
    assert item.name == name


@pytest.mark.parametrize("kind", REGISTRIES)
def test_nothing_of_ours_is_broken(kind: str) -> None:
    """No entry point is without effect: a catalogue that is empty or a folder that was moved would be seen here."""
    registry = REGISTRIES[kind]
    ours = {name: str(error) for name, error in registry.failures().items() if "llmplan" in error.package.split(", ")}
    assert ours == {}
    assert len(registry) > 0


def test_no_machine_and_no_hardware_share_a_name() -> None:
    """A text such as "rtx-4070" stands for one thing, a machine or the hardware that a default host is given."""
    assert not set(REGISTRIES["machine"]) & set(REGISTRIES["hardware"])


def test_a_machine_has_hardware_that_is_known() -> None:
    """What a machine's file names is in the registry of hardware."""
    for name, machine in REGISTRIES["machine"].usable().items():
        assert machine.hardware in REGISTRIES["hardware"], name


@pytest.mark.parametrize(("kind", "pattern"), [(kind, p) for kind, r in REGISTRIES.items() for p in r.families])
def test_a_family_resolves_or_refuses(kind: str, pattern: str) -> None:
    """Of the first numbers, each gives an item or an answer that says why there is none; some give one."""
    registry: Registry[object] = REGISTRIES[kind]
    made = 0
    for number in range(1, 40):
        name = pattern.split("{", 1)[0] + str(number) + pattern.rsplit("}", 1)[-1]
        try:
            made += registry[name] is not None
        except (llmplan.errors.JobError, llmplan.errors.SpecError, llmplan.errors.UnknownNameError):
            continue
    assert made
