"""The kit finds the slips that datasheets invite, and passes every card of ours."""

from typing import Any

import pytest

from llmplan.registry import hardwares
from llmplan.testing import HardwareTests, NounTests, check_bandwidth, check_peaks

CARD = hardwares["h100-sxm"]
CHECKS = [name for name in dir(HardwareTests) if name.startswith("test_")]


@pytest.mark.parametrize("name", hardwares)
@pytest.mark.parametrize("check", CHECKS)
def test_every_card_of_ours_passes(name: str, check: str) -> None:
    """Each check of the kit holds for each built-in card."""
    kit = type("Kit", (HardwareTests,), {"name": name})()
    getattr(kit, check)()


@pytest.mark.parametrize(("key", "rate"), [("bf16/fp32", "1979 TFLOPS"), ("fp8/fp32", "3958 TFLOPS"), ("fp16/fp32", "1979 TFLOPS")])
def test_a_sparse_peak_among_dense_ones_is_found(key: str, rate: str) -> None:
    """NVIDIA prints the H100's peaks "with sparsity": twice what they are."""
    with pytest.raises(AssertionError, match="structured sparsity"):
        check_peaks(CARD.evolve(peak_flops={**CARD.peak_flops, key: rate}))


def test_peaks_that_are_all_sparse_are_found_where_the_family_is_known() -> None:
    """A multiprocessor cannot do twice what its whitepaper says a clock."""
    doubled = {key: f"{2 * rate.si} FLOPS" for key, rate in CARD.peak_flops.items()}
    with pytest.raises(AssertionError, match="Hopper does at most 4096"):
        check_peaks(CARD.evolve(peak_flops=doubled))


@pytest.mark.parametrize("bandwidth", ["33.5 TB/s", "335 GB/s", "3.35 GB/s"])
def test_a_bandwidth_that_the_memory_cannot_have_is_found(bandwidth: str) -> None:
    """A slip of the decimal point is outside what HBM3 can be."""
    with pytest.raises(AssertionError, match="HBM3 of"):
        check_bandwidth(CARD.evolve(memory_bandwidth=bandwidth))


def test_a_memory_type_that_is_not_known_says_nothing() -> None:
    """What the kit does not know it does not refuse."""
    check_bandwidth(CARD.evolve(memory_type="HBM9", memory_bandwidth="335 TB/s"))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"memory_usable": "60 GB"}, "test_memory_is_mostly_usable"),
        ({"memory_bandwidth": "3.35 PB/s"}, "test_peaks_and_bandwidth_belong_together"),
        ({"peak_flops": {}}, "test_some_peak_is_known"),
        ({"name": "other"}, "test_item_has_its_own_name"),
    ],
)
def test_what_is_wrong_fails_its_check(changes: dict[str, Any], check: str) -> None:
    """A card with one slip fails the check that looks for it."""
    kit = type("Kit", (HardwareTests,), {"name": "h100-sxm", "item": CARD.evolve(**changes)})()
    with pytest.raises(AssertionError):
        getattr(kit, check)()


def test_other_kinds_have_the_checks_that_all_share() -> None:
    """An author of a tariff or a model sets ``kind`` and ``name``."""
    kit = type("Kit", (NounTests,), {"kind": "model", "name": "gpt2"})()
    for check in (name for name in dir(NounTests) if name.startswith("test_")):
        getattr(kit, check)()


def test_a_name_that_nobody_offers_says_so() -> None:
    """The first thing that goes wrong for an author is that the package is not installed."""
    kit = type("Kit", (HardwareTests,), {"name": "not-there"})()
    with pytest.raises(AssertionError, match="is yours installed"):
        kit.test_name_is_offered_by_one_package()
