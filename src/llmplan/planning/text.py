"""A plan as a table for people: 80 columns, plain letters, no colour."""

import textwrap
from collections.abc import Iterator

from llmplan.planning.result import Plan
from llmplan.planning.sections import Row, Section, sections, title, verdict

WIDTH = 80

_LABEL, _LIKELY, _INTERVAL = 30, 16, 21
_INDENT = "  "


def text(plan: Plan) -> str:
    """
    The table of a *plan*.

    Example:
        >>> import llmplan
        >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
        >>> print(text(plan))
        gpt2 on rtx-4090
        ================
        ...
    """
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    head = title(plan)
    yield from _wrapped(head, "", "")
    yield "=" * min(len(head), WIDTH)
    yield from _wrapped(verdict(plan), "", "")
    for section in sections(plan):
        yield ""
        yield _heading(section)
        for row in section.rows:
            yield from _row(row)
        for note in section.notes:
            yield from _wrapped(note, _INDENT, _INDENT * 2)
    yield ""
    yield from _wrapped(footer(plan), "", "")


def footer(plan: Plan) -> str:
    """Which packages the answers come from, and where to read on."""
    made_by = ", ".join(f"{package} {version}" for package, version in plan.versions.items())
    return f"{made_by}. explain() tells each number's formula, inputs and source."


def _heading(section: Section) -> str:
    if not any(row.basis for row in section.rows):
        return section.title
    return f"{section.title:<{_LABEL}}{'likely':>{_LIKELY}}   {'low - high':<{_INTERVAL}}basis"


def _row(row: Row) -> Iterator[str]:
    label = f"{_INDENT * (1 + row.level)}{row.label}"
    if not row.basis:
        yield from _wrapped(f"{label:<20} {row.likely}", "", " " * 21)
        return
    # What is longer than its column gets a line of its own, so that the columns after it stay where they are.
    if len(label) + len(row.likely) >= _LABEL + _LIKELY:
        yield label
        label = ""
    room = _LABEL + _LIKELY - len(label)
    if len(row.interval) <= _INTERVAL:
        yield f"{label}{row.likely:>{room}}   {row.interval:<{_INTERVAL}}{row.basis}".rstrip()
    else:
        yield f"{label}{row.likely:>{room}}   {'':<{_INTERVAL}}{row.basis}"
        yield f"{row.interval:>{WIDTH}}"


def _wrapped(sentence: str, first: str, further: str) -> list[str]:
    """Lines of at most 80 columns; what has no blank is cut."""
    lines = textwrap.wrap(
        sentence, WIDTH, initial_indent=first, subsequent_indent=further, drop_whitespace=True, break_on_hyphens=False
    )
    return lines or [first.rstrip()]
