"""
Where a number comes from, and how sure it is.

A :class:`Sourced` is a measured number with its unit and its :class:`Source`, in one object: there is no way to keep the
one and lose the other. An :class:`Estimate` is an answer: low, likely and high.
"""

import math
import operator
import sys
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import attrs

from llmplan import units
from llmplan.errors import SpecError, UnitError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pint import Quantity

__all__ = [
    "Basis",
    "Bytes",
    "BytesPerSecond",
    "Estimate",
    "FlopsPerSecond",
    "GramsPerKWh",
    "Hertz",
    "Measures",
    "Seconds",
    "Source",
    "SourceKind",
    "Sourced",
    "Watts",
]

SourceKind = Literal["datasheet", "paper", "measurement", "official", "secondary", "derived", "assumption", "generated"]
"""What a source is. ``generated`` is for the made-up ones of property tests."""

Basis = Literal["exact", "measured", "calibrated", "assumed"]
"""What an answer rests on: arithmetic, a measurement of this very thing, fitted constants, or assumptions."""

_BASES = get_args(Basis)  # a plan has some forty estimates, and asking typing costs as much as the rest of the check


@attrs.frozen
class Source:
    """
    Where a number comes from.

    Attributes:
        kind: What it is: a datasheet, a paper, a measurement, an official figure, a secondary report of one, a derivation
            from other numbers, an assumption, or made up for a test (``generated``).

        title: What the document is called, or the assumption in words. Never empty.

        url: Where it was read; may be empty.

        accessed: The day it was read, as an ISO date; may be empty.

        note: What a reader must know to use the number; may be empty.

    Raises:
        SpecError: A kind that there is not, an empty title, or a date that is none.

    Example:
        >>> str(Source("datasheet", "NVIDIA L40S datasheet", accessed="2026-08-20"))
        'NVIDIA L40S datasheet, read 2026-08-20'
        >>> str(Source.assumption("what if memory doubled"))
        'assumed: what if memory doubled'

    .. versionadded:: 0.1.0
    """

    kind: SourceKind
    title: str
    url: str = ""
    accessed: str = ""
    note: str = ""

    def __attrs_post_init__(self) -> None:
        faults = [
            f"expected a text, got {value!r:.80} @ Source.{name}"
            for name, value in attrs.asdict(self).items()
            if not isinstance(value, str)
        ] or [fault for fault in (_kind_fault(self.kind), _title_fault(self.title), _date_fault(self.accessed)) if fault]
        if faults:
            raise SpecError("Source", faults)

    @classmethod
    def assumption(cls, text: str) -> "Source":
        """
        A number that somebody assumes, and why, in words.

        Example:
            >>> Source.assumption("the display holds half a GiB").kind
            'assumption'
        """
        return cls("assumption", text)

    @classmethod
    def derived(cls, text: str) -> "Source":
        """
        A number that was calculated from others, and how, in words.

        Example:
            >>> Source.derived("a third of the sparse rate").kind
            'derived'
        """
        return cls("derived", text)

    def __str__(self) -> str:
        mark = {"assumption": "assumed: ", "derived": "derived: "}.get(self.kind, "")
        return f"{mark}{self.title}" + (f", read {self.accessed}" if self.accessed else "")


def _kind_fault(kind: str) -> str:
    kinds = get_args(SourceKind)
    if kind in kinds:
        return ""
    near = nearest(kind, kinds)
    hint = f". Did you mean {near!r}?" if near else ""
    return f"expected one of {', '.join(map(repr, kinds))}, got {kind!r:.80}{hint} @ Source.kind"


def _title_fault(title: str) -> str:
    return "" if title.strip() else "expected a text that is not empty @ Source.title"


def _date_fault(accessed: str) -> str:
    from datetime import date

    try:
        return "" if not accessed or date.fromisoformat(accessed).isoformat() == accessed else _no_date(accessed)
    except ValueError:
        return _no_date(accessed)


def _no_date(accessed: str) -> str:
    return f"expected a date such as '2026-08-20', got {accessed!r:.80} @ Source.accessed"


