"""A plan as an HTML table, for notebooks: the same rows as the text, everything escaped, no script and no style sheet."""

from collections.abc import Iterator
from html import escape

from llmplan.planning.result import Plan
from llmplan.planning.sections import Row, Section, sections, title, verdict
from llmplan.planning.text import footer

_COLUMNS = 4


def html(plan: Plan) -> str:
    """
    The table of a *plan*, as a fragment of HTML.

    Example:
        >>> import llmplan
        >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
        >>> html(plan).startswith('<table class="llmplan">')
        True
    """
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield '<table class="llmplan">'
    yield f"<caption><strong>{escape(title(plan))}</strong><br>{escape(verdict(plan))}</caption>"
    for section in sections(plan):
        yield "<tbody>"
        yield from _section(section)
        yield "</tbody>"
    yield f'<tfoot><tr><td colspan="{_COLUMNS}">{escape(footer(plan))}</td></tr></tfoot>'
    yield "</table>"


def _section(section: Section) -> Iterator[str]:
    if any(row.basis for row in section.rows):
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("likely", "low - high", "basis"))
        yield f'<tr><th scope="col" style="text-align:left">{escape(section.title)}</th>{heads}</tr>'
    else:
        yield f'<tr><th colspan="{_COLUMNS}" style="text-align:left">{escape(section.title)}</th></tr>'
    yield from map(_row, section.rows)
    for note in section.notes:
        yield f'<tr><td colspan="{_COLUMNS}" style="text-align:left">{escape(note)}</td></tr>'


def _row(row: Row) -> str:
    indent = f"padding-left:{1 + row.level}em"
    label = f'<th scope="row" style="text-align:left;font-weight:normal;{indent}">{escape(row.label)}</th>'
    if not row.basis:
        return f'<tr>{label}<td colspan="{_COLUMNS - 1}" style="text-align:left">{escape(row.likely)}</td></tr>'
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row.likely, row.interval, row.basis))
    return f"<tr>{label}{cells}</tr>"
