"""One plan as a row of the demonstration, or the reason why there is none."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from llmplan.errors import LlmplanError

if TYPE_CHECKING:
    from llmplan.planning import Plan
    from llmplan.sources import Estimate

WIDTH = 80
_DAY, _GIB = 86400.0, 2.0**30


@attrs.frozen(kw_only=True)
class Setting:
    """
    A setting to be planned.

    Attributes:
        title: What it is called.
        make: Plans it.
        remark: What must be said about it whatever comes out.
    """

    title: str
    make: "Callable[[], Plan]"
    remark: str = ""


def told(setting: Setting) -> Iterator[str]:
    """A setting's title and answers, a few lines."""
    yield f"* {setting.title}"
    if setting.remark:
        yield from _indented(setting.remark)
    try:
        plan = setting.make()
    except LlmplanError as error:
        yield from _indented(f"no plan: {error}")
        return
    verdict = "fits" if plan.fits else "does not fit"
    yield from _indented(
        f"{verdict} (probability {plan.fit_probability:.0%}): needs {span(plan.memory.needed, _GIB, 'GiB', 1)} "
        f"of {plan.memory.usable.si[1] / _GIB:.1f} GiB usable"
    )
    yield from _indented(f"{batch(plan)}; {span(plan.time.total, _DAY, 'days')}; {span(plan.energy.site, 1, 'kWh')}")
    yield from _indented(money(plan))


def batch(plan: "Plan") -> str:
    """The micro-batch and the step in words."""
    training = plan.case.training
    return f"micro-batch {training.micro_batch_size}, step of {training.global_batch_size} x {training.sequence_length} tokens"


def money(plan: "Plan") -> str:
    """What it adds to the bill, in both currencies, and what it emits."""
    parts = []
    if plan.cost and plan.cost.electricity:
        parts.append(span(plan.cost.electricity, 1, plan.cost.electricity.unit))
        parts += [span(other, 1, other.unit) for name, other in plan.cost.converted.items() if name == "electricity"]
    if plan.carbon:
        parts.append(span(plan.carbon.emitted, 1, "kg CO2e"))
    return "; ".join(parts)


def span(estimate: "Estimate", unit: float, name: str, digits: int = 0) -> str:
    """An interval for people: likely (low to high), in multiples of *unit*."""
    low, likely, high = (x / unit for x in estimate.si)
    places = digits if likely >= 10 or digits else 1  # noqa: PLR2004  small numbers keep a digit
    return f"{likely:,.{places}f} ({low:,.{places}f} to {high:,.{places}f}) {name}"


def heading(text: str) -> Iterator[str]:
    """A section's title."""
    yield ""
    yield text
    yield "=" * min(len(text), WIDTH)


def paragraph(text: str) -> list[str]:
    """Text at the page's width."""
    return textwrap.wrap(text, WIDTH)


def _indented(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> Iterator[str]:
    """Columns of fixed widths: the first to the left, the others to the right."""

    def line(cells: tuple[str, ...]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        return first[0].ljust(first[1]) + "".join(cell.rjust(width) for cell, width in rest)

    yield line(header)
    yield "-" * sum(widths)
    for row in rows:
        yield line(row)
