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
    missing = [name for name in ("typer", "rich") if not _is_there(name)]
    if missing:
        needs = " and ".join(missing)
        print(f"llmplan: the command line needs {needs}, of the extra 'cli': pip install 'llmplan[cli]'", file=sys.stderr)  # noqa: T201
        sys.exit(_WRONG_USE)
    try:
        from llmplan.cli.app import app

        app(prog_name="llmplan")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(0)


def _is_there(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ValueError:  # what a program puts into sys.modules to say that a module is not to be had
        return False
