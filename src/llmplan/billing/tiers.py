"""Cutting an amount into the tiers of a price."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import attrs

from llmplan.billing.exact import added, exact
from llmplan.errors import UnsupportedError
from llmplan.nouns.tariff import DemandStructure, EnergyStructure

_ZERO = Fraction(0)


@attrs.frozen
class Step:
    """
    A tier in exact numbers.

    Attributes:
        limit: Upper limit, counted from zero; None for none. [kWh or kW]

        daily: Whether the limit is to be multiplied by days.

        price: Rate and adjustment. [currency per kWh or kW]
    """

    limit: Fraction | None
    daily: bool
    price: Fraction


Steps = tuple[Step, ...]


@lru_cache(maxsize=64)
def steps(structure: EnergyStructure | DemandStructure) -> tuple[Steps, ...]:
    """The tiers of each period in exact numbers."""
    return tuple(
        tuple(
            Step(
                limit=None if tier.max is None else exact(tier.max),
                daily=tier.unit == "kWh daily",
                price=exact(tier.rate) + exact(tier.adj),
            )
            for tier in tiers
        )
        for tiers in structure
    )


def limits(tiers: Steps, *, times: Fraction | int = 1, days: Fraction | int = 1) -> tuple[Fraction | None, ...]:
    """
    The limits of tiers over a stretch of time.

    Args:
        tiers: The tiers.

        times: What a limit is multiplied by, such as the months of a bill.

        days: What a daily limit is multiplied by.
    """
    return tuple(None if step.limit is None else step.limit * (days if step.daily else times) for step in tiers)


def cut(amount: Fraction, upper: Sequence[Fraction | None], *, above: Fraction = _ZERO) -> list[Fraction]:
    """
    How much of an amount falls into each tier.

    Args:
        amount: What is cut. [kWh or kW]

        upper: Upper limits in rising order; None for none.

        above: How much has been used up before, which fills the tiers first.

    Returns:
        One amount for each tier; together they are ``amount``.

    Raises:
        UnsupportedError: The amount goes beyond the last limit, and no price is known there.

    Example:
        >>> cut(Fraction(25), [Fraction(10), Fraction(20), None])
        [Fraction(10, 1), Fraction(10, 1), Fraction(5, 1)]
        >>> cut(Fraction(8), [Fraction(10), Fraction(20), None], above=Fraction(5))
        [Fraction(5, 1), Fraction(3, 1), Fraction(0, 1)]
    """
    end = above + amount
    parts = []
    begin = above
    for limit in upper:
        if begin == end:
            parts.append(_ZERO)
            continue
        until = end if limit is None or limit >= end else max(limit, begin)
        parts.append(until - begin)
        begin = until
    if begin < end:
        reason = f"the tariff states no price above {float(upper[-1] or 0):g}"
        raise UnsupportedError(f"a bill that reaches {float(end):g} kWh or kW in one tier table", reason)
    return parts


def charge(amount: Fraction, tiers: Steps) -> Fraction:
    """
    What an amount costs under tiers that are not scaled. [currency]

    Example:
        >>> charge(Fraction(12), (Step(Fraction(10), False, Fraction(2)), Step(None, False, Fraction(3))))
        Fraction(26, 1)
    """
    parts = cut(amount, limits(tiers))
    return added(part * step.price for part, step in zip(parts, tiers, strict=True))
