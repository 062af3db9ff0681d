"""
The closed form of a walk: its peak as the largest of rows, each a sum of sizes times integers.

The walk of a structure is made once. Each moment at which memory could be highest is a row

.. math:: \\sum_j \\Bigl(A_{ij} + \\sum_r n_r\\,B_{irj}\\Bigr) z_j

where :math:`z_j` are the sizes of storages [byte] and :math:`n_r` is how often the middle of run *r* stands. The
highest repetition of a stretch is its first or its last, so both are rows. A row that another one is never below is
dropped, and a handful is left.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from llmplan.program.op import Category
from llmplan.program.size import Number, Size
from llmplan.program.walk import Event, Passage, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from llmplan.program.size import Value


@attrs.frozen
class Atom:
    """
    A kind of storage.

    Attributes:
        bytes: Size of one. [byte]
        category: What it is for.
        label: The operation that makes it.
        place: The part of the model that it belongs to.
    """

    bytes: Number
    category: Category
    label: str
    place: str = ""


@attrs.frozen
class Moment:
    """
    When a row stands.

    Attributes:
        phase: "forward", "release" or "backward".
        stretch: Name of the stretch.
        label: The storage that came last.
    """

    phase: Phase
    stretch: str
    label: str


@attrs.frozen
class Part:
    """
    A part of what is live at a moment.

    Attributes:
        category: What it is for.
        label: The operation that made it.
        bytes: How much there is. [byte]
        place: The part of the model that it belongs to; empty for all of it.
    """

    category: Category
    label: str
    bytes: float
    place: str = ""


class Rows:
    """
    Candidates for the peak of one structure, and what is live at each.

    Attributes:
        atoms: Kinds of storages, in the order of the columns.
        moments: When each row stands.
        saved: Row of what is live when the forward ends.

    Args:
        passages: The walk's log.
        runs: How many runs' middles repeat.
        phases: The phases whose peak is asked for; all where left out.
    """

    def __init__(self, passages: Sequence[Passage], runs: int, phases: Collection[Phase] | None = None) -> None:
        places, self.atoms = _atoms(passages)
        table = _Table(places, len(self.atoms), runs)
        for passage in passages:
            table.add(passage)
        if phases is not None:
            table.keep_only(phases)
        keep = _undominated(table, self.atoms)
        self._fixed: NDArray[np.float64] = np.array([table.fixed[i] for i in keep])
        self._per_run: NDArray[np.float64] = np.array([table.per_run[i] for i in keep])
        self.moments = [table.moments[i] for i in keep]
        self._saved = table.after_forward

    def __len__(self) -> int:
        return len(self.moments)

    def peak(self, sizes: Sequence[Any], repeats: Sequence[Any]) -> Any:  # noqa: ANN401  floats of floats, arrays of arrays
        """
        The highest that is live beside what is always there. [byte]

        Args:
            sizes: The atoms' sizes. [byte]
            repeats: How often each run's middle stands.
        """
        if all(isinstance(v, float) for v in (*sizes, *repeats)):
            return float(self._totals(sizes, repeats).max())
        return self._peak_of_arrays(sizes, repeats)

    def highest(self, sizes: Sequence[float], repeats: Sequence[float]) -> int:
        """The winning row."""
        return int(self._totals(sizes, repeats).argmax())

    def parts(self, row: int, sizes: Sequence[float], repeats: Sequence[float]) -> list[Part]:
        """What is live at a row's moment, largest first."""
        return _parts(self.atoms, self._fixed[row] + np.tensordot(repeats, self._per_run[row], 1), sizes)

    def saved(self, sizes: Sequence[float], repeats: Sequence[float]) -> list[Part]:
        """What is live when the forward has ended and backward has not begun, largest first."""
        fixed, per_run = self._saved
        return _parts(self.atoms, fixed + np.tensordot(repeats, per_run, 1), sizes)

    def after_forward(self, sizes: Sequence[Any], repeats: Sequence[Any]) -> Any:  # noqa: ANN401  as of peak()
        """All that is live when the forward has ended and backward has not begun. [byte]"""
        fixed, per_run = self._saved
        counts = [c + sum(n * p for n, p in zip(repeats, per_run[:, j], strict=True)) for j, c in enumerate(fixed)]
        return sum(c * z for c, z in zip(counts, sizes, strict=True))

    def letters(self, row: int, runs: Sequence[str]) -> str:
        """A row in letters: the closed form that nobody wrote."""
        return self._in_letters(self._fixed[row], self._per_run[row], runs)

    def letters_after_forward(self, runs: Sequence[str], times: int) -> str:
        """So many *times* what is live when a forward has ended, in letters."""
        fixed, per_run = self._saved
        return self._in_letters(times * fixed, times * per_run, runs)

    def _in_letters(self, fixed: "NDArray[np.float64]", per_run: "NDArray[np.float64]", runs: Sequence[str]) -> str:
        terms = []
        for j, atom in enumerate(self.atoms):
            count = [f"{fixed[j]:g}"] if fixed[j] else []
            count += [f"{c:g} {runs[r]}" for r, c in enumerate(per_run[:, j]) if c]
            if count:
                terms.append(f"({' + '.join(count)}) {atom.bytes}  [{atom.category}: {atom.label}]")
        return "\n".join(terms)

    def _totals(self, sizes: Sequence["Value"], repeats: Sequence["Value"]) -> "NDArray[np.float64]":
        z = np.array(sizes)
        totals: NDArray[np.float64] = self._fixed @ z + (self._per_run @ z) @ np.array(repeats)
        return totals

    def _peak_of_arrays(self, sizes: Sequence["Value"], repeats: Sequence["Value"]) -> "NDArray[np.float64]":
        """The same along axes: every size is spread over all of them, so that a row is one product."""
        shape = np.broadcast_shapes(*{getattr(v, "shape", ()) for v in (*sizes, *repeats)})
        spread = np.empty((len(sizes) + len(repeats), *shape))
        for row, value in zip(spread, (*sizes, *repeats), strict=True):
            row[...] = value
        z, counts = np.split(spread.reshape(len(spread), -1), [len(sizes)])
        totals = self._fixed @ z
        for r, n in enumerate(counts):
            totals += n * (self._per_run[:, r] @ z)
        peak: NDArray[np.float64] = totals.max(axis=0).reshape(shape)
        return peak


