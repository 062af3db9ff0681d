"""
The documentation is true: what is written by a script is what it would write now, and every command in it runs.

The Python examples are collected by ``document_examples``.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*/*.md"), *DOCS.glob("*.md")])

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*?(?:\\\n.*?)*)\n(.*?)(?=^\$ |\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


class Example(NamedTuple):
    """A command of a page, and what it should print; an empty text: whatever it prints."""

    page: str
    command: str
    printed: str


def examples() -> Iterator[Example]:
    """Every command in a console block."""
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            for command, printed in _COMMAND.findall(block):
                yield Example(str(page.relative_to(ROOT)), command.replace("\\\n", " "), printed)


@pytest.fixture(name="generate", scope="module")
def _generate() -> ModuleType:
    pytest.importorskip("typer")
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", ["nomenclature", "toml-fields", "built-in", "command-line"])
def test_written_parts_are_what_the_code_says(generate: ModuleType, path: str) -> None:
    """`python docs/generate.py` would change nothing."""
    name = f"reference/{path}.md"
    assert (DOCS / name).read_text(encoding="utf-8") == generate.page(name), "run: python docs/generate.py"


def test_every_field_is_described(generate: ModuleType) -> None:
    """A class's docstring describes its fields, all of them and no others."""
    for cls in (*generate.WORKLOADS, *generate.FILES, *generate.PARTS):
        described = {field.name for field in generate.described(cls)}
        assert {field.name for field in generate.attrs.fields(cls)} == described, cls.__name__


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: f"{example.page}: {example.command}")
def test_command_runs(example: Example) -> None:
    """A command of a page runs, says yes or no, and prints what the page says."""
    pytest.importorskip("typer")
    words = shlex.split(example.command)
    if words[0] == "llmplan":
        words = ["python", "-m", *words]
    assert words[:3] == ["python", "-m", "llmplan"], "a console block holds commands of llmplan; others stand in a sh block"
    environment = os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, encoding="utf-8", cwd=ROOT, env=environment, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    assert not example.printed or OutputChecker().check_output(example.printed, done.stdout, flags), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A link to a file of the repository names one that is there."""
    targets = [t for t in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []
