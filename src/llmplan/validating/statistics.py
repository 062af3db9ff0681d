"""Error statistics of predictions against measurements."""

import math
from collections.abc import Sequence

import attrs
import numpy as np


@attrs.frozen(kw_only=True)
class Compared:
    """
    One quantity of one case, predicted and measured.

    Attributes:
        quantity: What it is, as in "peak".
        groups: Groups that the case belongs to, beside "all".
        measured: The measurement.
        low, likely, high: The prediction; equal where it is exact.
        inputs: What the predictor saw.
    """

    quantity: str
    groups: tuple[str, ...]
    measured: float
    low: float
    likely: float
    high: float
    inputs: object

    @property
    def error(self) -> float:
        """Signed error as a fraction of the measurement; 0 where both are 0."""
        if self.measured == 0:
            return 0.0 if self.likely == 0 else math.inf
        return self.likely / self.measured - 1.0


def statistics(found: Sequence[Compared]) -> dict[str, float | int | None]:
    """
    What the errors of some comparisons come to.

    Returns:
        ``n``; ``median_ape``, ``mape``, ``p90_ape``, ``p95_ape``, ``max_ape`` of the absolute error as a fraction of the
        measurement; ``bias``, the mean signed error; ``geometric``, exp(mean |ln(predicted / measured)|) - 1;
        ``coverage`` of the nominal 90 % interval and its median ``width`` high / low, None where predictions are exact.

    Example:
        >>> one = Compared(quantity="peak", groups=(), measured=100.0, low=90.0, likely=101.0, high=110.0, inputs={})
        >>> statistics([one])["coverage"], round(statistics([one])["bias"], 4)
        (1.0, 0.01)
    """
    signed = np.array([c.error for c in found])
    errors = np.abs(signed)
    logs = [abs(math.log(c.likely / c.measured)) for c in found if c.likely > 0 and c.measured > 0]
    wide = [c for c in found if c.high > c.low]
    return {
        "n": len(found),
        "median_ape": float(np.median(errors)),
        "mape": float(errors.mean()),
        "p90_ape": float(np.quantile(errors, 0.9)),
        "p95_ape": float(np.quantile(errors, 0.95)),
        "max_ape": float(errors.max()),
        "bias": float(signed.mean()),
        "geometric": math.expm1(sum(logs) / len(logs)) if logs else None,
        "coverage": sum(c.low <= c.measured <= c.high for c in wide) / len(wide) if wide else None,
        "width": float(np.median([c.high / c.low for c in wide if c.low > 0])) if wide else None,
    }
