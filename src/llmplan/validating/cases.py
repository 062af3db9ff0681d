"""Files of measured cases: read as data, their kind told from their content."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmplan.errors import SpecError


def load(path: str | Path) -> Mapping[str, Any]:
    """
    A file of cases.

    Raises:
        SpecError: It cannot be read, or is no JSON object.
    """
    where = str(path)
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(where, (f"cannot be read as JSON: {error}",)) from None
    if not isinstance(found, dict):
        raise SpecError(where, ("expected a JSON object",))
    return found


def cases_of(path: str | Path, kind: str, key: str = "cases") -> list[Mapping[str, Any]]:
    """
    The cases in a file of *kind*.

    Raises:
        SpecError: The file holds no such cases.
    """
    found = load(path).get(key)
    if not isinstance(found, list) or not all(isinstance(c, dict) for c in found):
        raise SpecError(str(path), (f"expected {kind} cases: a list of objects @ {key}",))
    return found
