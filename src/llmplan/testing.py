"""
The kit for authors of plugins: test classes that look an item up by its name and check it.

A plugin's whole test file is three lines::

    from llmplan.testing import HardwareTests

    class TestMyCard(HardwareTests):
        name = "my-card"

The item is asked for by name, so that the entry point is tested too. Every assertion says what is wrong and what was
expected. pytest collects the classes; nothing here imports it.
"""

import pickle
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import attrs

from llmplan.nouns.hardware import Hardware
from llmplan.reading import read, write
from llmplan.registry import REGISTRIES
from llmplan.sources import Sourced

__all__ = ["HardwareTests", "NounTests"]

_DOCUMENTS = {"datasheet", "paper", "official", "secondary"}


class NounTests:
    """
    What holds for every item of every kind: it is found, loads, is what it says, and survives being written down.

    Attributes:
        kind: the registry: ``"hardware"``, ``"model"``, ...

        name: the item's name.

    .. versionadded:: 0.1.0
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""

    @property
    def item(self) -> Any:  # noqa: ANN401  a noun of any kind
        """The item, asked for as a user would."""
        return REGISTRIES[self.kind][self.name]

    def test_name_is_offered_by_one_package(self) -> None:
        """The name stands in the registry, and one installed package offers it."""
        registry = REGISTRIES[self.kind]
        _require(self.name in registry, f"no installed package offers the {self.kind} {self.name!r}: is yours installed?")
        registry.origin(self.name)

    def test_item_has_its_own_name(self) -> None:
        """The item's ``name`` is the text that one asks for."""
        _require(self.item.name == self.name, f"{self.name!r} calls itself {self.item.name!r}")

    def test_item_is_hashable_and_can_be_pickled(self) -> None:
        """The item can be a key, and can be sent to another process."""
        copy = pickle.loads(pickle.dumps(self.item))  # noqa: S301  our own bytes
        _require(hash(copy) == hash(self.item) and copy == self.item, f"{self.name!r} is another one once pickled and read")

    def test_item_can_be_written_and_read_again(self) -> None:
        """Written as TOML and read again, the item is the same."""
        _require(read(write(self.item), type(self.item)) == self.item, f"{self.name!r} is another one once written and read")

    def test_documents_say_when_they_were_read(self) -> None:
        """A value that comes from a document names it, and the day on which it was read: documents change."""
        for path, value in _sourced(self.item):
            source = value.source
            dated = source.kind not in _DOCUMENTS or source.accessed
            _require(bool(source.title.strip()) and bool(dated), f"{path}: its source {source.title!r} lacks the day (accessed)")


class HardwareTests(NounTests):
    """
    Physical sense of an accelerator.

    The checks find slips, not lies: a sparse peak among dense ones, a bandwidth that memory of that type cannot have,
    a Gb for a GB. A card whose peaks are *all* sparse passes where its family is not known here.

    Attributes:
        name: the item's name.

    Example:
        >>> class TestOurs(HardwareTests):
        ...     name = "rtx-4070"
        >>> TestOurs().test_bandwidth_suits_the_memory_type()

    .. versionadded:: 0.1.0
    """

    kind: ClassVar[str] = "hardware"

    @property
    def item(self) -> Hardware:
        """The card, asked for as a user would."""
        return REGISTRIES[self.kind][self.name]  # type: ignore[no-any-return]  # the registry has checked it

    def test_bandwidth_suits_the_memory_type(self) -> None:
        """Memory is as fast as its type allows: pins times bits a second and pin."""
        check_bandwidth(self.item)

    def test_memory_is_mostly_usable(self) -> None:
        """The driver keeps a few hundred MiB, and error correction at most an eighth; never more than that."""
        usable = self.item.memory_usable
        if usable is not None:
            share = usable.si / self.item.memory_capacity.si
            _require(0.8 <= share <= 1, f"memory_usable is {share:.0%} of memory_capacity: GB or GiB?")  # noqa: PLR2004

    def test_peaks_are_dense(self) -> None:
        """No rate is four times that of the next wider format, and none is above what a multiprocessor can do."""
        check_peaks(self.item)

    def test_peaks_and_bandwidth_belong_together(self) -> None:
        """Between 1 and 10,000 operations for a byte from memory: outside, a unit is wrong."""
        card = self.item
        most = max(rate.si for rate in card.peak_flops.values())
        balance = most / card.memory_bandwidth.si
        _require(
            1 <= balance <= 1e4,  # noqa: PLR2004
            f"{most:.3g} FLOPS for {card.memory_bandwidth.si:.3g} byte/s are {balance:.3g} operations a byte: is a unit wrong?",
        )

    def test_some_peak_is_known(self) -> None:
        """Without any peak nothing can be planned."""
        _require(bool(self.item.peak_flops), f"{self.name!r} has no peak_flops at all")


