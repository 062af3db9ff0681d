"""Hardware: one accelerator, as its datasheet describes it."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import attrs

from llmplan.errors import UnsupportedError
from llmplan.nouns._check import Between, Count, MayBeZero, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Bytes, BytesPerSecond, FlopsPerSecond, Hertz, Sourced, Watts


@attrs.frozen
class _FormatPair:
    """A format that numbers are stored in and one that products are added up in: "bf16/fp32"."""

    def check(self, value: str) -> str:
        if re.fullmatch(r"[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*", value):
            return value
        msg = f"expected formats as 'storage/accumulate', such as 'bf16/fp32', got {value!r:.80}"
        raise ValueError(msg)


FormatPair = Annotated[str, _FormatPair()]


@noun
class Hardware(Noun):
    """
    One accelerator: a graphics card, a module of a server, a chip with its memory.

    Every measured value carries its source. What is not known is None, or absent from ``peak_flops``; nothing is
    derived from a neighbouring figure.

    Attributes:
        name: Its registry id, such as "rtx-4070".

        vendor: Who makes it.

        family: The maker's name of the design, such as "Ada Lovelace".

        kind: Where it lives: "desktop", "laptop" or "server".

        form: Its shape, such as "pcie", "sxm" or "oam".

        year: The year in which it was first sold.

        memory_capacity: The memory that the maker names. [byte]

        memory_usable: What the driver lets programs have of it. [byte]

        memory_type: Such as "GDDR6X" or "HBM3".

        memory_bandwidth: Between the chip and its memory, at most. [byte/second]

        peak_flops: The highest rates of *dense* matrix products by "storage/accumulate" format, such as "bf16/fp32",
            "fp16/fp16", "tf32/fp32", "int8/int32". [FLOP/second]

        tdp: The power limit that it is sold with. [watt]

        tdp_min, tdp_max: The lowest and highest power limit that it can be set to. [watt]

        idle_power: What it draws with nothing to do. [watt]

        nvlink_bandwidth: To all neighbours over NVLink or its like, *both directions added*. [byte/second]

        pcie_bandwidth: Between host and card, *each direction*. [byte/second]

        l2_cache: The last cache before memory. [byte]

        sm_count: How many streaming multiprocessors (NVIDIA), compute units (AMD) or cores it has.

        boost_clock: The clock at which the peaks are stated. [hertz]

        display_reserved: Memory that a display takes where one is attached. [byte]

        notes: Anything else a reader should know.

    Raises:
        SpecError: A value without a source, in a foreign unit, or that a card cannot have; all of them at once.

    Example:
        >>> from llmplan.sources import Source, Sourced
        >>> sheet = Source(kind="datasheet", title="a made-up card")
        >>> card = Hardware(name="card", vendor="Acme", family="One", kind="desktop",
        ...     memory_capacity=Sourced("12 GiB", sheet), memory_bandwidth=Sourced("504 GB/s", sheet),
        ...     peak_flops={"bf16/fp32": Sourced("58.3 TFLOPS", sheet)}, tdp=Sourced("200 W", sheet))
        >>> card.peak("bf16").source.title
        'a made-up card'
        >>> card.peak("fp8")
        Traceback (most recent call last):
        ...
        llmplan.errors.UnsupportedError: ...

    .. versionadded:: 0.1.0
    """

    name: Name
    vendor: Name
    family: Name
    kind: Literal["desktop", "laptop", "server"]
    form: Name | None = None
    year: Annotated[int, Between(1900, 2200)] | None = None
    memory_capacity: Bytes
    memory_usable: Bytes | None = None
    memory_type: Name | None = None
    memory_bandwidth: BytesPerSecond
    peak_flops: Mapping[FormatPair, FlopsPerSecond]
    tdp: Watts
    tdp_min: Watts | None = None
    tdp_max: Watts | None = None
    idle_power: Annotated[Watts, MayBeZero()] | None = None
    nvlink_bandwidth: BytesPerSecond | None = None
    pcie_bandwidth: BytesPerSecond | None = None
    l2_cache: Bytes | None = None
    sm_count: Count | None = None
    boost_clock: Hertz | None = None
    display_reserved: Annotated[Bytes, MayBeZero()] | None = None
    notes: str = ""

    def evolve(self, **changes: Any) -> Self:
        """
        The same card with some fields changed: see :meth:`llmplan.nouns._noun.Noun.evolve`.

        What the driver lets programs have of another capacity is not known: ``memory_usable`` becomes None where only
        the capacity is given.
        """
        if "memory_capacity" not in changes or "memory_usable" in changes:
            return super().evolve(**changes)
        made = super().evolve(**changes, memory_usable=None)
        same = math.isclose(made.memory_capacity.si, self.memory_capacity.si)  # the same amount in another unit
        return super().evolve(**changes, memory_usable=self.memory_usable) if same else made

    def _contradictions(self) -> Iterable[str]:
        yield from self._at_most("memory_usable", "memory_capacity")
        yield from self._at_most("display_reserved", "memory_capacity")
        yield from self._at_most("tdp_min", "tdp")
        yield from self._at_most("tdp", "tdp_max")
        yield from self._at_most("idle_power", "tdp")

    def _at_most(self, less: str, more: str) -> Iterable[str]:
        low, high = getattr(self, less), getattr(self, more)
        if low is not None and high is not None and low.si > high.si:
            yield f"{less} of {low.magnitude:g} {low.unit} is above {more} of {high.magnitude:g} {high.unit} @ Hardware.{less}"

    def peak(self, storage: str, accumulate: str | None = None) -> Sourced:
        """
        The highest rate of dense matrix products whose factors are stored in a format. [FLOP/second]

        Args:
            storage: The format of the factors, such as "bf16" or "fp8".

            accumulate: The format in which products are added up. "fp32" where it is left out, and "int32" for a
                storage format of integers, which is what frameworks ask for.

        Raises:
            UnsupportedError: No source states this rate. The message names the rates that are known.
        """
        wanted = f"{storage}/{accumulate or ('int32' if storage.startswith(('int', 'uint')) else 'fp32')}"
        if wanted in self.peak_flops:
            return self.peak_flops[wanted]
        known = ", ".join(sorted(self.peak_flops)) or "none at all"
        raise UnsupportedError(f"peak rate {wanted} of {self.name}", f"no source states it; known are {known}")
