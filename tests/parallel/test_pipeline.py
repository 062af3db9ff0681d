"""Pipelines: which layers a stage has, in which order it works, and what is in flight."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.parallel.pipeline import Schedule, occupancies, passes, pieces

stages = st.integers(1, 6)


@given(stages, st.integers(1, 4), st.integers(1, 4))
def test_every_layer_is_on_one_piece(count: int, virtual: int, each: int) -> None:
    """In order, and as many on each."""
    layout = pieces(count * virtual * each, count, virtual)
    in_order = sorted((r for stage in layout for r in stage), key=lambda r: r.start)
    assert [i for r in in_order for i in r] == list(range(count * virtual * each))
    assert {len(r) for r in in_order} == {each}


@pytest.mark.parametrize("wanted", [(7, 2, 1), (8, 2, 3), (2, 3, 1), (4, 2, 1, 4), (4, 2, 1, 1, 2)])
def test_what_cannot_be_shared_out(wanted: tuple[int, ...]) -> None:
    """Is refused."""
    with pytest.raises(ValueError, match="layers"):
        pieces(*wanted)


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[Schedule, int, int, int, int]:
    """A schedule, stages, pieces, a stage and micro-batches."""
    count = draw(st.integers(1, 5))
    schedule = draw(st.sampled_from(["gpipe", "1f1b", "interleaved"]))
    virtual = draw(st.integers(2, 3)) if schedule == "interleaved" else 1
    micro_batches = draw(st.integers(1, 12)) if virtual == 1 else count * draw(st.integers(1, 4))
    return schedule, count, virtual, draw(st.integers(0, count - 1)), micro_batches


@given(pipelines())
def test_every_micro_batch_goes_both_ways_through_every_piece(pipeline: tuple[Schedule, int, int, int, int]) -> None:
    """And never backward before it went forward."""
    _, _, virtual, _, micro_batches = pipeline
    done: Counter[tuple[str, int]] = Counter()
    for p in passes(*pipeline):
        done[p.direction, p.piece] += 1
        assert done["backward", p.piece] <= done["forward", p.piece]
    assert done == {(way, piece): micro_batches for way in ("forward", "backward") for piece in range(virtual)}


@given(st.integers(1, 6), st.integers(1, 12), st.data())
def test_as_many_in_flight_as_stages_follow(count: int, micro_batches: int, data: st.DataObject) -> None:
    """1F1B has at most one micro-batch a stage that is left, and GPipe all; never more than there are."""
    stage = data.draw(st.integers(0, count - 1))
    most = {s: max(o.others[0] for o in occupancies(s, count, 1, stage, micro_batches)) + 1 for s in ("1f1b", "gpipe")}
    assert most["1f1b"] == min(count - stage, micro_batches)
    assert most["gpipe"] == micro_batches


@given(pipelines())
def test_occupancies_miss_no_pass(pipeline: tuple[Schedule, int, int, int, int]) -> None:
    """Whatever stands beside a pass, there is one kept with no less; and what is kept does happen."""
    flying, made, seen = [0] * pipeline[2], [False] * pipeline[2], set()
    kept = occupancies(*pipeline)
    for p in passes(*pipeline):
        flying[p.piece] -= p.direction == "backward"
        seen.add((p, tuple(flying), tuple(made)))
        first = p.direction == "backward" and not made[p.piece]
        assert any(
            o.at == p
            and all(a >= b for a, b in zip((*o.others, *o.made), (*flying, *made), strict=True))
            and (p.direction == "forward" or first == (not o.made[p.piece]))
            for o in kept
        )
        flying[p.piece] += p.direction == "forward"
        made[p.piece] |= p.direction == "backward"
    assert {(o.at, o.others, o.made) for o in kept} <= seen
