"""Rows: the closed form of a walk, and that what was dropped from it was never the peak."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.evaluating.tracing import trace
from llmplan.program import rows as module
from llmplan.program.rows import Rows
from llmplan.program.size import Size, evaluate
from llmplan.program.walk import Event, Passage
from structures import cases

PHASES = ("forward", "release", "backward")


@st.composite
def walks(draw: st.DrawFn) -> tuple[list[Passage], int]:
    """Passages with any events in them, some of them repeated, and how many runs there are."""
    runs = draw(st.integers(0, 3))
    letters = st.sampled_from("abcde").map(Size.letter)
    events = st.builds(
        Event, letters, st.sampled_from([1, 1, 1, -1, -1]), st.sampled_from(["activations", "temporary"]), st.sampled_from("xyz")
    )
    run = st.none() if runs == 0 else st.one_of(st.none(), st.integers(0, runs - 1))
    made: list[Passage] = []
    for phase in PHASES:
        made += draw(st.lists(st.builds(Passage, st.just("s"), st.just(phase), run, st.lists(events, max_size=8)), max_size=4))
    first = [Passage("s", "forward", None, [Event(Size.letter("a"), 1, "activations", "x")])]
    return first + made, runs


sizes = st.fixed_dictionaries({letter: st.integers(0, 10**6).map(float) for letter in "abcde"})


def high_water(passages: Sequence[Passage], values: dict[str, float], repeats: Sequence[float]) -> float:
    """The highest point, event by event, every repetition walked."""
    level, high = 0.0, 0.0
    for passage in passages:
        for _ in range(1 if passage.run is None else int(repeats[passage.run])):
            for event in passage.events:
                level += event.sign * values[str(event.bytes)]
                high = max(high, level)
    return high


@settings(max_examples=300, deadline=None)
@given(walks(), sizes, st.lists(st.integers(1, 6).map(float), min_size=3, max_size=3))
def test_the_peak_is_that_of_every_repetition_walked(
    walk: tuple[list[Passage], int], values: dict[str, float], n: list[float]
) -> None:
    """The highest repetition is the first or the last, and no dropped row was the highest."""
    passages, runs = walk
    rows = Rows(passages, runs)
    found = rows.peak(evaluate([a.bytes for a in rows.atoms], values), n[:runs])
    assert found == high_water(passages, values, n[:runs])


def unpruned(passages: list[Passage], runs: int) -> Rows:
    """The same with every row kept."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_undominated", lambda table, atoms: list(range(len(table.fixed))))  # noqa: ARG005
        return Rows(passages, runs)


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_dropping_rows_never_changes_the_peak(case: tuple, data: st.DataObject) -> None:  # type: ignore[type-arg]
    """Of any structure, for any sizes of its letters and any number of layers."""
    structure, values, _ = case
    found = trace(structure)
    kept, every = found.rows, unpruned(found.passages, len(found.program.repeats))
    assert len(kept) <= len(every)
    others = {letter: data.draw(st.integers(1, 10**5).map(float), label=letter) for letter in values}
    for letters in (values, values | others):
        atoms = evaluate([a.bytes for a in kept.atoms], letters)
        repeats = evaluate(found.program.repeats, letters)
        assert kept.peak(atoms, repeats) == every.peak(atoms, repeats)
        # Sizes may also be such as no letters give: each by itself.
        alone = [data.draw(st.integers(0, 10**9).map(float)) for _ in atoms] if len(atoms) < 30 else atoms
        if len({id(a.bytes) for a in kept.atoms}) == len(atoms):
            assert kept.peak(alone, repeats) == every.peak(alone, repeats)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_what_is_saved_is_what_the_forward_left(case: tuple) -> None:  # type: ignore[type-arg]
    """Summed over its events, every repetition counted."""
    structure, values, _ = case
    found = trace(structure)
    repeats = evaluate(found.program.repeats, values)
    left = 0.0
    end = max(i for i, passage in enumerate(found.passages) if passage.phase != "backward")  # of the last micro-batch's forward
    for passage in found.passages[: end + 1]:
        times = 1.0 if passage.run is None else repeats[passage.run]
        left += times * sum(
            e.sign * z for e, z in zip(passage.events, evaluate([e.bytes for e in passage.events], values), strict=True)
        )
    atoms = evaluate([a.bytes for a in found.rows.atoms], values)
    assert sum(p.bytes for p in found.rows.saved(atoms, repeats)) == left


@settings(max_examples=100, deadline=None)
@given(walks(), st.lists(sizes, min_size=2, max_size=3), st.lists(st.integers(1, 6).map(float), min_size=2, max_size=2))
def test_axes_of_sizes_and_of_repetitions(
    walk: tuple[list[Passage], int], several: list[dict[str, float]], layers: list[float]
) -> None:
    """A table of peaks, equal to those found one by one."""
    passages, runs = walk
    rows = Rows(passages, runs)
    arrays = {letter: np.array([[v[letter]] for v in several]) for letter in "abcde"}
    table = rows.peak(evaluate([a.bytes for a in rows.atoms], arrays), [np.array(layers)] * runs)
    each = [[high_water(passages, values, [n] * runs) for n in layers] for values in several]
    assert np.broadcast_to(table, (len(several), len(layers))).tolist() == each


def test_a_row_in_letters() -> None:
    """The formula that nobody wrote."""
    letter = Size.letter("a")
    up, down = Event(letter, 1, "activations", "linear"), Event(letter, -1, "activations", "linear")
    passages = [Passage("first", "forward", None, [up]), Passage("middle", "forward", 0, [up, up, down])]
    rows = Rows(passages, 1)
    row = rows.highest([512.0], [10.0])
    assert rows.peak([512.0], [10.0]) == (1 + 9 + 2) * 512.0
    assert rows.letters(row, ["n"]) == "(2 + 1 n) a  [activations: linear]"
    assert [(p.category, p.bytes) for p in rows.parts(row, [512.0], [10.0])] == [("activations", 12 * 512.0)]