class _Memory(NamedTuple):
    """What a type of memory can be: Gbit/s a pin and data pins, from the least to the most that has been sold."""

    slowest: float
    fastest: float
    fewest_pins: int
    most_pins: int


# Rates a pin: the JEDEC standards named beside them, and where products are outside those, the products.
# Pins: of a graphics card's bus (32 a device), or 1,024 (HBM4: 2,048) a stack.
_MEMORY = {
    "GDDR5": _Memory(3.6, 9, 64, 512),  # JESD212
    "GDDR5X": _Memory(10, 12, 64, 512),  # JESD232
    "GDDR6": _Memory(10, 20, 64, 512),  # JESD250
    "GDDR6X": _Memory(19, 24, 64, 384),  # Micron alone; no JEDEC standard
    "GDDR7": _Memory(18, 48, 64, 512),  # JESD239; slowest: RTX PRO 2000 Blackwell, 288 GB/s over 128 pins
    "HBM2": _Memory(1.4, 2.4, 1024, 6 * 1024),  # JESD235
    "HBM2E": _Memory(2.4, 3.6, 1024, 8 * 1024),  # JESD235
    "HBM3": _Memory(4.8, 6.4, 1024, 8 * 1024),  # JESD238
    "HBM3E": _Memory(5.8, 9.8, 1024, 8 * 1024),  # JESD238; slowest: MI325X, 6 TB/s over 8 stacks
    "HBM4": _Memory(6.4, 12, 2048, 12 * 2048),  # JESD270
    "LPDDR4X": _Memory(3.2, 4.3, 32, 512),  # JESD209-4
    "LPDDR5": _Memory(5.5, 6.4, 64, 1024),  # JESD209-5
    "LPDDR5X": _Memory(6.4, 10.7, 64, 1024),  # JESD209-5
}
_ROUNDING = 1.05


def check_bandwidth(card: Hardware) -> None:
    """
    Refuse a memory bandwidth that memory of the card's type cannot have.

    Bandwidth is pins times bits a second and pin, over eight. Says nothing of a type that it does not know.

    Raises:
        AssertionError: naming the bandwidth and the range of its type.

    .. versionadded:: 0.1.0
    """
    memory = _MEMORY.get((card.memory_type or "").upper())
    if memory is None:
        return
    least = memory.slowest * memory.fewest_pins / 8
    most = memory.fastest * memory.most_pins / 8
    have = card.memory_bandwidth.si / 1e9
    _require(
        least / _ROUNDING <= have <= most * _ROUNDING,
        f"{card.memory_type} of {have:.4g} GB/s: {memory.fewest_pins} to {memory.most_pins} pins of {memory.slowest:g} to "
        f"{memory.fastest:g} Gbit/s give {least:.4g} to {most:.4g} GB/s",
    )


# From wide to narrow. Integers are left out: cards of one family run INT8 at one to four times BF16.
_WIDTHS = (("fp64",), ("tf32",), ("bf16", "fp16"), ("fp8",), ("fp4",))
# Twice is the rule, three (B300: FP4) and 3.8 (Trainium 3: FP8) exist; sparse beside dense gives four.
_SPARSE_BESIDE_DENSE = 3.9
# Families whose maker states a larger step and calls it dense. Rubin: 4 PFLOPS of FP16, 17.5 of FP8, announced 2026.
_LARGER_STEP = {"Rubin": 4.5}

