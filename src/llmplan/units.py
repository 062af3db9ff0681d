"""
Units: from text to numbers, and the one door to pint.

The registry is the application's own, as ``pint.get_application_registry()`` has it when it is asked, so quantities of
llmplan and of the program that uses it can be added up. It is given a few units more: FLOP, FLOPS, token and the
currencies.

Two things are stricter than in pint. What a unit measures is told from its root units and not from its dimensionality,
for which a byte, a radian and the number one are the same. And a text is taken apart by a small grammar, as pint's own
parser reads ``70B`` as bytes and ``8k`` as Boltzmann constants, and calculates ``9**9**9`` for as long as it takes.

pint is imported when something needs it. The units that everybody uses are in a table here, so that reading a catalogue
of cards does not.
"""

import functools
import math
import re
import sys
import threading
import weakref

from llmplan.errors import UnitError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from pint import Quantity, Unit, UnitRegistry

__all__ = ["CURRENCIES", "base", "factor", "human", "introduce", "is_quantity", "magnitude", "quantity", "split", "spread", "ureg"]

CURRENCIES = (  # noqa: SIM905  # seven lines are easier to check than a list of 154
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP "
    "CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR "
    "IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU "
    "MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG "
    "SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST "
    "XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
).split()
"""The currencies in use, by their ISO 4217 codes. Each is a dimension of its own: rates of exchange change by the day."""

_EXTRA = {
    "FLOP": "FLOP = [flop]",
    "FLOPS": "FLOPS = FLOP / second",
    "token": "token = [token]",
    **{code: f"{code} = [currency_{code}]" for code in CURRENCIES},
}

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60}


