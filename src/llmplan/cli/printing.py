"""What every command says, and how: answers on stdout, faults on stderr, colour for people alone."""

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from llmplan.errors import LlmplanError

if TYPE_CHECKING:
    from rich.console import Console

WRONG_USE = 2
INTERNAL = 3
INTERRUPTED = 130

#: Where no terminal says otherwise.
WIDTH = 80


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Let *command* end with one clear message and an exit code, whatever happens, and never with a traceback."""

    @functools.wraps(command)
    def telling(*args: Any, **given: Any) -> None:  # the command's own
        try:
            command(*args, **given)
        except LlmplanError as error:
            fault(error)
            raise typer.Exit(WRONG_USE) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("LLMPLAN_TRACEBACK"):
                raise
            typer.echo(_internal(error), err=True)
            raise typer.Exit(INTERNAL) from None

    return telling


def fault(error: LlmplanError) -> None:
    """Say what is wrong, on stderr."""
    typer.echo(f"llmplan: {error}", err=True)
    for note in getattr(error, "__notes__", ()):
        typer.echo(f"  {note}", err=True)


def _internal(error: Exception) -> str:
    return (
        f"llmplan: a fault of llmplan itself, not of what it was asked: {type(error).__name__}: {error}\n"
        "  LLMPLAN_TRACEBACK=1 shows where. Please report it."
    )


def say_json(value: Any) -> None:  # noqa: ANN401  # what JSON can say
    """Print one JSON object."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def console(*, stderr: bool = False) -> "Console":
    """A console of the terminal's width, or of 80 columns without colour where there is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal's stderr that something takes a while."""
    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(what):
        yield
