"""
The command line. It parses, calls the library and prints; nothing is calculated here.

It needs the extra ``cli``. Importing this package loads neither typer nor rich.
"""

import sys
from typing import NoReturn

__all__ = ["main"]

_WRONG_USE = 2
_INTERRUPTED = 130


def main() -> NoReturn:
    """
    Run the command line, and exit: 0 where the answer is yes, 1 where it is no, 2 for wrong use or input.

    Without the extra ``cli`` it says which extra to install, and exits with 2.
    """
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot say a letter says its number, and does not stop.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        from llmplan.cli.app import app
    except ModuleNotFoundError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        print(_which_extra(exc.name), file=sys.stderr)  # noqa: T201
        sys.exit(_WRONG_USE)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    app(prog_name="llmplan")
    sys.exit(0)


def _which_extra(module: str) -> str:
    return f"llmplan: the command line needs {module}, of the extra 'cli': python -m pip install 'llmplan[cli]'"
