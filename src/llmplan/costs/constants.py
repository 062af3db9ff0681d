"""
Calibrated constants as draws: every constant is a row of numbers, one for each draw of its posterior.

The draws are quantiles, not random numbers: the i-th draw of a constant is a quantile of its log-normal distribution,
and each constant goes through its quantiles in an order of its own, which follows from its name alone (a Latin
hypercube). So a plan is the same on every machine and in every process, a new constant changes no other one's draws,
and the median of a row is the constant's value.
"""

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from statistics import NormalDist
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from llmplan.errors import UnknownNameError

if TYPE_CHECKING:
    from llmplan.nouns.calibration import Calibration

Array = NDArray[np.float64]


@attrs.frozen(eq=False, repr=False)
class Constants:
    """
    The constants of the cost formulas, by name.

    Attributes:
        draws: For each name, as many values as there are draws, all finite and positive.
        name: Which calibration they come from, for messages.
    """

    draws: Mapping[str, Array]
    name: str = "calibration"

    def __getitem__(self, name: str) -> Array:
        """The draws of *name*; UnknownNameError where the calibration has no such constant."""
        try:
            return self.draws[name]
        except KeyError:
            raise UnknownNameError(f"constant of {self.name}", name, tuple(sorted(self.draws))) from None

    def __contains__(self, name: object) -> bool:
        return name in self.draws

    @property
    def count(self) -> int:
        """How many draws there are."""
        return len(next(iter(self.draws.values())))

    def first(self, *names: str) -> Array:
        """The draws of the first of *names* that the calibration has."""
        return self[next((name for name in names if name in self.draws), names[-1])]


def drawn(values: Mapping[str, tuple[float, float]], *, count: int = 33, name: str = "calibration") -> Constants:
    r"""
    Draws of log-normal constants, one row a constant.

    .. math:: c_i = c\, e^{\sigma\, \Phi^{-1}\left((r_i + 1/2) / n\right)}

    Args:
        values: For each name its median :math:`c` and the standard deviation :math:`\sigma` of its logarithm.

        count: Draws :math:`n`; odd, so that the middle one is the median. With one draw each constant is its median.

        name: Which calibration this is, for messages.

    Returns:
        The constants; :math:`r_i` is the place of draw i among the quantiles, a permutation that follows from the name.

    Example:
        >>> constants = drawn({"launch.eager": (8e-6, 0.25)}, count=5)
        >>> [round(1e6 * float(c), 2) for c in sorted(constants["launch.eager"])]
        [5.81, 7.02, 8.0, 9.12, 11.02]

    References:
        .. [1] M. McKay, R. Beckman, W. Conover, "A Comparison of Three Methods for Selecting Values of Input
           Variables in the Analysis of Output from a Computer Code," Technometrics 21 (1979).

    .. versionadded:: 0.1.0
    """
    scores = np.array(_scores(count))
    rows = {key: value * np.exp(sigma * scores[list(_order(key, count))]) for key, (value, sigma) in values.items()}
    return Constants(draws=MappingProxyType(rows), name=name)


@lru_cache(maxsize=64)
def constants(calibration: "Calibration", *, count: int | None = None) -> Constants:
    """
    The draws of a calibration's constants; as many as it asks for, or *count* of them.

    One draw (``count=1``) is every constant at its median: what a sweep over millions of plans uses.
    """
    values = {name: (constant.value, constant.sigma) for name, constant in calibration.constants.items()}
    return drawn(values, count=count or calibration.draw_count, name=calibration.name)


@cache
def _scores(count: int) -> tuple[float, ...]:
    """The normal distribution's quantiles at (i + 1/2) / count."""
    normal = NormalDist()
    return tuple(normal.inv_cdf((i + 0.5) / count) for i in range(count))


@cache
def _order(name: str, count: int) -> tuple[int, ...]:
    """A permutation of the draws that depends on the name and on nothing else."""
    return tuple(sorted(range(count), key=lambda i: hashlib.sha256(f"{name}:{i}".encode()).digest()))


def shape_of(*values: object) -> tuple[int, ...]:
    """The shape that sizes have together: () where all are floats."""
    return np.broadcast_shapes(*(getattr(value, "shape", ()) for value in values))


def along(draws: Array, axes: int) -> Array:
    """*draws* as the first axis of an array with *axes* sweep axes after it."""
    return draws.reshape(draws.shape + (1,) * axes)
