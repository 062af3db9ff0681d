"""
Stages: the memory of a job whose layers are shared out among the stages of a pipeline.

A stage's piece of the model is a program of its own, traced as any other. What is in flight beside a pass is the
schedule's to say (:mod:`llmplan.parallel.pipeline`): each such micro-batch holds what its forward left behind. So a
stage's peak is the largest, over its passes, of the pass's own rows and so many times that.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import Memory, Standing, always, parts_of, standing_of
from llmplan.evaluating.setup import Setup, setup_of, sizes_of
from llmplan.evaluating.sharing import layers_by_stage
from llmplan.evaluating.tracing import Structure, Trace, repeats, shortened, trace
from llmplan.evaluating.treatment import layers_of
from llmplan.parallel.pipeline import Direction, Occupancy, Schedule, occupancies
from llmplan.program.rows import Part, Rows
from llmplan.program.size import Evaluator, maximum
from llmplan.program.stretch import Run, fold
from llmplan.program.walk import Phase

if TYPE_CHECKING:
    from llmplan.program.size import Value

_FORWARD: Final[tuple[Phase, ...]] = ("forward", "release")
_BACKWARD: Final[tuple[Phase, ...]] = ("backward",)


@attrs.frozen(kw_only=True)
class Piece:
    """
    A stage's piece of the model.

    Attributes:
        setup: Its structure, and what stands around it.
        repeats: How often the middle of each of its runs stands, by letter.
    """

    setup: Setup
    repeats: tuple[tuple[str, float], ...]


@attrs.frozen(kw_only=True)
class Stage:
    """
    A stage of a pipeline.

    Attributes:
        index: Which.
        pieces: Its pieces of the model.
        occupancies: Its passes, with what stands beside each.
    """

    index: int
    pieces: tuple[Piece, ...]
    occupancies: tuple[Occupancy, ...]


def stages_of(case: Case, *, every: bool = False) -> tuple[Stage, ...]:
    """
    The stages of a *case*'s pipeline that can need most: of those with like pieces only the first, as more is in flight
    there than in later ones.

    Args:
        case: The job.
        every: Whether all stages are wanted.

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled.
    """
    p, setup = case.parallelism, setup_of(case)
    descriptions = layers_of(case)
    layout = layers_by_stage(case)
    schedule: Schedule = "gpipe" if p.schedule == "gpipe" else "interleaved" if p.virtual_stages > 1 else "1f1b"
    found: dict[object, Stage] = {}
    for index, ranges in enumerate(layout):
        pieces = tuple(
            _piece(setup, descriptions[r.start : r.stop], first=r.start == 0, last=r.stop == len(descriptions)) for r in ranges
        )
        key: object = index if every else pieces
        if key not in found:
            passes = occupancies(schedule, p.pipeline, p.virtual_stages, index, case.micro_batches)
            found[key] = Stage(index=index, pieces=pieces, occupancies=passes)
    return tuple(found.values())


@functools.lru_cache(maxsize=4096)
def _piece(setup: Setup, descriptions: tuple[Any, ...], *, first: bool, last: bool) -> Piece:
    """The structure of some layers, with the embedding before them and the loss after them where they are there."""
    runs: tuple[Run, ...] = tuple(fold(descriptions))
    job = attrs.evolve(setup.structure.job, share=attrs.evolve(setup.structure.job.share, first=first, last=last))
    structure = attrs.evolve(setup.structure, runs=shortened(runs), job=job)
    return Piece(setup=attrs.evolve(setup, structure=structure), repeats=tuple(repeats(runs).items()))


class _Halves:
    """The rows of a structure's forward and of its backward, and what its forward leaves behind."""

    def __init__(self, structure: Structure) -> None:
        self.trace: Trace = trace(structure)
        runs, passages = len(self.trace.program.repeats), self.trace.passages
        self.rows: dict[Direction, Rows] = {
            "forward": Rows(passages, runs, _FORWARD),
            "backward": Rows(passages, runs, _BACKWARD),
        }


@functools.lru_cache(maxsize=4096)
def _halves(structure: Structure) -> _Halves:
    return _Halves(structure)


