"""What the docstring of a class says of its fields: a field's meaning and unit are written once."""

import inspect
import re

_SECTION = re.compile(r"^Attributes:\n(.*?)(?=^\S|\Z)", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r" {4}(\w+(?:, \w+)*): (.*)")
_UNIT = re.compile(r"(.*?)\s*\[([^\[\]]+)\]\.?", re.DOTALL)


def documented(cls: type) -> dict[str, str]:
    """
    The text that stands beside each field in a class's section "Attributes".

    Example:
        >>> from llmplan.nouns.grid import Grid
        >>> documented(Grid)["carbon_intensity"]
        'As ``basis`` counts it. [g/kWh]'
    """
    section = _SECTION.search(inspect.getdoc(cls) or "")
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else []:
        start = _FIELD.fullmatch(line)
        if start:
            names = start[1].split(", ")
            texts |= dict.fromkeys(names, start[2])
        elif line.strip():
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
    return texts


def unit_of(text: str) -> str:
    """
    The unit at the end of a field's text, or nothing.

    Example:
        >>> unit_of("As ``basis`` counts it. [g/kWh]"), unit_of("The region in words.")
        ('g/kWh', '')
    """
    found = _UNIT.fullmatch(text)
    return found[2] if found else ""