@attrs.frozen(init=False, eq=False, repr=False)
class Sourced:
    """
    A measured number with its unit and its source.

    It behaves like a pint quantity in sums, products and comparisons with one, on either side, and with another Sourced;
    the result is a plain quantity, as no source stands for it. A bare number is refused in sums and comparisons.

    Two are equal where their values and their sources are; one is equal to a pint quantity where the values are.

    Args:
        value: A text such as ``"80 GB"``, or a pint quantity. Finite.

        source: Where it comes from.

    Attributes:
        magnitude: The number, as the source prints it. [unit]

        unit: The unit, as the source prints it.

        source: Where it comes from.

    Raises:
        UnitError: *value* is a bare number, no quantity, or not finite.

        SpecError: *source* is no Source.

    Example:
        >>> memory = Sourced("80 GB", Source("datasheet", "a made-up card", accessed="2026-08-20"))
        >>> print(memory)
        80 GB [a made-up card, read 2026-08-20]
        >>> memory.si
        80000000000.0
        >>> print(round((memory - units.quantity(16, "GiB")).to("GiB"), 2))
        58.51 gibibyte

    .. versionadded:: 0.1.0
    """

    magnitude: float
    unit: str
    source: Source

    # numpy asks the right-hand side first where this is None, instead of making an array of objects.
    __array_ufunc__ = None

    def __init__(self, value: "str | Quantity[Any]", source: Source) -> None:
        units.introduce()
        if not isinstance(source, Source):
            raise SpecError("Sourced", (f"expected a Source, got {source!r:.80} @ Sourced.source",))
        magnitude, unit = _read(value)
        self.__attrs_init__(magnitude, unit, source)

    @property
    def quantity(self) -> "Quantity[Any]":
        """The value as a pint quantity of the application's registry."""
        return units.quantity(self.magnitude, self.unit)

    @property
    def si(self) -> float:
        """The value in its kind's base unit (:func:`llmplan.units.base`): byte, byte/second, FLOPS, watt, g/kWh, ..."""
        return self.magnitude * units.base(self.unit)[0]

    def to(self, unit: str) -> "Quantity[Any]":
        """
        The value as a pint quantity in *unit*.

        Raises:
            UnitError: *unit* measures something else.

        Example:
            >>> print(Sourced("1 GiB", Source.assumption("an example")).to("MiB"))
            1024.0 mebibyte
        """
        return units.quantity(units.magnitude(self, unit), unit)

    def __str__(self) -> str:
        return f"{self.magnitude:g} {self.unit} [{self.source}]"

    def __repr__(self) -> str:
        return f"Sourced('{self.magnitude!r} {self.unit}', {self.source!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sourced):
            return self._value == other._value and self.source == other.source
        if units.is_quantity(other):
            # What cannot be compared is not equal.
            try:
                return self._compared(other, operator.eq)
            except UnitError:
                return False
        _not_within_pint(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._value, self.source))

    def __lt__(self, other: "Sourced | Quantity[Any]") -> bool:
        return self._compared(other, operator.lt)

    def __le__(self, other: "Sourced | Quantity[Any]") -> bool:
        return self._compared(other, operator.le)

    def __gt__(self, other: "Sourced | Quantity[Any]") -> bool:
        return self._compared(other, operator.gt)

    def __ge__(self, other: "Sourced | Quantity[Any]") -> bool:
        return self._compared(other, operator.ge)

    def __add__(self, other: "Sourced | Quantity[Any]") -> "Quantity[Any]":
        return _done(operator.add, self.quantity, self._alike(other))

    def __radd__(self, other: "Quantity[Any]") -> "Quantity[Any]":
        return _done(operator.add, self._alike(other), self.quantity)

    def __sub__(self, other: "Sourced | Quantity[Any]") -> "Quantity[Any]":
        return _done(operator.sub, self.quantity, self._alike(other))

    def __rsub__(self, other: "Quantity[Any]") -> "Quantity[Any]":
        return _done(operator.sub, self._alike(other), self.quantity)

    def __mul__(self, other: "Any") -> "Quantity[Any]":  # noqa: ANN401  a number, an array or a quantity
        return _done(operator.mul, self.quantity, self._operand(other))

    def __rmul__(self, other: "Any") -> "Quantity[Any]":  # noqa: ANN401
        _not_within_pint(other)
        return _done(operator.mul, self._operand(other), self.quantity)

    def __truediv__(self, other: "Any") -> "Quantity[Any]":  # noqa: ANN401
        return _done(operator.truediv, self.quantity, self._operand(other))

    def __rtruediv__(self, other: "Any") -> "Quantity[Any]":  # noqa: ANN401
        _not_within_pint(other)
        return _done(operator.truediv, self._operand(other), self.quantity)

    @property
    def _value(self) -> tuple[float, str]:
        worth, kind = units.base(self.unit)
        return self.magnitude * worth, kind

    def _alike(self, other: "Any") -> "Quantity[Any]":  # noqa: ANN401
        """*other* as a quantity of the application's registry, of the kind of this one."""
        if isinstance(other, Sourced):
            other = other.quantity
        if not units.is_quantity(other):
            raise UnitError(other, f"a quantity in {self.unit}")
        units.factor(unit := f"{other.units:C}", self.unit)
        return units.quantity(other.magnitude, unit)

    def _operand(self, other: "Any") -> "Any":  # noqa: ANN401
        """*other* as something that pint can multiply: a number, an array, or a quantity of the application's registry."""
        if isinstance(other, Sourced):
            return other.quantity
        if units.is_quantity(other):
            return units.quantity(other.magnitude, f"{other.units:C}")
        if isinstance(other, (str, bytes, bool)) or other is None:
            raise UnitError(other, "a number or a quantity")
        return other

    def _compared(self, other: "Any", relation: "Callable[[Any, Any], bool]") -> bool:  # noqa: ANN401
        """Whether the relation holds; an array of answers where *other* holds an array."""
        theirs = self._alike(other)
        return relation(self._value[0], theirs.magnitude * units.base(f"{theirs.units:C}")[0])