def _common() -> dict[str, tuple[float, str]]:
    """The units that everybody uses: what each is worth in the base unit of its kind, and that base unit."""
    amounts = {f"{prefix}B": (worth, "byte") for prefix, worth in (_DECIMAL | _BINARY).items()}
    amounts |= {f"{prefix}bit": (worth / 8, "byte") for prefix, worth in (_DECIMAL | _BINARY).items()}
    amounts |= {"byte": (1.0, "byte"), "bytes": (1.0, "byte")}
    rates = {f"{text}/{per}": (worth, "byte/second") for text, (worth, _) in amounts.items() for per in ("s", "second")}
    rates |= {f"{prefix}bps": (worth / 8, "byte/second") for prefix, worth in _DECIMAL.items()}
    work = {f"{prefix}FLOP": (worth, "FLOP") for prefix, worth in (_DECIMAL | {"Z": 1e21, "Y": 1e24}).items()}
    speed = {f"{prefix}FLOPS": (worth, "FLOPS") for prefix, worth in _DECIMAL.items()}
    speed |= {f"{text}/s": (worth, "FLOPS") for text, (worth, _) in work.items()}
    power = {f"{prefix}W": (worth, "watt") for prefix, worth in _DECIMAL.items()} | {"watt": (1.0, "watt"), "mW": (1e-3, "watt")}
    energy = {f"{prefix}J": (worth, "joule") for prefix, worth in _DECIMAL.items()} | {"joule": (1.0, "joule")}
    energy |= {f"{prefix}Wh": (worth * 3600, "joule") for prefix, worth in _DECIMAL.items()}
    pace = {f"{prefix}Hz": (worth, "hertz") for prefix, worth in _DECIMAL.items()} | {"hertz": (1.0, "hertz")}
    mass = {"g": (1.0, "gram"), "gram": (1.0, "gram"), "kg": (1e3, "gram"), "t": (1e6, "gram")}
    carbon = {"g/kWh": (1.0, "g/kWh"), "kg/kWh": (1e3, "g/kWh"), "kg/MWh": (1.0, "g/kWh"), "t/MWh": (1e3, "g/kWh")}
    time = {"s": 1.0, "second": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "minute": 60.0, "h": 3600.0}
    time |= {"hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0, "week": 604800.0}
    counts = {text: (1.0, text) for text in ("dimensionless", "token")} | {"tokens": (1.0, "token")}
    counts |= {"token/s": (1.0, "token/second"), "tokens/s": (1.0, "token/second"), "token/second": (1.0, "token/second")}
    counts |= {"FLOP/token": (1.0, "FLOP/token")}
    seconds = {text: (worth, "second") for text, worth in time.items()}
    return amounts | rates | work | speed | power | energy | pace | mass | carbon | seconds | counts


_COMMON = _common()
_BASES = tuple(dict.fromkeys(name for _, name in _COMMON.values()))

# One lock around everything that changes a registry: pint's lazy registry is visible half-made while it is being read,
# and a unit with a prefix is defined when it is first parsed, twice where two threads meet.
_LOCK = threading.RLock()
_PREPARED: "weakref.WeakSet[UnitRegistry[Any]]" = weakref.WeakSet()


def ureg() -> "UnitRegistry[Any]":
    """
    The application's pint registry as it is now, with the units FLOP, FLOPS, token and the currencies in it.

    A program that called ``pint.set_application_registry`` gets its own back. A unit that it had already defined under
    one of these names is left as it was.

    Example:
        >>> round(ureg().Quantity(12, "GiB").to("GB").magnitude, 3)
        12.885
        >>> print(ureg().Quantity(29.15, "TFLOPS").to_base_units())
        29150000000000.0 FLOP / second

    .. versionadded:: 0.1.0
    """
    import pint

    shared = pint.get_application_registry()  # type: ignore[no-untyped-call]
    registry: UnitRegistry[Any] = shared.get()
    if registry in _PREPARED:
        return registry
    # pint's lazy registry turns real the moment that somebody looks at it, and is the same object before and after.
    with _LOCK:
        # Asked again: another thread may have prepared it, or the program have set another, while this one waited.
        registry = shared.get()
        if registry not in _PREPARED:
            _prepare(registry)
            _PREPARED.add(registry)
    return registry


def _prepare(registry: "UnitRegistry[Any]") -> None:
    registry.Unit  # noqa: B018  any attribute makes a real registry of pint's lazy one
    known = set(registry)
    registry.load_definitions([text for name, text in _EXTRA.items() if name not in known])
    introduce()


_SOURCED = "llmplan.sources.Sourced"  # by name, as this module stands below the class


def introduce() -> bool:
    """
    Tell pint, if anybody has imported it, to leave operations with a ``Sourced`` to that class.

    Otherwise pint takes what it does not know for a plain number, and ``quantity * sourced`` forgets a unit.

    Returns:
        Whether it had to be told.

    .. versionadded:: 0.1.0
    """
    # Looked up and not imported: another thread may be in the midst of importing pint, and two that each hold a part of
    # it wait for one another. Some versions annotate the map as read-only, and write to it themselves.
    told: dict[str, type | None] | None = getattr(sys.modules.get("pint.compat"), "upcast_type_map", None)
    if told is None:
        return False
    new = _SOURCED not in told
    if new:
        told[_SOURCED] = None
    return new


def quantity(magnitude: "Any", unit: str) -> "Quantity[Any]":  # noqa: ANN401  a number or an array, as pint takes them
    """
    A pint quantity in the application's registry.

    Args:
        magnitude: A number or a numpy array. [unit]

        unit: A unit text such as ``"GB/s"``; empty for a plain number.

    Raises:
        UnitError: *unit* is no unit.

    Example:
        >>> print(quantity(504, "GB/s") * quantity(2, "s"))
        1008 gigabyte

    .. versionadded:: 0.1.0
    """
    registry = ureg()
    made: Quantity[Any] = registry.Quantity(magnitude, _unit(registry, unit))
    return made


def is_quantity(value: object) -> "TypeGuard[Quantity[Any]]":
    """
    Whether *value* is a pint quantity, of any registry. Does not import pint: where nobody has, nothing is one.

    Example:
        >>> is_quantity(quantity(80, "GB")), is_quantity(80)
        (True, False)

    .. versionadded:: 0.1.0
    """
    # Looked up and not imported, as in introduce().
    plain = getattr(sys.modules.get("pint.facets.plain"), "PlainQuantity", None)
    return plain is not None and isinstance(value, plain)


_LONGEST = 200
_NUMBER = re.compile(r"[+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def split(text: str) -> tuple[float, str]:
    """
    Take a quantity's text apart into its number and its unit.

    Args:
        text: A number and a unit, ``"80 GB"``. The unit is a product or quotient of names, each with at most one power
            of one digit: ``"g/kWh"``, ``"m**2"``.

    Returns:
        The number, finite, and the unit's text without blanks.

    Raises:
        UnitError: There is no number, no unit, a number that is not finite, or a unit that is easily mistaken: ``70B``,
            ``8k``, ``1 Gb``. Whether the unit exists is not asked here, but by :func:`factor` and :func:`quantity`.

    Example:
        >>> split("80 GB")
        (80.0, 'GB')
        >>> split("70B")
        Traceback (most recent call last):
        llmplan.errors.UnitError: expected a quantity such as '80 GB', got '70B': as a unit, 'B' is byte: write '70 B' for
        that, and 7e+10 for a count

    .. versionadded:: 0.1.0
    """
    if not isinstance(text, str):
        raise UnitError(text, _QUANTITY, "" if isinstance(text, (int, float)) else f"{type(text).__name__} is no text")
    stripped = text.strip()
    number = _NUMBER.match(stripped) if len(stripped) <= _LONGEST else None
    if number is None:
        raise UnitError(text, _QUANTITY, "it does not begin with a number")
    value, unit = float(number.group()), stripped[number.end() :]
    if not math.isfinite(value):
        raise UnitError(text, _QUANTITY, "the number is not finite")
    if unit[:1] == ",":
        raise UnitError(text, _QUANTITY, "write numbers without commas: 1000 or 1_000")
    _refuse_count(text, number.group(), unit)
    if not unit:
        raise UnitError(text, _QUANTITY, "the unit is missing")
    return value, _normal(unit)


_QUANTITY = "a quantity such as '80 GB'"

# What "70B", "8k", "128K" are meant as, and what pint makes of them.
_COUNTS = {"k": (1e3, "the Boltzmann constant"), "K": (1e3, "kelvin"), "M": (1e6, "mole per litre"), "m": (1e6, "metre")}
_COUNTS |= {"B": (1e9, "byte"), "b": (1e9, "barn"), "G": (1e9, "gauss"), "T": (1e12, "tesla")}


def _refuse_count(text: str, number: str, unit: str) -> None:
    if unit in _COUNTS:  # with a blank between them, it is a quantity
        worth, meaning = _COUNTS[unit]
        count = f"{float(number) * worth:g}"
        reason = f"as a unit, {unit!r} is {meaning}: write '{number} {unit}' for that, and {count} for a count"
        raise UnitError(text, _QUANTITY, reason)


_NAME = r"[A-Za-zµμΩ°%][A-Za-z0-9_]*"
_TERM = rf"{_NAME}(?:\s*(?:\*\*|\^)\s*[+-]?\d(?![\d.]))?"
_GRAMMAR = re.compile(rf"(?:1(?=\s*/)|{_TERM})(?:(?:\s*(?:/|·|\*(?!\*))\s*|\s+per\s+){_TERM})*")

# A bit that is written as b: a barn, a millibarn, a gilbert to pint. Somebody means bits, and somebody else bytes.
_LITTLE_B = re.compile(r"\b(?:([kKMGTPE]i?|[mgtp])b|b)\b")


@functools.lru_cache(maxsize=4096)
def _normal(unit: str) -> str:
    """*unit* without blanks and in pint's own spelling; UnitError where it is no unit text."""
    text = unit.strip() or "dimensionless"
    if text in _COMMON:
        return text
    if len(text) > _LONGEST or not _GRAMMAR.fullmatch(text):
        raise UnitError(unit, _UNIT, "a unit is a product or quotient of names, each with at most one power of one digit")
    text = re.sub(r"\s+per\s+", "/", text).replace("^", "**").replace("·", "*").replace("μ", "µ")
    text = re.sub(r"\s+", "", text)
    if mistaken := _LITTLE_B.search(text):
        prefix = mistaken.group(1) or ""
        prefix = "k" if prefix in {"k", "K"} else prefix[:1].upper() + prefix[1:]
        reason = f"{mistaken.group()!r} is mistaken too easily: write '{prefix}B' for bytes, '{prefix}bit' for bits"
        raise UnitError(unit, _UNIT, reason)
    return text


_UNIT = "a unit such as 'GB/s'"


@functools.lru_cache(maxsize=4096)
def _unit(registry: "UnitRegistry[Any]", unit: str) -> "Unit":
    """The unit that *unit* names in *registry*. Kept, as pint takes ten times as long to find it as to use it."""
    text = _normal(unit)
    from pint import PintError

    with _LOCK:
        try:
            return registry.Unit(text)
        # pint raises the errors of the standard library, too, on texts that it cannot make sense of.
        except (PintError, ValueError, TypeError, AttributeError, KeyError) as exc:
            raise UnitError(unit, _UNIT, _unknown(text)) from exc


def _unknown(text: str) -> str:
    near = nearest(text, _COMMON)
    hint = f". Did you mean {near!r}?" if near else ""
    return f"there is no such unit{hint}"


def base(unit: str) -> tuple[float, str]:
    """
    What one *unit* is worth in the base unit of its kind, and that base unit.

    Two units measure the same thing where their base units are equal. The base units are byte, byte/second, FLOP,
    FLOPS, watt, joule, second, hertz, gram, token and token/second; g/kWh for carbon intensity, which is stated so
    everywhere; and pint's root units for everything else.

    Raises:
        UnitError: *unit* is no unit, or one with a zero of its own, such as a degree Celsius.

    Example:
        >>> base("GiB"), base("kWh")
        ((1073741824.0, 'byte'), (3600000.0, 'joule'))
        >>> base("USD/kWh")[1] == base("TWD/kWh")[1]
        False

    .. versionadded:: 0.1.0
    """
    text = _normal(unit)
    return _COMMON[text] if text in _COMMON else _rooted_base(ureg(), text)


@functools.lru_cache(maxsize=4096)
def _rooted_base(registry: "UnitRegistry[Any]", unit: str) -> tuple[float, str]:
    worth, root = _rooted(registry, unit)
    for name in _BASES:
        base_worth, base_root = _rooted(registry, name)
        if root == base_root:
            return worth / base_worth, name
    return worth, root


@functools.lru_cache(maxsize=4096)
def _rooted(registry: "UnitRegistry[Any]", unit: str) -> tuple[float, str]:
    found = _unit(registry, unit)
    with _LOCK:
        worth, root = registry.get_root_units(found)
        # What is nothing must be nothing in any unit: not so for degrees Celsius and decibels.
        zero = registry.Quantity(0.0, found).to_root_units().magnitude
    if zero != 0:
        raise UnitError(unit, _UNIT, f"it has a zero of its own: use {root}")
    # Complex only in a registry of complex numbers, which no registry of units of ours is.
    return float(worth), f"{root:C}"  # type: ignore[arg-type]


def factor(unit: str, target: str) -> float:
    """
    What to multiply a number in *unit* by to have it in *target*.

    Raises:
        UnitError: One of them is no unit, or they measure different things: a byte is no radian, and a byte per second
            no hertz, whatever their dimensionality.

    Example:
        >>> factor("GiB", "MB")
        1073.741824
        >>> factor("GB/s", "Hz")
        Traceback (most recent call last):
        llmplan.errors.UnitError: expected a unit of the same kind as 'Hz', got 'GB/s': it measures byte/second and not hertz

    .. versionadded:: 0.1.0
    """
    (worth, kind), (goal, wanted) = base(unit), base(target)
    if kind != wanted:
        raise UnitError(unit, f"a unit of the same kind as {target!r}", _differs(kind, wanted))
    return worth / goal


def _differs(kind: str, wanted: str) -> str:
    hint = " (a rate is written TFLOPS or TFLOP/s, with a capital S)" if (kind, wanted) == ("FLOP", "FLOPS") else ""
    return f"it measures {kind} and not {wanted}{hint}"


def magnitude(value: "Any", target: str) -> float:  # noqa: ANN401  what it is given is what it checks
    """
    The number that *value* is in *target*.

    Args:
        value: A text, a ``Sourced`` or a pint quantity of any registry. Never a bare number.

        target: A unit text.

    Returns:
        A finite number. [target]

    Raises:
        UnitError: A bare number, a text that is no quantity, another kind of unit, or a number that is not finite.

    Example:
        >>> magnitude("12 GiB", "byte")
        12884901888.0
        >>> magnitude(80, "byte")
        Traceback (most recent call last):
        llmplan.errors.UnitError: expected a quantity in byte, got the bare number 80

    .. versionadded:: 0.1.0
    """
    number, unit = _parts(value, target)
    (worth, kind), (goal, wanted) = base(unit), base(target)
    if kind != wanted:
        raise UnitError(value, f"a quantity in {target}", _differs(kind, wanted))
    result = number * (worth / goal)
    if not math.isfinite(result):
        raise UnitError(value, f"a quantity in {target}", "the number is not finite")
    return result


def _parts(value: "Any", target: str) -> tuple[float, str]:  # noqa: ANN401
    if isinstance(value, str):
        return split(value)
    if is_quantity(value):
        try:
            return float(value.magnitude), f"{value.units:C}"
        except (TypeError, ValueError, OverflowError):
            raise UnitError(value, f"a quantity in {target}", "it is not a single number") from None
    unit = getattr(value, "unit", None)
    if isinstance(unit, str) and hasattr(value, "magnitude"):
        return value.magnitude, unit
    raise UnitError(value, f"a quantity in {target}")


# For people: the units of each kind, smallest first, each with the least number of them that is worth saying.
_LADDERS: dict[str, tuple[tuple[str, float], ...]] = {
    "byte": (("B", 0), ("KiB", 1), ("MiB", 1), ("GiB", 1), ("TiB", 1), ("PiB", 1)),
    "byte/second": (("B/s", 0), ("kB/s", 1), ("MB/s", 1), ("GB/s", 1), ("TB/s", 1)),
    "FLOP": (("FLOP", 0), ("GFLOP", 1), ("TFLOP", 1), ("PFLOP", 1), ("EFLOP", 1), ("ZFLOP", 1), ("YFLOP", 1)),
    "FLOPS": (("FLOPS", 0), ("GFLOPS", 1), ("TFLOPS", 1), ("PFLOPS", 1), ("EFLOPS", 1)),
    "watt": (("W", 0), ("kW", 1), ("MW", 1), ("GW", 1)),
    "joule": (("J", 0), ("Wh", 1), ("kWh", 1), ("MWh", 10), ("GWh", 1)),
    "second": (("ns", 0), ("us", 1), ("ms", 1), ("s", 1), ("min", 2), ("h", 2), ("days", 2)),
    "hertz": (("Hz", 0), ("kHz", 1), ("MHz", 1), ("GHz", 1)),
    "gram": (("g", 0), ("kg", 1), ("t", 1)),
}


def human(value: float, unit: str) -> str:
    """
    A number and its unit as people say them, to about three digits.

    Args:
        value: A number. [unit]

        unit: Any unit text.

    Example:
        >>> human(12884901888, "byte"), human(3.2e6, "second"), human(250, "watt"), human(3.6e9, "joule")
        ('12.0 GiB', '37.0 days', '250 W', '1,000 kWh')

    .. versionadded:: 0.1.0
    """
    return spread((value,), unit)


def spread(values: tuple[float, ...], unit: str) -> str:
    """
    Like :func:`human` for a likely value and the low and high ones around it, all in one unit.

    Args:
        values: The likely value alone, or low, likely and high. [unit]

        unit: Any unit text.

    Example:
        >>> spread((9.9, 10.3, 11.0), "GiB")
        '10.3 GiB (9.9 - 11.0)'

    .. versionadded:: 0.1.0
    """
    likely = values[len(values) // 2]
    shown = _rung(likely, unit)
    scale = 1.0 if shown == unit else factor(unit, shown)
    digits = _digits(likely * scale, shown)
    low, middle, high = (format(value * scale, digits) for value in (values[0], likely, values[-1]))
    name = "" if shown in {"", "dimensionless"} else f" {shown}"
    return f"{middle}{name}" if low == high else f"{middle}{name} ({low} - {high})"


def _rung(value: float, unit: str) -> str:
    worth, kind = _COMMON.get(unit, (1.0, ""))
    ladder = _LADDERS.get(kind, ())
    # Nothing at all is said in the unit in which it was asked.
    if not ladder or not math.isfinite(value) or value == 0:
        return unit
    reached = [text for text, least in ladder if abs(value) * worth >= least * _COMMON[text][0]]
    return reached[-1]


def _digits(value: float, unit: str) -> str:
    size = float(f"{abs(value):.12g}")  # a factor may leave one kWh in the last bit below one
    if unit in CURRENCIES:
        return ",.2f"
    if size >= 1e6 or 0 < size < 1:  # noqa: PLR2004  powers of ten, where digits move
        return ".3g"
    return ",.0f" if size >= 100 else ",.1f" if size >= 10 else ",.2f"  # noqa: PLR2004
