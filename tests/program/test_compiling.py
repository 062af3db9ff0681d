"""Compiled programs: what is kept, what is made again, and the closed form."""

import attrs
import pytest
from hypothesis import given, settings

from llmplan.evaluating.tracing import trace
from llmplan.program.compiling import run_compiled
from llmplan.program.compiling.cut import kept
from llmplan.program.compiling.flow import Network
from llmplan.program.compiling.graph import joint
from llmplan.program.compiling.kernels import kernels
from llmplan.program.kernel import Matmul
from llmplan.program.op import Op, Region, Tensor, Weight
from llmplan.program.size import evaluate
from llmplan.program.stretch import Program, Stretch
from llmplan.program.walk import Habits
from structures import cases, unrolled


def compiled(structure):
    """The same structure as compiled code, on one rank."""
    fate = "stays" if structure.fate == "sharded" else structure.fate
    return attrs.evolve(structure, compiled=True, fate=fate, sharding=None)


def peak_of(structure, values):
    """The peak by rows, with the letters' values."""
    found = trace(structure)
    sizes = evaluate([a.bytes for a in found.rows.atoms], values)
    return found.rows.peak(sizes, evaluate(found.program.repeats, values))


@given(cases())
@settings(max_examples=20, deadline=None)
def test_a_folded_stack_equals_the_unrolled_one_to_the_bit(case):
    """Three repetitions stand for any number of them, in compiled code too."""
    structure, values, runs = case
    structure = compiled(structure)
    assert peak_of(structure, values) == peak_of(attrs.evolve(structure, runs=unrolled(runs)), values)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_a_step_ends_with_nothing_but_gradients(case):
    """What a step made is gone at its end, but for the gradients that stay."""
    structure, _, _ = case
    structure = compiled(structure)
    left = {}
    for event in (e for p in trace(structure).passages for e in p.events):
        key = (event.bytes if isinstance(event.bytes, float) else id(event.bytes), event.category, event.label)
        left[key] = left.get(key, 0) + event.sign
    assert all(n >= 0 for n in left.values())
    categories = {category for (_, category, _), n in left.items() if n}
    trained = any(w.needs_gradient for w, _ in trace(structure).program.weights())
    assert categories == ({"gradients"} if structure.fate == "stays" and trained else set())


def measure(sizes):
    """Numbers as they are."""
    return [float(size) for size in sizes]


def weight(name, rows, cols):
    """A trainable matrix in FP32."""
    w = Tensor(rows, cols, "fp32", label=name)
    w.weight = Weight("matrix", trainable=True, stored=w.bytes, name=name)
    return w


def linear(x, w):
    """A product and its operation."""
    y = Tensor(x.rows, w.rows, "fp32", label="linear")
    product = Matmul(m=x.rows, n=w.rows, k=x.cols)
    return y, Op("linear", [x, w], [y], keeps=[x], gradients=[(x, "new"), (w, "new")], forward=[product], backward=[product])


def unary(name, x, *, keeps="input", rows=None, cols=None):
    """A function of elements and its operation."""
    y = Tensor(rows or x.rows, cols or x.cols, "fp32", label=name)
    return y, Op(name, [x], [y], keeps=[x] if keeps == "input" else [y] if keeps == "output" else [], gradients=[(x, "new")])


def two_layers(between=1):
    """Two products with *between* functions of elements between them, and a loss."""
    x = Tensor(256.0, 128.0, "fp32", label="input", needs_gradient=False)
    a, b = weight("first", 512.0, 128.0), weight("second", 128.0, 512.0)
    h, first = linear(x, a)
    ops = [first]
    for _ in range(between):
        h, op = unary("gelu", h)
        ops.append(op)
    y, second = linear(h, b)
    loss, last = unary("sum", y, keeps="nothing", rows=1.0, cols=1.0)
    stretch = Stretch("all", items=[*ops, second, last], weights=[a, b])
    return Program([stretch], [loss], [], []), stretch


def labels(values):
    """Who made them."""
    return [v.label for v in values]


def test_of_a_chain_the_products_output_and_the_next_products_input_are_kept():
    """What lies between is made again, however long it is."""
    program, _ = two_layers(between=4)
    assert labels(kept(joint(program), measure)) == ["linear", "gelu"]


