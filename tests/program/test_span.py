"""Spans: what a stretch adds and its highest point multiply as stretches follow one another."""

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmplan.program.size import Size, evaluate
from llmplan.program.span import Span

changes = st.lists(st.integers(-50, 50).map(float), max_size=8)
spans = changes.map(Span.of)


@given(changes)
def test_of_is_the_sum_and_the_highest_partial_sum(steps: list[float]) -> None:
    """Of nothing too."""
    partial = list(itertools.accumulate(steps, initial=0.0))
    assert Span.of(steps) == Span(partial[-1], max(partial))


@given(changes, changes)
def test_a_product_is_one_after_the_other(first: list[float], second: list[float]) -> None:
    """As if they had been walked in one go."""
    assert Span.of(first) * Span.of(second) == Span.of(first + second)


@given(spans, spans, spans)
def test_products_are_associative(a: Span, b: Span, c: Span) -> None:
    """So a step folds, wherever it is cut."""
    assert (a * b) * c == a * (b * c)


@given(spans)
def test_nothing_is_the_unit(a: Span) -> None:
    """Before and after."""
    assert a * Span() == Span() * a == a


@given(spans, st.integers(0, 12))
def test_a_power_is_a_product(a: Span, n: int) -> None:
    """Of n like ones; none at all adds nothing and is nowhere high."""
    product = Span()
    for _ in range(n):
        product = product * a
    assert a**n == product


@given(spans, st.integers(0, 5), st.integers(0, 5))
def test_powers_add_and_multiply(a: Span, m: int, n: int) -> None:
    """As powers do."""
    assert a**m * a**n == a ** (m + n)
    assert (a**m) ** n == a ** (m * n)


@given(spans)
def test_the_highest_point_is_never_below_the_beginning_or_the_end(a: Span) -> None:
    """Both are points."""
    assert float(a.high) >= max(0.0, float(a.net))  # type: ignore[arg-type]


@given(spans, spans, st.lists(st.integers(1, 9).map(float), min_size=1, max_size=4))
def test_arrays_and_letters_of_repetitions(a: Span, b: Span, times: list[float]) -> None:
    """One walk serves any number of layers."""

    def of(n: Any) -> Span:
        return b * a**n * b

    each = [of(n) for n in times]
    along = of(np.array(times))
    assert np.broadcast_to(along.high, len(times)).tolist() == [s.high for s in each]
    letters = of(Size.letter("n"))
    for n, expected in zip(times, each, strict=True):
        assert evaluate([letters.net, letters.high], {"n": n}) == [expected.net, expected.high]