def _done(operation: "Callable[[Any, Any], Quantity[Any]]", left: "Any", right: "Any") -> "Quantity[Any]":  # noqa: ANN401
    return operation(left, right)


def _read(value: "str | Quantity[Any]") -> tuple[float, str]:
    if not units.is_quantity(value):
        magnitude, unit = units.split(value)  # type: ignore[arg-type]  # which refuses what is no text
    else:
        unit = f"{value.units:~C}"
        # A symbol may stand for more than one unit; where it does not lead back, the name does.
        unit = unit if _leads_back(unit, value) else f"{value.units:C}"
        magnitude = units.magnitude(value, unit)
    units.base(unit)
    return magnitude, unit


def _leads_back(unit: str, value: "Quantity[Any]") -> bool:
    try:
        return units.factor(unit, f"{value.units:C}") == 1
    except UnitError:
        return False


def _not_within_pint(other: object) -> None:
    # A program that imports pint after its Sourced were made, and multiplies at once: pint has not been told yet, has
    # taken the Sourced for a number and would drop a unit from the answer.
    if units.introduce() and sys._getframe(2).f_globals["__name__"].startswith("pint."):  # noqa: SLF001
        raise UnitError(other, "a quantity", "pint was imported late and took a Sourced for a number: call llmplan.ureg() first")


@attrs.frozen(init=False, repr=False)
class Estimate:
    """
    An answer that is not known exactly: an interval, and the likely value in it.

    Args:
        low: The low end. [unit]

        likely: The median, or the best single value. [unit]

        high: The high end. [unit]

        unit: The unit's text; empty for a plain number.

        confidence: How likely the truth lies within.

        basis: What the answer rests on.

    Raises:
        UnitError: A number that is not finite, or a unit that is none.

        SpecError: The three are out of order, or the confidence or the basis is none.

    Example:
        >>> peak = Estimate(9.9, 10.3, 11.0, "GiB")
        >>> print(peak)
        10.3 GiB (9.9 - 11.0)
        >>> print(peak.likely)
        10.3 gibibyte

    .. versionadded:: 0.1.0
    """

    si: tuple[float, float, float]
    """Low, likely and high as plain numbers. [unit]"""
    unit: str
    confidence: float
    basis: Basis

    def __init__(  # noqa: PLR0917  three numbers, in the order in which they stand on a line
        self, low: float, likely: float, high: float, unit: str, confidence: float = 0.9, basis: Basis = "calibrated"
    ) -> None:
        numbers = (_finite(low, unit), _finite(likely, unit), _finite(high, unit))
        faults = tuple(_estimate_faults(numbers, confidence, basis))
        if faults:
            raise SpecError("Estimate", faults)
        units.base(unit)
        self.__attrs_init__(numbers, unit, confidence, basis)

    @classmethod
    def exact(cls, value: float, unit: str) -> "Estimate":
        """
        An answer that is arithmetic: low, likely and high are one.

        Example:
            >>> print(Estimate.exact(1.5, "GiB"))
            1.50 GiB
        """
        return cls(value, value, value, unit, confidence=1.0, basis="exact")

    @classmethod
    def of(cls, draws: "Any", unit: str, basis: Basis = "calibrated", *, confidence: float = 0.9) -> "Estimate":  # noqa: ANN401
        """
        The estimate that draws of an answer make: their median and central interval.

        Args:
            draws: Any number of draws, as an array or a list; a single number where nothing is uncertain. [unit]

            unit: The unit's text.

            basis: What the answer rests on.

            confidence: The share of the draws within: 0.9 is the 5 % to the 95 % quantile.

        Raises:
            UnitError: There is no draw, or one is not finite.

        Example:
            >>> Estimate.of([10.0, 11.0, 12.0], "s").si
            (10.1, 11.0, 11.9)
        """
        values = _ordered(draws)
        if not values or not all(map(math.isfinite, values)):
            raise UnitError(draws, f"finite draws in {unit or 'no unit'}")
        if not _is_share(confidence):
            raise SpecError("Estimate", (_no_share(confidence),))
        tail = (1 - confidence) / 2
        low, likely, high = (_quantile(values, share) for share in (tail, 0.5, 1 - tail))
        # Interpolating between two equal draws may leave them in the last bit.
        return cls(min(low, likely), likely, max(likely, high), unit, confidence, basis)

    @property
    def low(self) -> "Quantity[Any]":
        """The low end, as a pint quantity."""
        return units.quantity(self.si[0], self.unit)

    @property
    def likely(self) -> "Quantity[Any]":
        """The likely value, as a pint quantity."""
        return units.quantity(self.si[1], self.unit)

    @property
    def high(self) -> "Quantity[Any]":
        """The high end, as a pint quantity."""
        return units.quantity(self.si[2], self.unit)

    def to(self, unit: str) -> "Estimate":
        """
        The same estimate in another unit.

        Raises:
            UnitError: *unit* measures something else.

        Example:
            >>> Estimate.exact(2.0, "GiB").to("MiB").si[1]
            2048.0
        """
        by = units.factor(self.unit, unit)
        low, likely, high = self.si
        return Estimate(low * by, likely * by, high * by, unit, self.confidence, self.basis)

    def __str__(self) -> str:
        return units.spread(self.si, self.unit)

    def __repr__(self) -> str:
        low, likely, high = self.si
        return f"Estimate({low!r}, {likely!r}, {high!r}, {self.unit!r}, confidence={self.confidence!r}, basis={self.basis!r})"


