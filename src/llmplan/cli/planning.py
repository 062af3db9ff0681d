"""``llmplan plan``: one job, answered."""

from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli.jobs import model_of, planned, settings
from llmplan.cli.options import JobOptions, Json, takes_job
from llmplan.cli.printing import console, say_json, told

if TYPE_CHECKING:
    from llmplan.planning import Plan

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A model by name, or the path of a config.json.")]
Explain = Annotated[bool, typer.Option("--explain", help="Add each number's formula, inputs, source and basis.")]


@takes_job
@told
def plan(model: ModelArgument, *, options: JobOptions, json: Json = False, explain: Explain = False) -> None:
    """
    Plan a job: whether it fits, its time, energy and money.

    Exit code 0: it fits; 1: it does not, or that is not known; 2: wrong use or input.
    """
    found = settings(options)
    if len(found) > 1:
        msg = "an option was given twice, which makes several plans: 'llmplan compare' sets them side by side."
        raise typer.BadParameter(msg)
    made = planned(model_of(model), found[0])
    if json:
        say_json({"plan": made.to_dict(), "explanation": made.explain().to_dict()} if explain else made.to_dict())
    else:
        _say(made, explain=explain)
    raise typer.Exit(0 if made.fits else 1)


def _say(made: "Plan", *, explain: bool) -> None:
    out = console()
    head, rule, *rest = str(made).splitlines()
    out.print(head, style="bold")
    out.print(rule)
    for number, line in enumerate(rest):
        out.print(line, style=_VERDICT[made.fits] if number == 0 else None, soft_wrap=True)
    if explain:
        out.print()
        out.print(str(made.explain()), soft_wrap=True)


_VERDICT = {True: "bold green", False: "bold red", None: "bold yellow"}
