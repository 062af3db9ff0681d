"""
Span: what a stretch of events adds, and its highest point on the way.

.. math::

    a \\cdot b = (a_{net} + b_{net},\\ \\max(a_{high},\\ a_{net} + b_{high})) \\qquad
    a^n = (n\\,a_{net},\\ a_{high} + \\max(0,\\ (n - 1)\\,a_{net}))

The product is associative, so a step folds; the power holds because the highest repetition is the first or the last.
"""

from collections.abc import Iterable

import attrs

from llmplan.program.size import Number, maximum


@attrs.frozen
class Span:
    """
    A stretch, summed up.

    Attributes:
        net: What it adds from its beginning to its end. [byte]
        high: Its highest point over its beginning; never below 0. [byte]

    Example:
        >>> layer = Span(2.0, 5.0)
        >>> layer * layer
        Span(net=4.0, high=7.0)
        >>> layer**3 == layer * layer * layer
        True
        >>> layer**0
        Span(net=0.0, high=0.0)
    """

    net: Number = 0.0
    high: Number = 0.0

    @classmethod
    def of(cls, changes: Iterable[Number]) -> "Span":
        """The span of single changes, one after the other. [byte]"""
        net: Number = 0.0
        high: Number = 0.0
        for change in changes:
            net = net + change
            high = maximum(high, net)
        return cls(net, high)

    def __mul__(self, after: "Span") -> "Span":
        return Span(self.net + after.net, maximum(self.high, self.net + after.high))

    def __pow__(self, n: Number) -> "Span":
        if isinstance(n, (int, float)) and n == 0:
            return Span()
        return Span(n * self.net, self.high + maximum(0.0, (n - 1) * self.net))