def _ordered(draws: "Any") -> list[float]:  # noqa: ANN401
    """The draws from the lowest to the highest; none where one of them is no number."""
    # A plan has a dozen estimates of a few dozen draws each: sorting them here takes a tenth of numpy's quantile.
    flat = draws.ravel().tolist() if hasattr(draws, "ravel") else draws if isinstance(draws, (list, tuple)) else (draws,)
    try:
        return sorted(map(float, flat))
    except (TypeError, ValueError, OverflowError):
        return []


def _quantile(ordered: list[float], share: float) -> float:
    """The value below which a share of *ordered* lies, linear between two of them."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _finite(value: float, unit: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UnitError(value, f"a number in {unit or 'no unit'}") from None
    if isinstance(value, str) or not math.isfinite(number):
        raise UnitError(value, f"a finite number in {unit or 'no unit'}")
    return number


def _estimate_faults(numbers: tuple[float, float, float], confidence: float, basis: str) -> "list[str]":
    faults = []
    low, likely, high = numbers
    if not low <= likely <= high:
        faults.append(f"expected low <= likely <= high, got {low:g}, {likely:g}, {high:g} @ Estimate")
    if not _is_share(confidence):
        faults.append(_no_share(confidence))
    if basis not in _BASES:
        faults.append(f"expected one of {', '.join(map(repr, _BASES))}, got {basis!r:.80} @ Estimate.basis")
    return faults


def _is_share(confidence: object) -> bool:
    return isinstance(confidence, (int, float)) and 0 < confidence <= 1


def _no_share(confidence: object) -> str:
    return f"expected a share above 0 and at most 1, got {confidence!r:.80} @ Estimate.confidence"


@attrs.frozen
class Measures:
    """
    Beside ``Sourced`` in an annotation: which kind of quantity a field holds.

    Attributes:
        unit: The base unit of the kind, for messages and for checks.

    Example:
        >>> Measures("byte").unit
        'byte'

    .. versionadded:: 0.1.0
    """

    unit: str


Bytes = Annotated[Sourced, Measures("byte")]
BytesPerSecond = Annotated[Sourced, Measures("byte/second")]
FlopsPerSecond = Annotated[Sourced, Measures("FLOPS")]
Watts = Annotated[Sourced, Measures("watt")]
Hertz = Annotated[Sourced, Measures("hertz")]
Seconds = Annotated[Sourced, Measures("second")]
GramsPerKWh = Annotated[Sourced, Measures("g/kWh")]
