"""
Size: a letter, or arithmetic on letters, that gets its value later.

A program is written once for a *structure* and then asked about many shapes. So the sizes in it may be plain floats
(the program is for this one job), or they may be ``Size`` objects: expressions in letters such as ``T`` (tokens of a
micro-batch) that :func:`evaluate` gives their values, floats or numpy arrays. Emitters and the walk do not see the
difference, because both know ``+ - * /`` and the functions below.

Whatever Python's ``if`` may look at is structure. A size is not: asking one true or false is a TypeError, and a
threshold is written :func:`where`.

    >>> T = Size.letter("T")
    >>> buffers = where(T > 3072.0, 56.0 * T, 0.0)
    >>> evaluate([buffers], {"T": 4096.0})
    [229376.0]
    >>> bool(T > 3072.0)
    Traceback (most recent call last):
    ...
    TypeError: the size (T > 3072) has no truth of its own: write where(condition, a, b)
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Value = float | NDArray[np.float64]

Number = Union[float, "Size", "NDArray[np.float64]"]

#: PyTorch's allocator gives out multiples of it. [byte]
_UNIT = 512.0

_INTERNED: dict[tuple[Any, ...], "Size"] = {}


class Size:
    """
    An expression in letters. Equal expressions are one object, so that ``is`` compares them.

    Attributes:
        kind: "letter", or the name of the operation.
        args: The letter's name, or the operands.
    """

    __slots__ = ("__weakref__", "args", "kind")

    kind: str
    args: tuple[Any, ...]

    def __new__(cls, kind: str, args: tuple[Any, ...]) -> "Size":  # noqa: PYI034  nothing derives from it
        key = (kind, *args)  # sizes among them are told apart by identity
        known = _INTERNED.get(key)
        if known is not None:
            return known
        made = super().__new__(cls)
        made.kind, made.args = kind, args
        return _INTERNED.setdefault(key, made)

    @staticmethod
    def letter(name: str) -> "Size":
        """The letter *name*, which :func:`evaluate` must be given a value for."""
        return Size("letter", (name,))

    def __bool__(self) -> bool:
        msg = f"the size {self} has no truth of its own: write where(condition, a, b)"
        raise TypeError(msg)

    def __reduce__(self) -> tuple[Callable[..., "Size"], tuple[Any, ...]]:
        return Size, (self.kind, self.args)

    def __copy__(self) -> "Size":
        return self

    def __deepcopy__(self, memo: object) -> "Size":
        return self

    def __add__(self, other: Number) -> Number:
        return _made("+", self, other)

    def __radd__(self, other: Number) -> Number:
        return _made("+", other, self)

    def __sub__(self, other: Number) -> Number:
        return _made("-", self, other)

    def __rsub__(self, other: Number) -> Number:
        return _made("-", other, self)

    def __mul__(self, other: Number) -> Number:
        return _made("*", self, other)

    def __rmul__(self, other: Number) -> Number:
        return _made("*", other, self)

    def __truediv__(self, other: Number) -> Number:
        return _made("/", self, other)

    def __rtruediv__(self, other: Number) -> Number:
        return _made("/", other, self)

    def __floordiv__(self, other: Number) -> Number:
        return _made("//", self, other)

    def __rfloordiv__(self, other: Number) -> Number:
        return _made("//", other, self)

    def __neg__(self) -> Number:
        return _made("*", -1.0, self)

    def __gt__(self, other: Number) -> "Size":
        return Size(">", (self, other))

    def __lt__(self, other: Number) -> "Size":
        return Size("<", (self, other))

    def __ge__(self, other: Number) -> "Size":
        return Size(">=", (self, other))

    def __le__(self, other: Number) -> "Size":
        return Size("<=", (self, other))

    def __str__(self) -> str:
        texts = [a.__str__() if isinstance(a, Size) else f"{a:g}" if isinstance(a, float) else str(a) for a in self.args]
        if self.kind == "letter":
            return texts[0]
        if self._is_rounded():
            return f"rounded({self.args[0].args[0].args[0]})"
        if self.kind.isidentifier():
            return f"{self.kind}({', '.join(texts)})"
        return f"({texts[0]} {self.kind} {texts[1]})"

    __repr__ = __str__

    def _is_rounded(self) -> bool:
        """Whether this is what :func:`rounded` makes with the allocator's unit."""
        up = self.args[0]
        if self.kind != "*" or self.args[1] != _UNIT or not (isinstance(up, Size) and up.kind == "ceil"):
            return False
        share = up.args[0]
        return isinstance(share, Size) and share.kind == "/" and share.args[1] == _UNIT


#: What changes nothing on the right of an operation, and on the left of a sum or a product too.
_UNITS = {"+": 0.0, "-": 0.0, "*": 1.0, "/": 1.0}


def _made(kind: str, a: Number, b: Number) -> Number:
    """The operation's node, or what it comes to where an operand says nothing new."""
    unit = _UNITS.get(kind)
    if isinstance(b, (int, float)) and b == unit:
        return a
    if kind in "+*" and isinstance(a, (int, float)) and a == unit:
        return b
    return Size(kind, (a, b))


def _is_size(*values: object) -> bool:
    return any(isinstance(v, Size) for v in values)


def _has_array(*values: object) -> bool:
    return any(hasattr(v, "shape") for v in values)


def where(condition: Any, a: Number, b: Number) -> Number:  # noqa: ANN401  a Size, a bool or an array of bools
    """*a* where the *condition* holds, *b* elsewhere."""
    if _is_size(condition):
        return Size("where", (condition, a, b))
    chosen: Number = _where(condition, a, b)
    return chosen