# Dense BF16 or FP16 FLOP with FP32 sums, a clock and multiprocessor (compute unit), of the family's fastest cards: their
# whitepapers' rates over units and boost clock.
_DENSE_PER_CLOCK = {
    "Volta": 1024,  # V100: 125 TFLOPS, 80 units, 1.53 GHz
    "Turing": 1024,  # T4, Quadro: whitepaper, table 1; GeForce half of it
    "Ampere": 2048,  # A100: 312 TFLOPS, 108 units, 1.41 GHz; GA10x half or a quarter of it
    "Ada Lovelace": 1024,  # RTX 6000 Ada, L40S; GeForce half of it
    "Hopper": 4096,  # H100 SXM: 989 TFLOPS, 132 units, 1.83 GHz
    "Blackwell": 8192,  # B200: 2,250 TFLOPS, 148 units, 1.85 GHz; GeForce 512
    "CDNA1": 1024,
    "CDNA2": 1024,
    "CDNA3": 2048,  # MI300X: 1,307 TFLOPS, 304 units, 2.1 GHz
    "CDNA4": 4096,  # MI355X: 2,517 TFLOPS, 256 units, 2.4 GHz
    "RDNA 3.0": 512,
    "RDNA 4.0": 1024,
}
_BOOST_IS_NOT_ALL = 1.2


def check_peaks(card: Hardware) -> None:
    """
    Refuse peaks that cannot all be dense.

    Of two formats the narrower runs two or three times as fast; four times tells of a figure that counts structured
    sparsity, zeros that are not multiplied, beside one that does not. Where units and boost clock are given and the
    family is known, no rate exceeds what a unit does a clock.

    Raises:
        AssertionError: naming the two rates, or the rate and its bound.

    .. versionadded:: 0.1.0
    """
    for wide, narrow in pairwise(_WIDTHS):
        for key, rate in _rates(card, narrow).items():
            for other, slower in _comparable(_rates(card, wide), key).items():
                _require(
                    rate / slower < _LARGER_STEP.get(card.family, _SPARSE_BESIDE_DENSE),
                    f"{key} is {rate / slower:.2g} times {other}: does it count structured sparsity? Peaks are dense",
                )
    _check_per_clock(card)


def _check_per_clock(card: Hardware) -> None:
    bound = _DENSE_PER_CLOCK.get(card.family)
    if bound is None or card.sm_count is None or card.boost_clock is None:
        return
    for key, rate in _rates(card, ("bf16", "fp16")).items():
        per_clock = rate / card.sm_count / card.boost_clock.si
        _require(
            not key.endswith("/fp32") or per_clock <= bound * _BOOST_IS_NOT_ALL,
            f"{key} is {per_clock:.4g} FLOP a clock and unit, and {card.family} does at most {bound}: "
            "does it count structured sparsity? Peaks are dense",
        )


def _rates(card: Hardware, storages: tuple[str, ...]) -> dict[str, float]:
    """Rates of the formats that begin so (fp8 is also fp8-e4m3). [FLOP/second]"""
    return {key: rate.si for key, rate in card.peak_flops.items() if key.split("/")[0].split("-")[0] in storages}


def _comparable(rates: Mapping[str, float], key: str) -> dict[str, float]:
    """Of *rates* those that sum up as *key* does; for FP4, which sums in FP32 at the pace of FP8 in FP16, the fastest."""
    if key.startswith("fp4"):
        return {other: rate for other, rate in rates.items() if rate == max(rates.values())}
    accumulate = key.rpartition("/")[2]
    return {other: rate for other, rate in rates.items() if other.endswith(f"/{accumulate}")}


def _sourced(value: object, path: str = "") -> Iterator[tuple[str, Sourced]]:
    """Every sourced value inside *value*, with the path to it."""
    if isinstance(value, Sourced):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _sourced(item, f"{path}[{key!r}]")
    elif attrs.has(cls := type(value)):
        for field in attrs.fields(cls):
            yield from _sourced(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  it stands where assert stands
    """``assert`` with its message, kept under ``python -O`` and readable where pytest does not rewrite asserts."""
    if not condition:
        raise AssertionError(message)