class _PreparedPiece:
    """A piece, ready to be given values: in a first backward, which makes the gradients, and in later ones."""

    def __init__(self, piece: Piece) -> None:
        setup = piece.setup
        self._repeats = dict(piece.repeats)
        first = attrs.evolve(setup.structure, fate="taken" if setup.buffers else "stays")
        self.halves = {"first": _halves(first), "later": _halves(attrs.evolve(setup.structure, fate="taken"))}
        self._standing = standing_of(attrs.evolve(setup, accumulates=True), self.halves["later"].trace)
        sizes: list[Any] = [*attrs.astuple(self._standing, recurse=False), *self.halves["later"].trace.program.repeats]
        for halves in self.halves.values():
            sizes += [a.bytes for a in halves.rows["forward"].atoms]
        self._evaluator = Evaluator(sizes)

    def sized(self, sizes: Mapping[str, "Value"]) -> "_SizedPiece":
        """The piece where each letter has its value."""
        values = self._evaluator({**sizes, **self._repeats})
        fields, runs = len(attrs.fields(Standing)), len(self.halves["later"].trace.program.repeats)
        names = [f.name for f in attrs.fields(Standing)]
        standing: Standing[Any] = Standing(**dict(zip(names, values[:fields], strict=True)))
        counts, rest = values[fields : fields + runs], values[fields + runs :]
        cut = len(self.halves["first"].rows["forward"].atoms)
        return _SizedPiece(self.halves, standing, counts, {"first": rest[:cut], "later": rest[cut:]})


class _SizedPiece:
    """A piece with its sizes' values."""

    def __init__(
        self,
        halves: Mapping[str, _Halves],
        standing: Standing[Any],
        counts: Sequence[Any],
        atoms: Mapping[str, Sequence[Any]],
    ) -> None:
        self.halves, self.standing, self.counts, self.atoms = halves, standing, counts, atoms
        self.left = halves["later"].rows["forward"].after_forward(atoms["later"], counts)
        self._peaks: dict[tuple[str, Direction], Any] = {}

    def peak(self, when: str, direction: Direction) -> Any:  # noqa: ANN401  floats of floats, arrays of arrays
        """The highest of one pass alone. [byte]"""
        key = (when, direction)
        if key not in self._peaks:
            self._peaks[key] = self.halves[when].rows[direction].peak(self.atoms[when], self.counts)
        return self._peaks[key]


@functools.lru_cache(maxsize=4096)
def _prepared(piece: Piece) -> _PreparedPiece:
    return _PreparedPiece(piece)


def _when(o: Occupancy) -> str:
    """Whether a pass is the backward that makes its piece's gradients, or a later one."""
    return "first" if o.at.direction == "backward" and not o.made[o.at.piece] else "later"


def _beside(o: Occupancy, pieces: Sequence[_SizedPiece]) -> Any:  # noqa: ANN401
    """What other micro-batches in flight hold, and the gradients that are there. [byte]"""
    flying = sum(n * piece.left for n, piece in zip(o.others, pieces, strict=True))
    return flying + sum(
        piece.standing.accumulated
        for made, piece in zip(o.made, pieces, strict=True)
        if made or piece.halves["first"] is piece.halves["later"]
    )


def _passes(stage: Stage, pieces: Sequence[_SizedPiece]) -> Iterator[tuple[Any, Occupancy]]:
    """The height of each pass over what is there all the time. [byte]"""
    for o in stage.occupancies:
        yield _beside(o, pieces) + pieces[o.at.piece].peak(_when(o), o.at.direction), o


def _together(pieces: Sequence[_SizedPiece]) -> Standing[Any]:
    """What stands around all pieces of a stage; of the tables that each has for itself, those of one."""
    found = [p.standing for p in pieces]
    return Standing(
        **{
            f.name: functools.reduce(maximum, values) if f.name == "other" else sum(values)
            for f in attrs.fields(Standing)
            for values in [[getattr(s, f.name) for s in found]]
        }
    )


def peak_of_stages(case: Case, sizes: Mapping[str, "Value"] | None = None) -> "Value":
    """The peak of the stage that needs most. [byte]"""
    given = sizes or sizes_of(case)
    peak: Any = 0.0
    for stage in stages_of(case):
        pieces = [_prepared(p).sized(given) for p in stage.pieces]
        standing = _together(pieces)
        live: Any = standing.gradients + standing.step
        for height, _ in _passes(stage, pieces):
            live = maximum(live, height)
        peak = maximum(peak, always(standing) + live)
    highest: Value = peak
    return highest


