"""``llmplan compare``: several machines or settings side by side."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from llmplan.cli.jobs import Setting, model_of, planned, settings, varying
from llmplan.cli.options import JobOptions, Json, takes_job
from llmplan.cli.planning import ModelArgument
from llmplan.cli.printing import WRONG_USE, console, say_json, told, waiting
from llmplan.errors import JobError, LlmplanError, UnsupportedError

if TYPE_CHECKING:
    from llmplan.nouns.model import Model
    from llmplan.planning import Plan
    from llmplan.sources import Estimate


class Answer(NamedTuple):
    """A setting, and its plan or what is wrong with it."""

    setting: Setting
    plan: "Plan | None"
    error: LlmplanError | None


@takes_job
@told
def compare(model: ModelArgument, *, options: JobOptions, json: Json = False) -> None:
    """
    Plan several machines or settings, side by side.

    Options that are given several times make every combination. What is wrong with one of them stands in its row.

    Exit code 0: one of them fits; 1: none does; 2: none could be read.
    """
    found = settings(options)
    with waiting(f"planning {len(found)} settings"):
        which = model_of(model)
        answers = [_answer(which, setting) for setting in found]
    if json:
        say_json({"settings": [_plain(answer) for answer in answers]})
    else:
        _say(answers)
    raise typer.Exit(_code(answers))


def _answer(model: "Model", setting: Setting) -> Answer:
    try:
        return Answer(setting, planned(model, setting), None)
    except LlmplanError as error:
        return Answer(setting, None, error)


def _code(answers: list[Answer]) -> int:
    """2 where nothing could even be read: a job that cannot be, or is not modelled, is an answer."""
    if any(answer.plan is not None and answer.plan.fits for answer in answers):
        return 0
    unread = [answer.error is not None and not isinstance(answer.error, (JobError, UnsupportedError)) for answer in answers]
    return WRONG_USE if all(unread) else 1


def _plain(answer: Answer) -> dict[str, Any]:
    if answer.plan is not None:
        return {"setting": dict(answer.setting), "plan": answer.plan.to_dict()}
    return {"setting": dict(answer.setting), "error": {"kind": type(answer.error).__name__, "message": str(answer.error)}}


# ---- the table


_COLUMNS = {"fits": 9, "needed": 10, "total": 10, "tokens/s": 11, "energy": 10}
_MONEY = {"electricity": 13, "rent": 13}
_LEAST_LABEL = 16


def _say(answers: list[Answer]) -> None:
    out = console()
    for line, style in _lines(answers, out.width):
        out.print(line, style=style, soft_wrap=True)


def _lines(answers: list[Answer], width: int) -> Iterator[tuple[str, str | None]]:
    names = varying([answer.setting for answer in answers])
    columns = _COLUMNS | {name: size for name, size in _MONEY.items() if any(_amount(a, name) for a in answers)}
    room = width - sum(columns.values())
    apart = room < _LEAST_LABEL  # then the label has a line of its own
    first = f"{'':<{room}}" if not apart else ""
    yield first + "".join(f"{name:>{size}}" for name, size in columns.items()), "bold"
    for answer in answers:
        label = ", ".join(_label(name, answer.setting[name]) for name in names)
        style = None if answer.plan is None else {True: "green", False: "red", None: "yellow"}[answer.plan.fits]
        for line in _rows(label, answer, columns, (width, 0 if apart else room)):
            yield line, style


def _label(name: str, value: object) -> str:
    if name in ("on", "precision", "optimizer", "runtime", "tariff", "grid", "price"):
        return str(value)
    return f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')} {value}"


def _rows(label: str, answer: Answer, columns: dict[str, int], sizes: tuple[int, int]) -> Iterator[str]:
    """A label and the cells beside it; an error is told in their place."""
    width, room = sizes
    labels = textwrap.wrap(label, (room or width) - 1, break_on_hyphens=False) or [""]
    if answer.plan is None:
        told_in = room or 2
        beside = [line for part in str(answer.error).splitlines() for line in textwrap.wrap(part, width - told_in)]
    else:
        told_in, beside = room, [_cells(answer.plan, columns)]
    if not room:
        yield from labels
        labels = []
    for number in range(max(len(labels), len(beside))):
        left = labels[number] if number < len(labels) else ""
        right = beside[number] if number < len(beside) else ""
        yield f"{left:<{told_in}}{right}".rstrip()


def _cells(plan: "Plan", columns: dict[str, int]) -> str:
    found = {
        "fits": _verdict(plan),
        "needed": "?" if plan.fits is None else _likely(plan.memory.needed),
        "total": _likely(plan.time.total),
        "tokens/s": f"{plan.time.tokens_per_second.si[1]:,.0f}",
        "energy": _likely(plan.energy.site),
        "electricity": _money(plan.cost.electricity if plan.cost else None),
        "rent": _money(plan.cost.rent if plan.cost else None),
    }
    return "".join(f"{found[name]:>{size}}" for name, size in columns.items())


def _verdict(plan: "Plan") -> str:
    if plan.fits is None or plan.fit_probability is None:
        return "?"
    from llmplan.planning.sections import probability

    return f"{'yes' if plan.fits else 'no'} {probability(plan.fit_probability)}"


def _likely(value: "Estimate") -> str:
    return str(value).partition(" (")[0]


def _money(amount: "Estimate | None") -> str:
    return "" if amount is None else f"{amount.si[1]:,.0f} {amount.unit}"


def _amount(answer: Answer, name: str) -> bool:
    return answer.plan is not None and answer.plan.cost is not None and getattr(answer.plan.cost, name) is not None