def maximum(a: Number, b: Number) -> Number:
    """The larger of two sizes."""
    larger: Number = Size("maximum", (a, b)) if _is_size(a, b) else _maximum(a, b)
    return larger


def minimum(a: Number, b: Number) -> Number:
    """The smaller of two sizes."""
    smaller: Number = Size("minimum", (a, b)) if _is_size(a, b) else _minimum(a, b)
    return smaller


def total(sizes: Iterable[Number]) -> Number:
    """The sum of sizes; 0 of none."""
    found: Number = 0.0
    for size in sizes:
        found = found + size
    return found


def largest(sizes: Iterable[Number]) -> Number:
    """The largest of sizes that are never negative; 0 of none."""
    found: Number = 0.0
    for size in sizes:
        found = maximum(found, size)
    return found


def ceil(a: Number) -> Number:
    """The next whole number."""
    whole: Number = Size("ceil", (a,)) if _is_size(a) else _ceil(a)
    return whole


def power_of_two(a: Number) -> Number:
    """The next power of two; 1 of what is below."""
    power: Number = Size("power", (a,)) if _is_size(a) else _power(a)
    return power


def rounded(a: Number, unit: float = _UNIT) -> Number:
    """*a* rounded up to a multiple of *unit*: PyTorch's allocator gives out multiples of 512 bytes. [byte]"""
    return ceil(a / unit) * unit


def _where(c: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    if type(c) is bool and not _has_array(a, b):
        return a if c else b
    import numpy as np

    return np.where(c, a, b)


def _maximum(a: Any, b: Any) -> Any:  # noqa: ANN401
    if type(a) is type(b) is float or not _has_array(a, b):
        return max(a, b)
    import numpy as np

    return np.maximum(a, b)


def _minimum(a: Any, b: Any) -> Any:  # noqa: ANN401
    if type(a) is type(b) is float or not _has_array(a, b):
        return min(a, b)
    import numpy as np

    return np.minimum(a, b)


def _ceil(a: Any) -> Any:  # noqa: ANN401
    if type(a) is float or not _has_array(a):
        return float(math.ceil(a))
    import numpy as np

    return np.ceil(a)


def _power(a: Any) -> Any:  # noqa: ANN401
    if not _has_array(a):
        return float(1 << (max(math.ceil(a), 1) - 1).bit_length())
    import numpy as np

    return np.exp2(np.ceil(np.log2(np.maximum(np.ceil(a), 1.0))))


_MEANING: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "where": _where,
    "maximum": _maximum,
    "minimum": _minimum,
    "ceil": _ceil,
    "power": _power,
}


def _key(size: Number) -> Any:  # noqa: ANN401
    """What tells two operands apart."""
    return size if isinstance(size, Size) else ("value", float(size) if isinstance(size, (int, float)) else id(size))


class Evaluator:
    """
    Sizes made ready to be evaluated often: each sub-expression once, in an order in which operands come first.

    Attributes:
        letters: Names that need a value.
    """

    def __init__(self, sizes: Sequence[Number]) -> None:
        self._slots: list[Any] = []
        self._letters: list[tuple[int, str]] = []
        self._steps: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
        places: dict[Any, int] = {}
        self._roots = [self._place(s, places) for s in sizes]
        self.letters = tuple(name for _, name in self._letters)

    def _place(self, size: Number, places: dict[Any, int]) -> int:
        """The slot of *size*, made on first sight; without recursion, as a sum may be longer than Python's stack is deep."""
        pending = [size]
        while pending:
            part = pending[-1]
            missing = [] if _key(part) in places else self._missing(part, places)
            pending += missing
            if not missing:
                pending.pop()
        return places[_key(size)]

    def _missing(self, size: Number, places: dict[Any, int]) -> list[Number]:
        """Operands of *size* that have no slot yet; where there are none, *size* gets its own."""
        if not isinstance(size, Size):
            self._slot(_key(size), size, places)
            return []
        if size.kind == "letter":
            self._letters.append((self._slot(_key(size), None, places), size.args[0]))
            return []
        missing = [a for a in size.args if _key(a) not in places]
        if not missing:
            operands = tuple(places[_key(a)] for a in size.args)
            self._steps.append((self._slot(_key(size), None, places), _MEANING[size.kind], operands))
        return missing

    def _slot(self, key: object, value: object, places: dict[Any, int]) -> int:
        places[key] = len(self._slots)
        self._slots.append(value)
        return places[key]

    def __call__(self, values: Mapping[str, "Value"]) -> list["Value"]:
        """The sizes' values, in the order given, where each letter has its value of *values*."""
        slots = self._slots.copy()
        for slot, name in self._letters:
            slots[slot] = values[name]
        for slot, meaning, operands in self._steps:
            if len(operands) == 2:  # noqa: PLR2004  nearly all have two, and this is the inner loop of a plan
                slots[slot] = meaning(slots[operands[0]], slots[operands[1]])
            else:
                slots[slot] = meaning(*[slots[o] for o in operands])
        return [slots[r] for r in self._roots]


def evaluate(sizes: Sequence[Number], values: Mapping[str, "Value"]) -> list["Value"]:
    """
    The values of *sizes* where each letter has its value of *values*.

    Example:
        >>> T, d = Size.letter("T"), Size.letter("d")
        >>> evaluate([rounded(2.0 * T * d)], {"T": 3.0, "d": 100.0})
        [1024.0]
    """
    return Evaluator(sizes)(values)
