"""The table's own figures, checked against one another and against arithmetic."""

from collections.abc import Iterator

import attrs

import llmplan
from llmplan.cli.demo.settings import CARD, MODEL, STEP, TOKENS
from llmplan.errors import LlmplanError

_DAY, _TERA, _HOURS_A_DAY = 86400.0, 1e12, 24.0


@attrs.frozen(kw_only=True)
class Verdict:
    """
    A claim, and whether it can be true beside the others.

    Attributes:
        claim: What is claimed.
        consistent: Whether it can be.
        because: The arithmetic.
    """

    claim: str
    consistent: bool
    because: str


def verdicts() -> Iterator[Verdict]:
    """The claims one by one."""
    plan = llmplan.plan(MODEL, CARD, llmplan.Training(tokens=TOKENS, micro_batch_size=1, global_batch_size=STEP), precision="bf16")
    total = plan.time.flops_per_token.si[1] * TOKENS
    yield _rate("4-bit: 18-22 TFLOP/s and 35-45 days", total, (18, 22), (35, 45))
    yield _rate("3-bit or NF4: 20-24 TFLOP/s and 30-38 days", total, (20, 24), (30, 38))
    yield _rate("2.5-2.7 bit: 22-26 TFLOP/s and 28-35 days", total, (22, 26), (28, 35))
    yield _hours()
    yield _power()
    yield _energy()
    yield _taiwan()
    yield _dollars()
    yield _smaller()
    yield _fewer_tokens()


def _rate(claim: str, flops: float, rates: tuple[float, float], days: tuple[float, float]) -> Verdict:
    """Total work over the claimed rate against the claimed days."""
    slow, fast = (flops / (r * _TERA) / _DAY for r in rates)
    because = f"{TOKENS:.3g} tokens of this model are {flops:.2e} FLOP, which take {fast:,.0f} to {slow:,.0f} days at that rate"
    return Verdict(claim=claim, consistent=_overlap((fast, slow), days), because=because)


def _hours() -> Verdict:
    low, high = 35 * _HOURS_A_DAY, 45 * _HOURS_A_DAY
    return Verdict(
        claim="35-45 days are 850-1,100 hours",
        consistent=_close((850, 1100), (low, high)),
        because=f"they are {low:,.0f} to {high:,.0f} hours",
    )


def _power() -> Verdict:
    limit = llmplan.hardwares[CARD].tdp.si
    return Verdict(
        claim="200-250 W all the time",
        consistent=True,
        because=f"the card's limit is {limit:.0f} W, and the host and its supply come on top of that",
    )


def _energy() -> Verdict:
    low, high = 200 * 850 / 1000, 250 * 1100 / 1000
    return Verdict(
        claim="150-200 kWh",
        consistent=_close((150, 200), (low, high)),
        because=f"200 to 250 W for 850 to 1,100 hours are {low:.0f} to {high:.0f} kWh",
    )


def _taiwan() -> Verdict:
    low, high = 150 * 3, 200 * 4
    return Verdict(
        claim="150-200 kWh at 3-4 TWD are 500-800 TWD",
        consistent=_close((500, 800), (low, high)),
        because=f"they are {low} to {high} TWD, were the price flat; the tariff's blocks begin after the household's own use",
    )


def _dollars() -> Verdict:
    rate = 31.828
    low, high = 15 * rate, 40 * rate
    return Verdict(
        claim="15-40 USD are 500-800 TWD",
        consistent=_close((500, 800), (low, high)),
        because=f"at {rate} TWD/USD (2026-03-10) they are {low:,.0f} to {high:,.0f} TWD",
    )


def _smaller() -> Verdict:
    try:
        llmplan.models["nanochat-2025-d21"]
    except LlmplanError as error:
        why = str(error)
    else:
        why = "it can be built"
    other = llmplan.plan("nanochat-2026-d21", CARD, llmplan.Training(tokens=1e9, micro_batch_size=1))
    count = other.num_parameters["total"]
    return Verdict(
        claim='the smaller "d21" has 1.3 B parameters',
        consistent=False,
        because=f"{why}; by the rule of 2026 it has {count / 1e9:.2f} B",
    )


def _fewer_tokens() -> Verdict:
    low, high = 15e9 / TOKENS * 35, 20e9 / TOKENS * 45
    return Verdict(
        claim="15-20 B tokens take 12-20 days",
        consistent=_close((12, 20), (low, high)),
        because=f"in proportion to 35-45 days they take {low:.0f} to {high:.0f}",
    )


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


def _close(claimed: tuple[float, float], found: tuple[float, float]) -> bool:
    """Whether both ends agree within a quarter."""
    return all(abs(c / f - 1) <= 0.25 for c, f in zip(claimed, found, strict=True))  # noqa: PLR2004
