"""The peak explained: what lives then, the closed form in letters, and what each knob would save."""

import re
from collections.abc import Mapping

import attrs

from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import formula, memory
from llmplan.evaluating.setup import sizes_of
from llmplan.nouns._table import Table
from llmplan.planning.savings import Saving, savings
from llmplan.program.rows import Part

#: Parts that a table prints by name.
_PRINTED = 20
_GIB = 2.0**30


@attrs.frozen(kw_only=True)
class MemoryExplanation:
    """
    Why a peak is as high as it is. [byte]

    Attributes:
        peak: The peak.
        moment: When it is.
        parts: What lives then, largest first: the part of the model, the operation, what it is for, and how much.
        formula: What is live beside what stands all the time, in letters: a count, a size, what it is; one line a term.
            Empty where the optimizer's step is the peak.
        letters: What the letters stand for.
        savings: What each knob would save, computed: most first.
    """

    peak: float
    moment: str
    parts: tuple[Part, ...]
    formula: str
    letters: Mapping[str, float]
    savings: tuple[Saving, ...]

    def __str__(self) -> str:
        """Three tables: what lives, the formula, the savings."""
        return "\n\n".join(("\n".join(self._living()), f"in letters\n{self.formula}", "\n".join(self._saved())))

    def _living(self) -> list[str]:
        rest = self.parts[_PRINTED:]
        rows = [f"peak {self.peak / _GIB:.3f} GiB, {self.moment}"]
        rows += [self._row(p.bytes, p.category, f"{p.label}, {p.place}" if p.place else p.label) for p in self.parts[:_PRINTED]]
        return [*rows, self._row(sum(p.bytes for p in rest), "", f"{len(rest)} smaller parts")] if rest else rows

    def _row(self, size: float, category: str, text: str) -> str:
        return f"  {size / _GIB:10.3f} GiB {size / self.peak:6.1%}  {category:12} {text}"

    def _saved(self) -> list[str]:
        rows = ["one change at a time would save"]
        for s in self.savings:
            change = f"{s.knob}: {s.before} -> {s.after}"
            rows.append(f"  {'no answer':>14}  {change}: {s.why_not}" if s.why_not else f"  {s.saves / _GIB:10.3f} GiB  {change}")
        return rows


def explained(case: Case) -> MemoryExplanation:
    """
    The peak of a complete *case*.

    Raises:
        UnsupportedError: It asks for something that is not modelled.
    """
    found, letters = memory(case), formula(case)
    used = set(re.findall(r"[A-Za-z_]\w*", letters))
    return MemoryExplanation(
        peak=found.peak,
        moment=f"in the {found.phase}: {found.moment}",
        parts=_merged(found.parts),
        formula=letters,
        letters=Table({name: size for name, size in sizes_of(case).items() if name in used}),
        savings=savings(case),
    )


def _merged(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Parts of one place, operation and purpose as one."""
    found: dict[tuple[str, str, str], float] = {}
    for p in parts:
        key = (p.category, p.label, p.place)
        found[key] = found.get(key, 0.0) + p.bytes
    merged = [Part(category, label, size, place) for (category, label, place), size in found.items()]  # type: ignore[arg-type]
    return tuple(sorted(merged, key=lambda p: -p.bytes))
