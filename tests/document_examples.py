"""
A pytest plugin: the Python blocks of README.md and of the documentation are tests.

It stands here, and not in a conftest.py beside them, so that the top of the repository holds nothing but what its readers
look for. ``pyproject.toml`` loads it by name.
"""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE), SkipParser()],
    path=str(Path(__file__).parents[1]),
    patterns=["README.md", "docs/**/*.md"],
).pytest()
