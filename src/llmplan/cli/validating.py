"""``llmplan validate``: predictions against measured cases."""

from typing import Annotated

import typer

from llmplan.cli.options import Json
from llmplan.cli.printing import say_json, told, waiting

Kind = Annotated[str, typer.Argument(metavar="KIND", help="What is predicted: memory, bills, ...")]
Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Files of measured cases.")]


@told
def validate(kind: Kind, files: Files, *, json: Json = False) -> None:
    """
    Predict measured cases, and say how far off that is.

    Each case is predicted from its inputs alone. Exit code 0 whatever the errors are: it reports.
    """
    from llmplan.validating import validate as validated

    with waiting(f"predicting the cases of {len(files)} files"):
        report = validated(kind, files)
    if json:
        say_json(report.to_dict())
    else:
        typer.echo(report.text())
