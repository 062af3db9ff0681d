"""Money: amounts in another currency at a dated rate, and rent by the hour."""

from typing import NamedTuple

from llmplan.errors import JobError
from llmplan.nouns.site import ExchangeRate, Site


class Money(NamedTuple):
    """An amount and its currency, an ISO 4217 code."""

    amount: float
    currency: str


def convert(amount: float, currency: str, exchange_rate: ExchangeRate | str) -> Money:
    r"""
    An amount in the other currency of a dated rate.

    .. math:: B = Q / r \qquad Q = B\, r

    with :math:`r` units of the quote currency :math:`Q` for one of the base currency :math:`B`.

    Args:
        amount: The amount. [currency]

        currency: ISO 4217 code of it.

        exchange_rate: The rate, or its text as a :class:`~llmplan.nouns.site.Site` has it.

    Raises:
        JobError: The rate is not between this currency and another.
        SpecError: The text is no dated rate.

    Example:
        >>> convert(10, "USD", "31.828 TWD/USD on 2026-03-10")
        Money(amount=318.28, currency='TWD')

    .. versionadded:: 0.1.0
    """
    rate = Site(exchange_rate=exchange_rate).exchange if isinstance(exchange_rate, str) else exchange_rate
    if rate is None or currency not in {rate.quote, rate.base}:
        told = "no rate" if rate is None else f"a rate of {rate.quote} for {rate.base}"
        raise JobError((f"exchange_rate: {told} says nothing about {currency}",))
    if currency == rate.quote:
        return Money(amount / rate.rate, rate.base)
    return Money(amount * rate.rate, rate.quote)


def rent(per_gpu_hour: float, gpu_hours: float) -> float:
    r"""
    The price of rented accelerators. [currency]

    .. math:: C = p\, N\, t

    Args:
        per_gpu_hour: :math:`p`, price of one accelerator for an hour. [currency/h]

        gpu_hours: :math:`N t`, accelerators times hours; a started hour counts as the part of it that is used. [h]

    Example:
        >>> rent(2.5, 8 * 33)
        660.0

    .. versionadded:: 0.1.0
    """
    return per_gpu_hour * gpu_hours