def test_a_products_sum_of_squares_is_made_again_where_nothing_else_needs_it():
    """A function of elements behind the last product keeps nothing but the product."""
    x = Tensor(256.0, 128.0, "fp32", label="input", needs_gradient=False)
    h, first = linear(x, weight("first", 512.0, 128.0))
    squared, square = unary("pow", h)
    logged, log = unary("exp", squared, keeps="output")
    loss, last = unary("sum", logged, keeps="nothing", rows=1.0, cols=1.0)
    program = Program([Stretch("all", items=[first, square, log, last])], [loss], [], [])
    assert labels(kept(joint(program), measure)) == ["linear"]


def test_a_statistic_is_kept():
    """What is a fourth or less of its input is not made again."""
    x = Tensor(256.0, 128.0, "fp32", label="input", needs_gradient=False)
    h, first = linear(x, weight("first", 512.0, 128.0))
    mean, average = unary("mean", h, keeps="nothing", cols=1.0)
    root, rsqrt = unary("rsqrt", mean, keeps="output")
    loss, last = unary("sum", root, keeps="nothing", rows=1.0, cols=1.0)
    program = Program([Stretch("all", items=[first, average, rsqrt, last])], [loss], [], [])
    assert labels(kept(joint(program), measure)) in (["mean"], ["rsqrt"])


def test_a_sum_that_is_read_again_behind_a_product_is_kept():
    """A residual stream's second sum reads the first one, which was also read before a product: the second is not made again."""
    x, start = linear(Tensor(256.0, 128.0, "fp32", needs_gradient=False), weight("start", 128.0, 128.0))
    ops = [start]
    for name in ("one", "two"):
        h, cube = unary("pow", x)
        y, product = linear(h, weight(name, 128.0, 128.0))
        total = Tensor(256.0, 128.0, "fp32", label=f"sum {name}")
        ops += [cube, product, Op("add", [x, y], [total], gradients=[(x, "same"), (y, "same")])]
        x = total
    out, last = unary("exp", x)
    loss, end = unary("sum", out, keeps="nothing", rows=1.0, cols=1.0)
    program = Program([Stretch("all", items=[*ops, last, end])], [loss], [], [])
    names = labels(kept(joint(program), measure))
    assert "sum two" in names


def test_what_is_in_a_region_is_made_again():
    """Even products: nothing that is made inside is kept."""
    program, stretch = two_layers()
    region = Region("block")
    region += stretch.items[:3]
    stretch.items[:3] = [region]
    assert labels(kept(joint(program), measure)) == []


def test_functions_of_elements_are_one_kernel_between_products():
    """Of four functions of elements only the last is written to memory."""
    program, _ = two_layers(between=4)
    launched = kernels(joint(program).forward, set())
    assert next(len(k.nodes) for k in launched if not k.alone) == 4
    assert [labels(k.writes) for k in launched][:3] == [["linear"], ["gelu"], ["linear"]]


def test_gradients_of_parameters_live_until_the_backward_returns():
    """Where a buffer takes them, it takes them at the end, not one by one."""
    program, _ = two_layers()
    events = [e for p in run_compiled(program, measure, Habits(fate="taken")) for e in p.events]
    gradients = [e for e in events if e.category == "gradients"]
    assert [e.sign for e in gradients] == [1, 1, -1, -1]


def test_a_pointwise_kernel_writes_over_what_it_is_the_last_to_read():
    """The gradient of a function of elements takes the place of the incoming one."""
    program, _ = two_layers()
    backward = run_compiled(program, measure)[-1].events
    high, live = 0.0, 0.0
    for event in backward:
        live += event.sign * event.bytes
        high = max(high, live)
    # The gradient of the last product's output, of the second matrix and of the hidden rows; those of the function take no more.
    rows, hidden, matrix = 256.0 * 128.0 * 4.0, 256.0 * 512.0 * 4.0, 512.0 * 128.0 * 4.0
    assert high <= rows + hidden + matrix


def test_a_least_cut_takes_the_narrowest_place():
    """Of several, that nearest to the end."""
    pipes = Network()
    for a, b, size in (("in", "a", 3.0), ("a", "b", 2.0), ("b", "c", 2.0), ("c", "out", 5.0)):
        pipes.join(a, b, size)
    assert pipes.cut("in", "out") == {"c", "out"}


def test_where_nothing_finite_parts_two_places_it_is_said():
    """An edge without a capacity carries anything."""
    pipes = Network()
    pipes.join("in", "out")
    with pytest.raises(ValueError, match="nothing finite"):
        pipes.cut("in", "out")
