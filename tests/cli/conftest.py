"""The command line in this process, for most tests; a few start one of their own."""

import pytest
from typer.testing import CliRunner

from llmplan.cli.app import app


@pytest.fixture
def cli():
    """Run a command: what it says on each stream, and its exit code."""
    runner = CliRunner()

    def run(*arguments: str):
        done = runner.invoke(app, [str(argument) for argument in arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run
