"""The typer application: every command under its name."""

from typing import Annotated

import typer

from llmplan.cli.comparing import compare
from llmplan.cli.measuring import measure
from llmplan.cli.names import list_names, plugins, show
from llmplan.cli.planning import plan
from llmplan.cli.validating import validate

# Plain messages on purpose: a box around an error is for nobody who reads a log. No traceback in colour either.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:  # noqa: FBT001  # typer calls it so
    if wanted:
        from llmplan import __version__

        typer.echo(f"llmplan {__version__}")
        raise typer.Exit


@app.callback()
def _llmplan(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version.")] = False,
) -> None:
    """Will it fit, how long, how much energy and money: plan a language model's training before it starts."""


app.command("plan")(plan)
app.command("compare")(compare)
app.command("list")(list_names)
app.command("show")(show)
app.command("plugins")(plugins)
app.command("validate")(validate)
app.command("measure")(measure)
