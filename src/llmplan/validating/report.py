"""Report: how predictions fare against measured cases."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from llmplan.validating.statistics import Compared, statistics

_WORST = 10


@attrs.frozen(kw_only=True)
class Report:
    """
    Predictions against measured cases.

    Attributes:
        kind: What was validated, as in "memory".
        cases: How many cases there were.
        compared: Each quantity of each case that was answered.
        unanswered: How many cases were not, by the reason.
    """

    kind: str
    cases: int
    compared: Sequence[Compared]
    unanswered: Mapping[str, int]

    @property
    def answered(self) -> int:
        """How many cases were answered."""
        return self.cases - sum(self.unanswered.values())

    def to_dict(self) -> dict[str, Any]:
        """One JSON object: kind, cases, answered, unanswered, worst, statistics by quantity and group."""
        return {
            "kind": self.kind,
            "cases": self.cases,
            "answered": self.answered,
            "unanswered": dict(self.unanswered),
            "worst": [
                {
                    "quantity": c.quantity,
                    "inputs": c.inputs,
                    "predicted": c.likely,
                    "measured": c.measured,
                    "error": c.error,
                }
                for c in self.worst()
            ],
            "statistics": self.statistics(),
        }

    def statistics(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """Error statistics by quantity and group; the group "all" is always there."""
        found: dict[str, dict[str, list[Compared]]] = {}
        for c in self.compared:
            groups = found.setdefault(c.quantity, {})
            for group in ("all", *c.groups):
                groups.setdefault(group, []).append(c)
        return {q: {g: statistics(cs) for g, cs in groups.items()} for q, groups in found.items()}

    def worst(self) -> list[Compared]:
        """The ten largest errors."""
        return sorted(self.compared, key=lambda c: -abs(c.error))[:_WORST]

    def text(self) -> str:
        """The report as lines for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.kind}: {self.answered} of {self.cases} cases answered"
        for reason, count in sorted(self.unanswered.items(), key=lambda item: -item[1]):
            yield f"  {count} unanswered: {reason}"
        for quantity, groups in self.statistics().items():
            yield ""
            yield f"{quantity:<24}{'n':>4}{'median':>10}{'p90':>10}{'max':>10}{'bias':>10}{'coverage':>10}"
            for group, s in groups.items():
                errors = "".join(f"{_percent(s[name])}" for name in ("median_ape", "p90_ape", "max_ape", "bias"))
                yield f"  {group:<22}{s['n']:>4}{errors}{_percent(s['coverage'])}"


def _percent(x: float | None) -> str:
    return f"{'-':>10}" if x is None else f"{100 * x:>9.3g}%"
