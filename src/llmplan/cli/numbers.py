"""Numbers as people type them at a prompt: 38e9, 38_000_000_000, 2048."""

import math
import re

import typer

_SUFFIXED = re.compile(r"([0-9][0-9._]*)\s*([kKmMbBgGtT])")
_EXPONENTS = {"k": 3, "m": 6, "b": 9, "g": 9, "t": 12}


def number(text: str) -> float:
    """
    A finite number.

    Raises:
        BadParameter: It is none; "38B" among them, which a unit reader takes for bytes.
    """
    suffixed = _SUFFIXED.fullmatch(text.strip())
    if suffixed:
        digits, letter = suffixed.groups()
        msg = f"{text!r} is no number: write {digits}e{_EXPONENTS[letter.lower()]}."
        raise typer.BadParameter(msg)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        msg = f"{text!r:.60} is no number: write it as 38e9 or 38_000_000_000."
        raise typer.BadParameter(msg)
    return value


def count(text: str) -> int:
    """
    A whole number.

    Raises:
        BadParameter: It is none.
    """
    value = number(text)
    if value != int(value):
        msg = f"{text!r:.60} is no whole number."
        raise typer.BadParameter(msg)
    return int(value)
