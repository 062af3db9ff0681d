"""Folding: descriptions of layers as runs of like ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.program.stretch import Run, fold

layers = st.lists(st.sampled_from("abcd"), max_size=60)
repeated = st.lists(st.tuples(st.text("abcd", min_size=1, max_size=5), st.integers(1, 9)), max_size=4).map(
    lambda parts: list("".join(text * times for text, times in parts))
)


def expanded(runs: list[Run]) -> list[object]:
    """The layers that *runs* stand for."""
    return [layer for run in runs for _ in range(run.repeat) for layer in run.period]


@settings(max_examples=300, deadline=None)
@given(st.one_of(layers, repeated), st.integers(1, 8))
def test_expanding_gives_the_layers_back(descriptions: list[str], longest: int) -> None:
    """All of them, in order, whatever they are."""
    runs = fold(descriptions, longest)
    assert expanded(runs) == descriptions
    assert all(run.repeat >= 1 and run.period for run in runs)
    assert all(len(run.period) <= longest for run in runs if run.repeat > 1)


@given(st.text("ab", min_size=1, max_size=4), st.integers(2, 100))
def test_what_repeats_is_one_run(period: str, times: int) -> None:
    """As short as it can be: a hundred layers cost no more than three."""
    runs = fold(list(period * times))
    assert len(runs) == 1
    assert len(runs[0].period) * runs[0].repeat == len(period) * times
    assert len(runs[0].period) <= len(period)


@pytest.mark.parametrize(
    ("descriptions", "runs"),
    [
        ("", []),
        ("a", [("a", 1)]),
        ("aaaa", [("a", 4)]),
        ("abcd", [("abcd", 1)]),
        ("abbb", [("a", 1), ("b", 3)]),  # dense layers, then mixtures of experts
        ("ssslssslsl", [("sssl", 2), ("sl", 1)]),  # windows, a last layer out of step
        ("ssssslssssslsss", [("sssssl", 2), ("s", 3)]),  # windows 5:1, cut off
        ("ababab", [("ab", 3)]),
    ],
)
def test_stacks_as_models_have_them(descriptions: str, runs: list[tuple[str, int]]) -> None:
    """A period of one layer or of a few."""
    assert fold(descriptions) == [Run(tuple(period), repeat) for period, repeat in runs]


def test_a_long_stack_takes_no_time() -> None:
    """A million layers are folded in a pass."""
    assert fold(["layer"] * 10**6) == [Run(("layer",), 10**6)]


def test_layers_are_told_apart_by_value() -> None:
    """Descriptions are hashable, and equal ones are alike."""
    assert fold([("window", 1024), ("window", 1024)]) == [Run((("window", 1024),), 2)]
