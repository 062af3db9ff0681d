"""``python -m llmplan.cli.demo``: the question that llmplan was born from, answered."""

import os
import sys
from collections.abc import Iterator

import llmplan
from llmplan.cli.demo.claims import verdicts
from llmplan.cli.demo.rows import heading, paragraph, span, table, told
from llmplan.cli.demo.settings import CARD, MODEL, STEP, TOKENS, asked, fitting, home, laptop, server
from llmplan.errors import LlmplanError

_DAY, _HOUR, _GIB = 86400.0, 3600.0, 2.0**30
_PUBLISHED_HOURS = 33


def lines() -> Iterator[str]:
    """The whole demonstration."""
    yield from paragraph(
        f"Training {MODEL} ({llmplan.plan(MODEL, CARD, llmplan.Training(tokens=TOKENS)).num_parameters['total']:,} "
        f"parameters) on {TOKENS:.3g} tokens. Numbers are likely (low to high), 90 % intervals."
    )
    yield from _asked()
    yield from _fitting()
    yield from _laptop()
    yield from _server()
    yield from _claims()


def _asked() -> Iterator[str]:
    yield from heading(f"(a) The four settings that people are given, on one {CARD}")
    for setting in asked():
        yield from told(setting)


def _fitting() -> Iterator[str]:
    yield from heading(f"(b) What makes full training fit in {CARD}'s memory")
    rows = [_row(*choice) for choice in fitting()]
    header = ("setting", "GiB", "fits", "step", "days", "low", "high", "kWh", "TWD")
    yield from table(header, rows, (25, 6, 6, 6, 7, 6, 7, 7, 8))
    yield from paragraph(
        f"step: sequences of an optimizer step. An optimizer in backward uses each gradient up at once, so a step is one "
        f"micro-batch: the batch changes from {STEP} sequences to what the row says, and with it the training recipe."
    )


def _row(name: str, model: str, work: "llmplan.Training", precision: str) -> tuple[str, ...]:
    plan = llmplan.plan(model, CARD, work, precision=precision, site=home())
    low, likely, high = (t / _DAY for t in plan.time.total.si)
    bill = plan.cost.electricity.si[1] if plan.cost and plan.cost.electricity else 0.0
    return (
        name,
        f"{plan.memory.needed.si[1] / _GIB:.1f}",
        "yes" if plan.fits else "no",
        f"{plan.case.training.global_batch_size}",
        f"{likely:,.0f}",
        f"{low:,.0f}",
        f"{high:,.0f}",
        f"{plan.energy.site.si[1]:,.0f}",
        f"{bill:,.0f}",
    )


def _laptop() -> Iterator[str]:
    yield from heading("(c) The laptop: RTX 4070 with 8 GB and 115 W")
    for setting in laptop():
        yield from told(setting)


def _server() -> Iterator[str]:
    yield from heading("(d) Eight H100, half a million tokens a step")
    eager, compiled = server("pytorch"), server("pytorch-compiled", micro_batch_size=8)
    for name, plan in (("eager", eager), ("compiled", compiled)):
        micro = plan.case.training.micro_batch_size
        hours = span(plan.time.total, _HOUR, "hours")
        yield f"{name + ' code,':<15}micro-batch {micro}: {hours}, MFU {plan.time.mfu.si[1]:.0%}"
    need = span(eager.memory.needed, _GIB, "GiB", 1)
    yield f"memory of eager code: {need} of {eager.memory.usable.si[1] / _GIB:.1f} GiB"
    try:
        yield f"memory of compiled code: {span(compiled.memory.needed, _GIB, 'GiB', 1)}"
    except LlmplanError as error:
        yield from paragraph(f"memory of compiled code: {error}")
    yield from paragraph(f"The published run, compiled, took about {_PUBLISHED_HOURS} hours.")
    if compiled.cost and compiled.cost.rent:
        yield f"rent at AWS's price of 2026-09-06: {span(compiled.cost.rent, 1, 'USD')}"
    yield f"energy: {span(compiled.energy.site, 1, 'kWh')}"


def _claims() -> Iterator[str]:
    yield from heading("(e) The table's own figures")
    for verdict in verdicts():
        word = "can be" if verdict.consistent else "CANNOT BE"
        yield from paragraph(f"{word}: {verdict.claim}: {verdict.because}.")


def main() -> int:
    """Print it, as far as somebody reads it."""
    try:
        for line in lines():
            print(line, flush=True)  # noqa: T201  that is what it is for
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into the closed pipe
    return 0


if __name__ == "__main__":
    sys.exit(main())