class _Table:
    """Rows as they are gathered, passage by passage."""

    def __init__(self, places: Mapping[object, int], atoms: int, runs: int) -> None:
        self._places = places
        self._before = np.zeros(atoms), np.zeros((runs, atoms))
        self.fixed: list[NDArray[np.float64]] = []
        self.per_run: list[NDArray[np.float64]] = []
        self.moments: list[Moment] = []
        self.after_forward = self._before

    def add(self, passage: Passage) -> None:
        """The local maxima of a passage as rows, and its net change."""
        change = np.zeros_like(self._before[0])
        highs: list[tuple[NDArray[np.float64], str]] = []
        rising = ""
        for event in passage.events:
            if event.sign < 0 and rising:
                highs.append((change.copy(), rising))
            rising = event.label if event.sign > 0 else ""
            change[self._places[_key(event)]] += event.sign
        if rising:
            highs.append((change.copy(), rising))
        for high, label in highs:
            self._row(passage, high, change, label)
        fixed, per_run = self._before
        if passage.run is None:
            self._before = fixed + change, per_run
        else:
            more = per_run.copy()
            more[passage.run] += change
            self._before = fixed, more
        if passage.phase != "backward":
            self.after_forward = self._before

    def keep_only(self, phases: Collection[Phase]) -> None:
        """Drop the rows of other phases."""
        kept = [i for i, moment in enumerate(self.moments) if moment.phase in phases]
        self.fixed = [self.fixed[i] for i in kept]
        self.per_run = [self.per_run[i] for i in kept]
        self.moments = [self.moments[i] for i in kept]

    def _row(self, passage: Passage, high: "NDArray[np.float64]", net: "NDArray[np.float64]", label: str) -> None:
        fixed, per_run = self._before
        moment = Moment(passage.phase, passage.stretch, label)
        self._keep(fixed + high, per_run, moment)
        if passage.run is not None:  # the last repetition has n - 1 before it
            more = per_run.copy()
            more[passage.run] += net
            self._keep(fixed + high - net, more, moment)

    def _keep(self, fixed: "NDArray[np.float64]", per_run: "NDArray[np.float64]", moment: Moment) -> None:
        self.fixed.append(fixed)
        self.per_run.append(per_run)
        self.moments.append(moment)


def _key(event: Event) -> tuple[object, str, str, str]:
    return (_size_key(event.bytes), event.category, event.label, event.place)


def _size_key(size: Number) -> object:
    """Equal for equal sizes; an array is itself only."""
    return size if isinstance(size, (Size, float)) else id(size)


def _atoms(passages: Sequence[Passage]) -> tuple[dict[object, int], list[Atom]]:
    """The kinds of storages in all events."""
    places: dict[object, int] = {}
    atoms: list[Atom] = []
    for event in (e for p in passages for e in p.events):
        if _key(event) not in places:
            places[_key(event)] = len(atoms)
            atoms.append(Atom(event.bytes, event.category, event.label, event.place))
    return places, atoms


def _undominated(table: _Table, atoms: Sequence[Atom]) -> list[int]:
    """
    Rows that no other row is at least equal to whatever the sizes (never negative) and the repeats (at least 1).

    Atoms of equal size are one column here.
    """
    columns: dict[object, int] = {}
    merge = np.zeros((len(atoms), len(atoms)))
    for j, atom in enumerate(atoms):
        merge[j, columns.setdefault(_size_key(atom.bytes), len(columns))] = 1.0
    merge = merge[:, : len(columns)]
    per_run = np.array(table.per_run) @ merge  # row, run, column
    once = np.array(table.fixed) @ merge + per_run.sum(axis=1)  # at one repetition each
    rows = np.concatenate([once[:, None, :], per_run], axis=1).reshape(len(once), -1)
    order = np.argsort(-rows.sum(axis=1), kind="stable")
    kept: list[int] = []
    best = np.empty((0, rows.shape[1]))
    for i in order:
        if not (best >= rows[i]).all(axis=1).any():
            kept.append(int(i))
            best = np.concatenate([best, rows[i][None]])
    return sorted(kept)


def _parts(atoms: Sequence[Atom], counts: "NDArray[np.float64]", sizes: Sequence[float]) -> list[Part]:
    found = [Part(a.category, a.label, float(c * z), a.place) for a, c, z in zip(atoms, counts, sizes, strict=True) if c and z]
    return sorted(found, key=lambda part: -part.bytes)