def memory_of_stages(case: Case, *, every: bool = False) -> tuple[Memory, ...]:
    """
    The memory of each stage that can need most, in the order of the stages.

    Args:
        case: The job.
        every: Whether all stages are wanted.

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled.
    """
    return _memories(stages_of(case, every=every), tuple(sizes_of(case).items()))


def formula_of_stages(case: Case) -> str:
    """
    The closed form of the peak of the stage that needs most: its pass, and what others in flight hold. Letters of runs
    are those of the stage's pieces. Empty where the optimizer's step is the peak.
    """
    sizes = sizes_of(case)
    stages = [(stage, [_prepared(p).sized(sizes) for p in stage.pieces]) for stage in stages_of(case)]
    stage, pieces = max(stages, key=lambda found: _memory(*found).peak)
    live, o = max(_passes(stage, pieces), key=lambda found: float(found[0]))
    standing = _together(pieces)
    if standing.gradients + standing.step > live:
        return ""
    at, when = pieces[o.at.piece], _when(o)
    rows = at.halves[when].rows[o.at.direction]
    lines = [rows.letters(rows.highest(at.atoms[when], at.counts), _runs(at))]
    lines += [
        piece.halves["later"].rows["forward"].letters_after_forward(_runs(piece), n)
        for n, piece in zip(o.others, pieces, strict=True)
        if n
    ]
    return "\n".join(lines)


def _runs(piece: _SizedPiece) -> list[str]:
    """The letters of a piece's runs."""
    return [str(n) for n in piece.halves["later"].trace.program.repeats]


@functools.lru_cache(maxsize=256)
def _memories(stages: tuple[Stage, ...], sizes: tuple[tuple[str, float], ...]) -> tuple[Memory, ...]:
    return tuple(_memory(stage, [_prepared(p).sized(dict(sizes)) for p in stage.pieces]) for stage in stages)


def _memory(stage: Stage, pieces: Sequence[_SizedPiece]) -> Memory:
    """All that is known of one stage."""
    standing = _together(pieces)
    live, o = max(_passes(stage, pieces), key=lambda found: float(found[0]))
    end = standing.gradients + standing.step
    in_step = bool(end > live)
    at, when = pieces[o.at.piece], _when(o)
    rows = at.halves[when].rows[o.at.direction]
    row = rows.highest(at.atoms[when], at.counts)
    beside = _beside(o, pieces)
    gradients = beside - sum(n * piece.left for n, piece in zip(o.others, pieces, strict=True))
    now = [] if in_step else [*rows.parts(row, at.atoms[when], at.counts), *_in_flight(o, pieces)]
    most = max((f for f in stage.occupancies if f.at.direction == "forward"), key=lambda f: sum(f.others))
    kept = [*_saved(pieces[most.at.piece]), *_in_flight(most, pieces)]
    saved = [p for p in kept if p.category == "activations"]
    moment = rows.moments[row]
    stateless: float = always(standing) - standing.optimizer
    return Memory(
        peak=float(always(standing) + max(live, end)),
        first_step_peak=float(max(stateless + live, always(standing) + end)),
        parts=parts_of(attrs.evolve(standing, accumulated=gradients), now, in_step=in_step),
        phase="optimizer" if in_step else moment.phase,
        moment=f"{'optimizer step' if in_step else f'{moment.label} in {moment.stretch}'}, on stage {stage.index}",
        saved_for_backward=sum(p.bytes for p in saved),
        saved_weight_casts=0.0,
        parameters=float(standing.parameters),
        host=float(standing.host),
        stage=stage.index,
    )


def _saved(piece: _SizedPiece) -> list[Part]:
    return piece.halves["later"].rows["forward"].saved(piece.atoms["later"], piece.counts)


def _in_flight(o: Occupancy, pieces: Sequence[_SizedPiece]) -> list[Part]:
    """What other micro-batches hold, each kind apart."""
    return [
        attrs.evolve(part, bytes=n * part.bytes, label=f"{part.label}, of others in flight")
        for n, piece in zip(o.others, pieces, strict=True)
        if n
        for part in _saved(piece)
    ]
