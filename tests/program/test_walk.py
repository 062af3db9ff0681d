"""The walk and its closed form."""

import attrs
import numpy as np
import pytest
from hypothesis import given, settings

from llmplan.evaluating.tracing import emit, trace
from llmplan.program.op import Op, Region, Storage, Tensor
from llmplan.program.size import Size, evaluate
from llmplan.program.span import Span
from llmplan.program.stretch import Program, Stretch
from llmplan.program.walk import Habits, walk
from structures import cases, unrolled


def peak_of(structure, values):
    """The peak by rows, with the letters' values."""
    found = trace(structure)
    sizes = evaluate([a.bytes for a in found.rows.atoms], values)
    return found.rows.peak(sizes, evaluate(found.program.repeats, values)), found, sizes


def spans_of(found, values):
    """The step as a product of spans, each to the power of how often it stands."""
    step = Span()
    repeats = evaluate(found.program.repeats, values)
    for passage in found.passages:
        sizes = evaluate([e.bytes for e in passage.events], values)
        span = Span.of(e.sign * z for e, z in zip(passage.events, sizes, strict=True))
        step = step * (span if passage.run is None else span ** repeats[passage.run])
    return step


@given(cases())
@settings(max_examples=60, deadline=None)
def test_a_folded_stack_equals_the_unrolled_one_to_the_bit(case):
    """Three repetitions stand for any number of them."""
    structure, values, runs = case
    folded, _, _ = peak_of(structure, values)
    longhand, _, _ = peak_of(attrs.evolve(structure, runs=unrolled(runs)), values)
    assert folded == longhand


@given(cases())
@settings(max_examples=60, deadline=None)
def test_rows_equal_spans_to_the_bit(case):
    """The closed form's maximum is the folded walk's highest point."""
    structure, values, _ = case
    peak, found, _ = peak_of(structure, values)
    assert peak == spans_of(found, values).high


@given(cases())
@settings(max_examples=40, deadline=None)
def test_a_step_ends_with_nothing_but_gradients(case):
    """What a step made is gone at its end, but for the gradients that stay."""
    structure, values, _ = case
    found = trace(structure)
    left = {}
    repeats = evaluate(found.program.repeats, values)
    for passage in found.passages:
        times = 1.0 if passage.run is None else repeats[passage.run]
        for event, size in zip(passage.events, evaluate([e.bytes for e in passage.events], values), strict=True):
            left[event.category] = left.get(event.category, 0.0) + times * event.sign * size
    assert {c for c, size in left.items() if size} <= {"gradients"}
    if structure.fate == "taken":
        assert not left.get("gradients")


@given(cases())
@settings(max_examples=40, deadline=None)
def test_parts_sum_to_the_peak(case):
    """The split of a peak is all of it."""
    structure, values, _ = case
    peak, found, sizes = peak_of(structure, values)
    repeats = evaluate(found.program.repeats, values)
    parts = found.rows.parts(found.rows.highest(sizes, repeats), sizes, repeats)
    assert sum(p.bytes for p in parts) == peak
    assert all(p.bytes > 0 for p in parts)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_arrays_give_what_floats_give(case):
    """Sizes along an axis give the same peaks as one by one."""
    structure, values, _ = case
    found = trace(structure)
    tokens = np.array([1.0, 2.0, 5.0]) * values["tokens"]
    sizes = evaluate([a.bytes for a in found.rows.atoms], values | {"tokens": tokens})
    together = np.broadcast_to(found.rows.peak(sizes, evaluate(found.program.repeats, values)), 3)
    alone = [peak_of(structure, values | {"tokens": float(t)})[0] for t in tokens]
    assert together.tolist() == pytest.approx(alone, rel=1e-12)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_letters_and_numbers_give_the_same_walk(case):
    """A program written down in plain floats has the peak of the one in letters."""
    structure, values, runs = case
    if structure.adapter or structure.fate == "sharded" or structure.sharding:
        return  # their letters belong to tracing
    numbers = attrs.evolve(
        structure,
        shape=_valued(structure.shape, values),
        job=attrs.evolve(structure.job, tokens=values["tokens"], sequence_length=values["sequence_length"]),
        runs=unrolled(runs),
    )
    passages = walk(emit(numbers), Habits(fate=structure.fate))
    step = Span()
    for passage in passages:
        step = step * Span.of(e.sign * e.bytes for e in passage.events)
    assert step.high == peak_of(structure, values)[0]


def _valued(shape, values):
    return attrs.evolve(shape, **{name: values[name] for name in attrs.asdict(shape, recurse=False) if name in values})


# -- autograd's rules, one at a time --------------------------------------------------------------------------------


def chain(*ops, weights=()):
    """A program of one stretch whose last output is the loss."""
    return Program([Stretch("all", list(ops), list(weights))], [ops[-1].outputs[0]], [], [])


