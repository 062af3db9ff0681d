"""
TOML, JSON and config.json to nouns, and back.

The rules of reading live here and not in the nouns. Whatever is wrong with a file is told at once, as a
:class:`~llmplan.errors.SpecError` with a path to each fault. Nothing that is read is ever executed or fetched.
"""

from llmplan.reading._config import read_config
from llmplan.reading._read import from_dict, read
from llmplan.reading._write import to_dict, write

__all__ = ["from_dict", "read", "read_config", "to_dict", "write"]
