"""Sizes, spans, runs and optimizers."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.program.op import Tensor, Weight
from llmplan.program.optimizer import Rule
from llmplan.program.size import Size, ceil, evaluate, maximum, minimum, rounded, where
from llmplan.program.span import Span
from llmplan.program.stretch import fold

WHOLE = st.integers(-(2**30), 2**30).map(float)
SPANS = st.builds(Span.of, st.lists(WHOLE, max_size=5))
T, D = Size.letter("T"), Size.letter("d")


@given(SPANS, SPANS, SPANS)
def test_a_product_of_spans_is_associative(a, b, c):
    """So that a step folds, whatever is put together first."""
    assert (a * b) * c == a * (b * c)


@given(SPANS, st.integers(0, 9))
def test_a_power_is_a_repeated_product(a, n):
    """The closed form is what repeating comes to, nothing included."""
    product = Span()
    for _ in range(n):
        product = product * a
    assert a ** float(n) == product


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_runs_unfold_to_the_layers(layers):
    """Nothing is lost or moved by folding."""
    assert [layer for run in fold(layers) for _ in range(run.repeat) for layer in run.period] == layers


EXPRESSIONS = [
    T * D + 512.0,
    where(T > 3072.0, 56.0 * T, 0.0),
    rounded(3.0 * T / D),
    maximum(T, 2.0 * D) - minimum(T, D),
    -(-T // 256.0) * ceil(D / 7.0),
]


@pytest.mark.parametrize("size", EXPRESSIONS, ids=str)
@given(tokens=st.lists(st.integers(1, 10_000).map(float), min_size=1, max_size=4), width=st.integers(1, 999).map(float))
def test_an_array_gives_what_each_number_gives(size, tokens, width):
    """Letters may stand for numbers or arrays."""
    together = np.broadcast_to(evaluate([size], {"T": np.array(tokens), "d": width})[0], len(tokens))
    assert together.tolist() == [evaluate([size], {"T": t, "d": width})[0] for t in tokens]


def test_equal_sizes_are_one_object():
    """Also after a copy and a pickle."""
    size = T * D + 1.0
    assert size is T * D + 1.0
    assert copy.deepcopy(size) is size
    assert pickle.loads(pickle.dumps(size)) is size


def weight(rows, cols, role="matrix", number_format="bf16"):
    """A trainable parameter."""
    w = Tensor(float(rows), float(cols), number_format)
    w.weight = Weight(role, trainable=True, stored=w.bytes, name="w")
    return w


N = 4096 * 4096


@pytest.mark.parametrize(
    ("rule", "role", "expected"),
    [
        (Rule(implementation="fused"), "matrix", 2 * 2 * N + 512),
        (Rule(implementation="foreach"), "matrix", 2 * 2 * N),
        (Rule(states="fp32"), "matrix", 8 * N + 512),
        (Rule(states="fp32", master=True), "matrix", 12 * N + 512),
        (Rule(states="8bit"), "matrix", 2 * N + 2 * 4 * N // 256),
        (Rule(algorithm="sgd"), "matrix", 0),
        (Rule(algorithm="sgd-momentum"), "matrix", 2 * N),
        (Rule(algorithm="muon"), "matrix", 2 * N),
        (Rule(algorithm="muon"), "embedding", 2 * 2 * N + 512),
    ],
)
def test_what_an_optimizer_keeps(rule, role, expected):
    """As bytes of a BF16 matrix of 4096 x 4096."""
    assert rule.state_bytes(weight(4096, 4096, role)) == expected


def test_small_tensors_keep_32_bit_states():
    """Blocks are for 4,096 elements and more."""
    assert Rule(states="8bit").state_bytes(weight(1, 4095)) == 2 * 4 * 4096
    assert Rule(states="8bit").state_bytes(weight(1, 4096)) == 2 * (4096 + 512)


def test_what_a_step_takes_for_a_moment():
    """Foreach takes the square roots of all second moments at once; a loop those of the largest, twice; fused nothing."""
    weights = [(weight(64, 64), 3.0), (weight(128, 64), 1.0)]
    assert Rule(implementation="fused").temporary_bytes(weights) == 0
    assert Rule(implementation="foreach").temporary_bytes(weights) == 3 * 2 * 64 * 64 + 2 * 128 * 64
    assert Rule(implementation="loop").temporary_bytes(weights) == 2 * 2 * 128 * 64
    assert Rule(states="fp32").temporary_bytes(weights) == 2 * 4 * 128 * 64
    assert Rule(states="fp32", master=True).temporary_bytes(weights) == 4 * 128 * 64
