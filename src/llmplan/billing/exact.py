"""Numbers as they were written: a float becomes the fraction that its decimal notation means."""

from collections.abc import Iterable
from fractions import Fraction


def exact(value: float | str | Fraction) -> Fraction:
    """
    The number that was written down, as a fraction.

    A price of 1.78 is 178/100, and not the binary float beside it; a bill worked out in such fractions is right to the
    last digit.

    Args:
        value: An int, a float (read by its shortest decimal notation), a decimal text, or a fraction.

    Returns:
        The exact fraction.

    Example:
        >>> exact(1.78)
        Fraction(89, 50)
        >>> exact("0.5483") * 30
        Fraction(16449, 1000)
    """
    if isinstance(value, Fraction):
        return value
    return Fraction(value) if isinstance(value, (int, str)) else Fraction(repr(float(value)))


def added(values: Iterable[Fraction]) -> Fraction:
    """
    The sum of fractions, brought to lowest terms once and not after each.

    Example:
        >>> added([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
        Fraction(1, 1)
    """
    top, bottom = 0, 1
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        if bottom % denominator:
            top, bottom = top * denominator, bottom * denominator
        top += numerator * (bottom // denominator)
    return Fraction(top, bottom)
