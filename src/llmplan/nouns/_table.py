"""Table: a mapping that stays as it was made, so that a noun holding one can be hashed."""

import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import MappingProxyType
from typing import Any, TypeVar

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

_DEEPEST = 32
_MOST_BITS = 1000

NULL: Mapping[str, bool] = {"null": True}
"""How a null is written where a language has none."""


class Table(Mapping[K, V_co]):
    """
    A mapping that cannot be changed. Hashable where its values are, and equal to a dict with the same items.

    Args:
        items: A mapping, copied. Its order is kept for printing and does not matter for equality.

    Example:
        >>> rates = Table({"bf16": 2, "fp8": 1})
        >>> rates["bf16"], rates == {"fp8": 1, "bf16": 2}
        (2, True)
        >>> {rates: "found"}[Table({"fp8": 1, "bf16": 2})]
        'found'

    .. versionadded:: 0.1.0
    """

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[K, V_co] | None = None) -> None:
        # A proxy, so that not even a friend who reaches for the slot can change what others have hashed.
        self._items: Mapping[K, V_co] = MappingProxyType(dict(items or {}))
        self._hash: int | None = None

    def __getitem__(self, key: K) -> V_co:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def keys(self) -> KeysView[K]:
        """The keys, in the order in which they were given."""
        return self._items.keys()

    def values(self) -> ValuesView[V_co]:
        """The values, in the order in which they were given."""
        return self._items.values()

    def items(self) -> ItemsView[K, V_co]:
        """The pairs of key and value, in the order in which they were given."""
        return self._items.items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return self._items == other._items
        if isinstance(other, Mapping):
            return dict(self._items) == dict(other)
        return NotImplemented

    def __hash__(self) -> int:
        # Schedules have hundreds of entries and are looked up often: their hash is taken once.
        if self._hash is None:
            self._hash = hash(frozenset(self._items.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Table({dict(self._items)!r})"

    def __reduce__(self) -> tuple[type["Table[K, V_co]"], tuple[dict[K, V_co]]]:
        # The hash of a text differs from process to process, so it is not carried along.
        return Table, (dict(self._items),)

    def __copy__(self) -> "Table[K, V_co]":
        return self

    def __deepcopy__(self, memo: object) -> "Table[K, V_co]":
        return self


def freeze(value: Any, *, depth: int = _DEEPEST) -> Any:  # noqa: ANN401  whatever JSON or TOML can say
    """
    Plain data made unchangeable: dict to :class:`Table`, list to tuple, all the way down.

    ``{"null": True}`` becomes None: TOML has no null, and in a config.json a null says something else than an absent key.

    Args:
        value: What JSON or TOML can say: text, numbers, booleans, None, lists, dicts with text keys.

        depth: How many levels of lists and dicts may lie inside one another.

    Raises:
        ValueError: A number that is not finite or too long, a key that is no text, another type, or too many levels.

    Example:
        >>> freeze({"layers": [1, 2], "rope": {"factor": 8.0}})
        Table({'layers': (1, 2), 'rope': Table({'factor': 8.0})})
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _finite(value)
    if isinstance(value, str):
        return _text(value, "text")
    if depth == 0:
        msg = f"lists and tables lie more than {_DEEPEST} deep inside one another"
        raise ValueError(msg)
    if isinstance(value, Mapping):
        if value == NULL:
            return None
        return Table({_text(key, "text as a key"): freeze(item, depth=depth - 1) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item, depth=depth - 1) for item in value)
    msg = f"expected text, a number, a boolean, a list or a table, got {type(value).__name__} {value!r:.80}"
    raise ValueError(msg)


def thaw(value: Any) -> Any:  # noqa: ANN401
    """
    The plain dicts and lists of what :func:`freeze` made.

    Example:
        >>> thaw(Table({"layers": (1, 2)}))
        {'layers': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


def _finite(value: float) -> float:
    # Python neither computes with larger whole numbers nor writes the longest of them out.
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        msg = f"expected a whole number of at most {_MOST_BITS:,} bits, got one of {value.bit_length():,}"
        raise ValueError(msg)
    if math.isfinite(value):
        return value
    msg = f"expected a finite number, got {value}"
    raise ValueError(msg)


def _text(value: object, wanted: str) -> str:
    if isinstance(value, str) and is_unicode(value):
        return value
    msg = f"expected {wanted}, in Unicode, got {type(value).__name__} {value!r:.80}"
    raise ValueError(msg)


def is_unicode(text: str) -> bool:
    """Whether *text* can be written to a file: JSON can spell halves of characters, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
