"""Fitting: whether what a job needs is there, and how sure that is."""

from collections.abc import Sequence

import attrs
import numpy as np

from llmplan.evaluating.memory import Memory
from llmplan.evaluating.overheads import Overhead
from llmplan.nouns.hardware import Hardware
from llmplan.sources import Estimate, Source

#: Share of the printed capacity that programs can use, where a card's usable memory is not known.
_USABLE_SHARE = 0.97
_ASSUMED_SHARE = Source.assumption(
    "programs can use 97 % of the printed capacity: a round figure below that of every card whose driver is known"
)

#: Reserved over allocated memory of the 48 runs in tests/data/memory_cases.json, measured without a GPU (PyTorch 2.13,
#: default allocator settings): 5th, 50th and 95th percentile, which a test computes again. So the interval's coverage
#: of these very runs is in-sample. They serve where the allocator is not replayed (:mod:`llmplan.evaluating.replaying`).
RESERVED_OVER_ALLOCATED = (1.00976, 1.03709, 1.21008)


@attrs.frozen(kw_only=True)
class Fit:
    """
    What a device must hold against what it can.

    Attributes:
        needed: Allocated peak, workspaces, context, communication buffers and what others hold. [byte]
        usable: What programs can have. [byte]
        usable_source: Where that figure comes from.
        fits: Whether the likely need is within it.
        probability: How likely it fits, from 0 to 1.
    """

    needed: Estimate
    usable: float
    usable_source: Source
    fits: bool
    probability: float


def fit(memory: Memory, beside: Sequence[Overhead], hardware: Hardware) -> Fit:
    """Set the need of a job against a card's memory."""
    low, likely, high = (memory.spread[i] * memory.peak + sum(o.size.si[i] for o in beside) for i in range(3))
    usable, source = usable_bytes(hardware)
    return Fit(
        needed=Estimate(low=low, likely=likely, high=high, unit="byte", basis="calibrated"),
        usable=usable,
        usable_source=source,
        fits=likely <= usable,
        probability=_probability(low, likely, high, usable),
    )


def usable_bytes(hardware: Hardware) -> tuple[float, Source]:
    """What programs can have of a card's memory, and where that comes from. [byte]"""
    if hardware.memory_usable is not None:
        return hardware.memory_usable.si, hardware.memory_usable.source
    return _USABLE_SHARE * hardware.memory_capacity.si, _ASSUMED_SHARE


def reserved(peak: float) -> Estimate:
    """What the caching allocator holds for a *peak* of allocated memory, by measured ratios: where it is not replayed. [byte]"""
    low, likely, high = (share * peak for share in RESERVED_OVER_ALLOCATED)
    return Estimate(low=low, likely=likely, high=high, unit="byte", basis="calibrated")


def _probability(low: float, likely: float, high: float, usable: float) -> float:
    """
    The chance that a need is within *usable*: linear between its 5th, 50th and 95th percentile, and as steep beyond
    them as beside them.
    """
    if low == high:
        return 1.0 if usable >= likely else 0.0
    below, above = (likely - low) / 9.0, (high - likely) / 9.0  # a tenth of an interval holds 5 % more
    points = [low - below, low, likely, high, high + above]
    return float(np.interp(usable, points, [0.0, 0.05, 0.5, 0.95, 1.0]))
