"""Sizes: letters stand for what plain numbers and arrays would have been."""

import copy
import math
import operator
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.program.size import Evaluator, Size, ceil, evaluate, maximum, minimum, rounded, where

LETTERS = ("T", "d", "n")
Formula = Callable[[dict[str, Any]], Any]
"""A formula in letters: given what they stand for, be that floats, arrays or sizes, it makes the same of each."""

numbers = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 512.0, 4096.0])


def _binary(make: Callable[[Any, Any], Any]) -> Callable[[Formula, Formula], Formula]:
    return lambda a, b: lambda values: make(a(values), b(values))


def _inner(formulas: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    two = [operator.add, operator.sub, operator.mul, maximum, minimum]
    return st.one_of(
        st.builds(lambda make, a, b: _binary(make)(a, b), st.sampled_from(two), formulas, formulas),
        st.builds(lambda a, n: lambda values: a(values) / n, formulas, st.sampled_from([1.0, 2.0, 3.0])),
        st.builds(lambda a, n: lambda values: a(values) // n, formulas, st.sampled_from([1.0, 2.0, 3.0])),
        st.builds(lambda a: lambda values: ceil(a(values)), formulas),
        st.builds(lambda a: lambda values: rounded(a(values)), formulas),
        st.builds(lambda a: lambda values: -a(values), formulas),
        st.builds(
            lambda compare, a, b, c: lambda values: where(compare(a(values), b(values)), c(values), a(values)),
            st.sampled_from([operator.lt, operator.gt, operator.le, operator.ge]),
            formulas,
            formulas,
            formulas,
        ),
    )


formulas = st.recursive(
    st.one_of(
        st.sampled_from(LETTERS).map(lambda letter: lambda values: values[letter]),
        numbers.map(lambda number: lambda values: number),  # noqa: ARG005
    ),
    _inner,
    max_leaves=12,
)
values = st.fixed_dictionaries({letter: st.integers(1, 5000).map(float) for letter in LETTERS})


def in_letters(formula: Formula) -> Any:
    return formula({letter: Size.letter(letter) for letter in LETTERS})


class TestAgreement:
    @settings(max_examples=300, deadline=None)
    @given(formulas, values)
    def test_letters_say_what_floats_say(self, formula: Formula, given_values: dict[str, float]) -> None:
        """To the last bit."""
        assert evaluate([in_letters(formula)], given_values) == [formula(given_values)]

    @settings(max_examples=200, deadline=None)
    @given(formulas, st.lists(values, min_size=1, max_size=4))
    def test_arrays_say_what_floats_say(self, formula: Formula, several: list[dict[str, float]]) -> None:
        """Along an axis, in letters or without."""
        arrays = {letter: np.array([v[letter] for v in several]) for letter in LETTERS}
        each = [float(formula(v)) for v in several]
        shape = np.shape(each)
        assert np.broadcast_to(formula(arrays), shape).tolist() == each
        assert np.broadcast_to(evaluate([in_letters(formula)], arrays)[0], shape).tolist() == each

    @settings(max_examples=100, deadline=None)
    @given(st.lists(formulas, max_size=5), values, values)
    def test_an_evaluator_keeps_nothing(self, several: list[Formula], one: dict[str, float], other: dict[str, float]) -> None:
        """Asked again with other values it says what a new one would."""
        evaluator = Evaluator([in_letters(f) for f in several])
        for given_values in (one, other, one):
            assert evaluator(given_values) == [f(given_values) for f in several]

    def test_axes_are_broadcast(self) -> None:
        """Two letters along two axes make a table."""
        length, width = Size.letter("T"), Size.letter("d")
        table = evaluate([length * width], {"T": np.array([[1.0], [2.0]]), "d": np.array([3.0, 5.0, 7.0])})[0]
        assert table.tolist() == [[3.0, 5.0, 7.0], [6.0, 10.0, 14.0]]

    def test_a_missing_letter_is_named(self) -> None:
        """It has no value of its own."""
        with pytest.raises(KeyError, match="T"):
            evaluate([Size.letter("T") + 1.0], {"d": 1.0})

    def test_a_sum_of_many_terms(self) -> None:
        """Longer than Python's stack is deep."""
        total: Any = 0.0
        for i in range(20_000):
            total = total + Size.letter("T") * float(i % 7 + 2)
        assert evaluate([total], {"T": 1.0}) == [float(sum(i % 7 + 2 for i in range(20_000)))]

    @given(st.integers(0, 10**9), st.sampled_from([1.0, 512.0, 2.0**21]))
    def test_rounding_goes_up_to_whole_units(self, size: int, unit: float) -> None:
        """By less than one unit, and to nothing from nothing."""
        up = rounded(float(size), unit)
        assert isinstance(up, float)
        assert up % unit == 0
        assert size <= up < size + unit


class TestIdentity:
    @settings(max_examples=100, deadline=None)
    @given(formulas)
    def test_equal_expressions_are_one_object(self, formula: Formula) -> None:
        """Made twice, copied or pickled: keys of a dict, compared by identity."""
        size = in_letters(formula)
        if not isinstance(size, Size):
            return
        assert in_letters(formula) is size
        assert copy.copy(size) is size
        assert copy.deepcopy(size) is size
        assert copy.deepcopy([size])[0] is size
        assert pickle.loads(pickle.dumps(size)) is size

    def test_a_pickle_from_another_process_is_the_same_expression(self) -> None:
        """It is made anew from its letters there."""
        code = "import pickle, sys; from llmplan.program.size import *; T = Size.letter('T')\n"
        code += "sys.stdout.buffer.write(pickle.dumps(where(T > 3072.0, 56.0 * T, rounded(T))))"
        made = pickle.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        length = Size.letter("T")
        assert made is where(length > 3072.0, 56.0 * length, rounded(length))

    def test_what_says_nothing_new_is_left_out(self) -> None:
        """No nodes for nothing."""
        x = Size.letter("T")
        for same in (x + 0.0, 0.0 + x, x - 0.0, x * 1.0, 1.0 * x, x / 1.0):
            assert same is x


class TestTruth:
    @pytest.mark.parametrize("compare", [operator.lt, operator.gt, operator.le, operator.ge])
    def test_asking_is_an_error(self, compare: Callable[[Any, Any], Any]) -> None:
        """A branch on a size is a mistake, whichever way it is asked."""
        letter = Size.letter("T")
        with pytest.raises(TypeError, match=r"has no truth of its own: write where\(condition, a, b\)"):
            bool(compare(letter, 3.0))
        with pytest.raises(TypeError):
            max(letter, 3.0)  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            _ = 1.0 < letter < 3.0

    def test_equality_is_identity(self) -> None:
        """Sizes are keys: asking whether two are equal says whether they are one, and makes no node."""
        assert Size.letter("T") == Size.letter("T")
        assert Size.letter("T") != Size.letter("d")

    def test_they_are_written_as_formulas(self) -> None:
        """For people who ask a plan for its closed form."""
        length = Size.letter("T")
        assert str(where(length > 3072.0, 56.0 * length, 0.0)) == "where((T > 3072), (56 * T), 0)"
        assert repr(rounded(length)) == "rounded(T)"
        assert math.isfinite(evaluate([rounded(length)], {"T": 1.0})[0])