def high(program, **habits):
    """The highest point, in plain numbers."""
    step = Span()
    for passage in walk(program, Habits(**habits)):
        step = step * Span.of(e.sign * e.bytes for e in passage.events)
    return step.high


def unary(x, keep=()):
    """An operation with one output as large as its input, which keeps what *keep* says."""
    y = Tensor(x.rows, x.cols, x.format)
    return Op("f", [x], [y], keeps=[{"in": x, "out": y}[k] for k in keep], gradients=[(x, "new")])


def test_a_tensor_that_nobody_keeps_dies_at_its_last_use():
    """Three operations in a row hold two tensors at a time, forward and backward."""
    x = Tensor(128.0, 1.0, "fp32")
    first = unary(x)
    second = unary(first.outputs[0])
    third = unary(second.outputs[0])
    assert high(chain(first, second, third)) == 2 * 512.0


def test_a_tensor_that_a_derivative_keeps_lives_until_then():
    """Kept outputs pile up."""
    x = Tensor(128.0, 1.0, "fp32")
    ops = [unary(x, keep=["out"])]
    for _ in range(3):
        ops.append(unary(ops[-1].outputs[0], keep=["out"]))
    assert high(chain(*ops)) == (4 + 2) * 512.0  # four kept, the seed and one gradient


def test_a_view_keeps_the_whole_storage_alive():
    """Bytes belong to storages, whatever part of them a view shows."""
    whole = Tensor(128.0, 3.0, "fp32")
    made = Op("make", [Tensor(1.0, 1.0, "fp32")], [whole], gradients=[])
    part = Tensor(128.0, 1.0, "fp32", storage=whole.storage)
    view = Op("view", [whole], [part], gradients=[(whole, "new")])
    use = unary(part, keep=["in"])
    kept = [e for p in walk(chain(made, view, use)) for e in p.events if e.category == "activations"]
    assert {e.bytes for e in kept} == {1536.0}


def test_the_first_sum_of_two_products_gradients_is_a_third_tensor():
    """Views cannot be added to in place; other gradients can."""

    def both(name):
        start = Op("f", [x := Tensor(128.0, 3.0, "fp32")], [Tensor(128.0, 3.0, "fp32")], gradients=[(x, "new")])
        h = start.outputs[0]
        a, b = (Op(name, [h], [Tensor(1.0, 1.0, "fp32")], gradients=[(h, "new")]) for _ in range(2))
        ends = [(a.outputs[0], "same"), (b.outputs[0], "same")]
        total = Op("add", [a.outputs[0], b.outputs[0]], [Tensor(1.0, 1.0, "fp32")], gradients=ends)
        return high(chain(start, a, b, total))

    assert both("f") == 2 * 1536.0 + 512.0  # two branches and the gradient that the second is made of
    assert both("linear") == 3 * 1536.0


def test_a_region_keeps_its_inputs_and_runs_again():
    """Only the input lives between the two runs; what it made is back for its backward."""
    x = Tensor(128.0, 1.0, "fp32")
    start = unary(x)
    inner = [unary(start.outputs[0], keep=["out"])]
    for _ in range(4):
        inner.append(unary(inner[-1].outputs[0], keep=["out"]))
    region = Region("block")
    region.extend(inner)
    end = unary(inner[-1].outputs[0])
    program = Program([Stretch("all", [start, region, end], [])], [end.outputs[0]], [], [])
    forward = next(p for p in walk(program) if p.phase == "forward")
    live = sum(e.sign * e.bytes for e in forward.events)
    assert live == 512.0  # the region's input alone


def test_gradients_that_are_used_up_in_backward_never_pile_up():
    """With an optimizer in backward only one weight's gradient lives at a time."""
    x = Tensor(1.0, 128.0, "fp32", needs_gradient=False)
    ops, weights, h = [], [], x
    for i in range(4):
        w = _weight(f"w{i}")
        y = Tensor(1.0, 128.0, "fp32")
        ops.append(Op("linear", [h, w], [y], keeps=[h, w], gradients=[(h, "new"), (w, "new")]))
        weights.append(w)
        h = y
    stays = high(chain(*ops, weights=weights))
    taken = high(chain(*_again(ops), weights=weights), fate="taken")
    assert taken < stays


def _weight(name):
    from llmplan.program.op import Weight

    w = Tensor(128.0, 128.0, "fp32")
    w.weight = Weight("matrix", trainable=True, stored=w.bytes, name=name)
    w.storage = Storage(w.bytes, name, "parameters")
    return w


def _again(ops):
    for op in ops:
        for t in (*op.inputs, *op.outputs):
            t.storage.holders = 0
    return ops


def test_a_size_has_no_truth():
    """A branch on a size is a mistake, and says so."""
    with pytest.raises(TypeError, match="where"):
        bool(Size.letter("T") > 3.0)
