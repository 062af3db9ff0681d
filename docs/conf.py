# ruff: noqa: INP001  this folder is no package
"""Sphinx's settings for llmplan's documentation: ``sphinx-build docs docs/_build``."""

import re
from typing import Any

import llmplan

project = "llmplan"
author = "The llmplan maintainers"
copyright = "the llmplan maintainers"  # noqa: A001  the name that Sphinx reads
version = release = llmplan.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"llmplan {release}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what an argument is, in words and with its unit
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a field that is described and found is one thing, not two


def _plain_references(*event: Any) -> None:
    """Every docstring numbers its references from one, and several stand on a page: make them text, line by line."""
    lines: list[str] = event[-1]
    lines[:] = [re.sub(r"\[(\d+)\]_", r"[\1]", re.sub(r"^(\s*)\.\. (\[\d+\])", r"\1| \2", line)) for line in lines]


def setup(app: Any) -> None:  # noqa: ANN401  Sphinx's application
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _plain_references)
