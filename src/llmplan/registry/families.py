"""Names, and names with a gap: ``nanochat-2025-d{depth}`` stands for every depth."""

import re

__all__ = ["Family", "fault_of_name"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NUMBER = "(0|[1-9][0-9]{0,8})"
_LONGEST = 128


def fault_of_name(name: str) -> str | None:
    """
    What is wrong with *name* as an id or a family, or None.

    An id is ASCII letters, digits and ``. _ + -``, and begins with a letter or a digit: what a reader cannot tell
    apart (control characters, blanks, look-alike letters) cannot be two ids. A family has fields in braces besides,
    each named once and none beside another, so that a name can be read back in one way only.

    Example:
        >>> fault_of_name("h100-sxm"), fault_of_name("nanochat-d{depth}")
        (None, None)
        >>> fault_of_name("h100\\n")
        "the name 'h100\\\\n' holds '\\\\n': letters, digits and . _ + - are allowed"
    """
    if not name:
        return "the name is empty"
    if len(name) > _LONGEST:
        return f"the name is {len(name)} characters long: {_LONGEST} are allowed"
    bare = _FIELD.sub("0", name)
    wrong = next((letter for letter in bare if not _PLAIN.fullmatch(f"0{letter}")), None)
    if wrong is not None:
        return f"the name {name!r} holds {wrong!r}: letters, digits and . _ + - are allowed"
    if not _PLAIN.fullmatch(bare):
        return f"the name {name!r} begins with {bare[0]!r}: a letter or a digit must come first"
    return _fault_of_fields(name)


def _fault_of_fields(name: str) -> str | None:
    fields = _FIELD.findall(name)
    if len(set(fields)) < len(fields):
        return f"the family {name!r} names one field twice"
    if "}{" in name:
        return f"the family {name!r} has a field beside a field: where one number ends cannot be told"
    return None


class Family:
    """
    A pattern of names.

    Each ``{field}`` stands for a whole number of at most nine digits, written without leading zeros.

    Example:
        >>> Family("nanochat-2025-d{depth}").fields("nanochat-2025-d32")
        {'depth': 32}
        >>> Family("nanochat-2025-d{depth}").fields("nanochat-2025-d032") is None
        True
    """

    __slots__ = ("_names", "_shape", "pattern")

    def __init__(self, pattern: str) -> None:
        parts = _FIELD.split(pattern)
        self.pattern = pattern
        self._names = parts[1::2]
        self._shape = re.compile(_NUMBER.join(re.escape(part) for part in parts[::2]))

    def fields(self, name: str) -> dict[str, int] | None:
        """The numbers that make *name* one of this family, or None where it is not."""
        match = self._shape.fullmatch(name)
        if match is None:
            return None
        return {field: int(digits) for field, digits in zip(self._names, match.groups(), strict=True)}

    @staticmethod
    def is_pattern(name: str) -> bool:
        """Whether *name* holds a field."""
        return _FIELD.search(name) is not None
