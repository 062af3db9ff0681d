"""
The formulas of each kind of kernel, put to a stack of them: seconds on the device, by phase.

Constants are looked up here and the formulas are told their values: a formula knows letters, and this module knows which
constant a letter is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from llmplan.costs.attention import BLOCK, attention_seconds, version_share
from llmplan.costs.collectives import PASSES, Links, collective_seconds
from llmplan.costs.constants import Array, along
from llmplan.costs.links import host_link, links
from llmplan.costs.matmul import matmul_seconds
from llmplan.costs.pointwise import pointwise_seconds
from llmplan.costs.rates import Rates
from llmplan.costs.stacks import Stack, Stacks, Value
from llmplan.costs.transfer import transfer_seconds
from llmplan.errors import JobError
from llmplan.nouns.machine import Machine
from llmplan.program.kernel import Attention, Collective, Matmul, Pointwise, Transfer
from llmplan.program.size import Number

Sums = dict[str, Array]
"""For each phase a sum over its kernels: draws first, then the sweep."""

# The collectives that sharded training makes in every micro-batch; sums of gradients are made once a step.
_OF_EVERY_MICRO_BATCH = ("all_gather", "reduce_scatter", "all_to_all")


def matmuls(stack: Stack[Matmul], rates: Rates) -> Sums:
    """Seconds of matrix products."""
    if not stack.kernels:
        return {}
    all_of = stack.whole
    times = matmul_seconds(
        m=array(all_of.m),
        n=array(all_of.n),
        k=array(all_of.k),
        batch=array(all_of.batch),
        traffic=array(all_of.bytes()),
        rate=stack.each(lambda k: k.format, rates.flops),
        bandwidth=rates.device.memory_bandwidth * constant(rates, "matmul.bandwidth", stack.axes),
        units=rates.device.units or 0.0,
        depth=constant(rates, "matmul.depth", stack.axes),
        tail=constant(rates, "matmul.tail", stack.axes),
        start=constant(rates, "matmul.start", stack.axes),
    )
    return stack.by_phase(times)


def attentions(stack: Stack[Attention], rates: Rates) -> Sums:
    """Seconds of attention, fused or with its scores written out."""
    if not stack.kernels:
        return {}
    flops = stack.column(_flops_of_a_pair)
    # The exponential of a score costs as much as so many more elements of head and value would, four FLOP each.
    pair = flops + 4.0 * constant(rates, "attention.softmax", stack.axes)
    all_of = stack.whole
    rows = array(all_of.batch * all_of.heads * all_of.query_length)
    times = attention_seconds(
        work=stack.column(lambda k: k.flops()) / flops * pair,
        row_work=BLOCK * pair * np.minimum(array(all_of.window), array(all_of.key_length)),
        diagonal_work=pair * rows * constant(rates, "attention.diagonal", stack.axes),
        traffic=stack.column(lambda k: k.bytes()),
        rate=stack.each(lambda k: (k.format, k.backward, k.version), lambda key: _attention_rate(rates, *key)),
        bandwidth=rates.device.memory_bandwidth * constant(rates, "matmul.bandwidth", stack.axes),
        units=rates.device.units or 0.0,
        tail=constant(rates, "attention.tail", stack.axes),
        start=constant(rates, "attention.start", stack.axes),
    )
    if all(kernel.version for kernel in stack.kernels):
        return stack.by_phase(times)
    written = stack.column(_score_traffic) * constant(rates, "attention.score-passes", stack.axes)
    return stack.by_phase(times + written / along(rates.eager_bandwidth, stack.axes))


def _attention_rate(rates: Rates, number_format: str, backward: bool, version: int) -> Array:  # noqa: FBT001  a key's part
    """What a kernel of that kind sustains over long sequences with many heads. [FLOP/s]"""
    constants, dev = rates.constants, rates.device
    rate = rates.flops(number_format) * (constants["attention.backward"] if backward else 1.0)
    if not version:
        return rate
    own = constants.first(f"attention.efficiency.{dev.architecture}", f"attention.efficiency.other-{dev.memory_class}")
    return rate * own * version_share(version, dev.architecture, constants)


def _flops_of_a_pair(kernel: Attention) -> Value:
    """Arithmetic for one query and one key of one head. [FLOP]"""
    qk, v = (3.0, 2.0) if kernel.backward else (1.0, 1.0)
    return _value(2.0 * (qk * kernel.head_dim + v * kernel.value_dim))


def _score_traffic(kernel: Attention) -> Value:
    """Bytes of one pass over the scores where they are written out, those above the diagonal too. [byte]"""
    if kernel.version:
        return 0.0
    scores = kernel.batch * kernel.heads * kernel.query_length * kernel.key_length
    return _value(scores * kernel.element_bytes * (2.0 if kernel.backward else 1.0))


def _value(size: object) -> Value:
    """A size that has its value: no letters get this far."""
    return size  # type: ignore[return-value]


def pointwise(stack: Stack[Pointwise], rates: Rates, mode: str) -> Sums:
    """Seconds of pointwise kernels. Those of compiled code come merged already; they are also better at their traffic."""
    if not stack.kernels:
        return {}
    times = pointwise_seconds(
        traffic=array(stack.whole.bytes()),
        launches=array(stack.whole.launches),
        bandwidth=along(rates.compiled_bandwidth if mode == "compiled" else rates.eager_bandwidth, stack.axes),
        start=constant(rates, "pointwise.start", stack.axes),
    )
    return stack.by_phase(times)


def transfers(stack: Stack[Transfer], rates: Rates) -> Sums:
    """Seconds of copies between device and host."""
    if not stack.kernels:
        return {}
    times = transfer_seconds(
        payload=array(stack.whole.payload),
        launches=array(stack.whole.launches),
        bandwidth=along(host_link(rates.device, rates.constants), stack.axes),
        start=constant(rates, "transfer.start", stack.axes),
    )
    return stack.by_phase(times)


@attrs.frozen(kw_only=True, eq=False)
class Messages:
    """
    Seconds of collectives, none of them hidden. [s]

    Attributes:
        path: Inside a pass.
        once: Beside it, once a step.
        repeated: Beside it, in every micro-batch.
    """

    path: Array
    once: Array
    repeated: Array


def messages(
    stack: Stack[Collective], rates: Rates, machine: Machine, *, micro_batches: Array, stride: Array, nothing: Array
) -> Messages:
    """Seconds of collectives, by what may hide them."""
    if not stack.kernels:
        return Messages(path=nothing, once=nothing, repeated=nothing)
    group = array(stack.whole.group)
    begin, end = stack.spans.get("communication", (0, 0))
    beside = np.zeros((len(stack.kernels), 1, *(1,) * stack.axes))
    beside[begin:end] = 1.0
    apart = np.where(beside > 0.0, stride, 1.0)
    if (group * apart).max() > machine.count:
        fault = f"messages among {(group * apart).max():g} devices need as many; {machine.name} has {machine.count}"
        raise JobError((fault,))
    times = collective_seconds(
        passes=stack.column(lambda k: PASSES[k.kind]),
        payload=array(stack.whole.payload),
        group=group,
        stride=apart,
        launches=array(stack.whole.launches),
        links=_links(machine, rates, stack.axes),
    )
    seconds = times * stack.counts
    often = stack.column(lambda k: float(k.kind in _OF_EVERY_MICRO_BATCH)) * stack.counts
    repeats = (often >= micro_batches) & (beside > 0.0)
    path = np.where(beside > 0.0, 0.0, seconds).sum(axis=0)
    repeated = np.where(repeats, seconds, 0.0).sum(axis=0)
    return Messages(path=path, once=seconds.sum(axis=0) - path - repeated, repeated=repeated)


def _links(machine: Machine, rates: Rates, axes: int) -> Links:
    found = links(machine, rates.device, rates.constants)
    return Links(
        per_node=found.per_node,
        inner=along(found.inner, axes),
        inner_many=along(found.inner_many, axes),
        outer=along(found.outer, axes),
        start=along(found.start, axes),
        hop=along(found.hop, axes),
        outer_hop=along(found.outer_hop, axes),
        ramp=along(found.ramp, axes),
    )


def launches(stacks: Stacks) -> Sums:
    """Kernels launched."""
    found: Sums = {}
    for stack in (stacks.matmuls, stacks.attentions):
        found = added(found, stack.by_phase(np.ones((1, 1, *(1,) * stack.axes))))
    for other in (stacks.pointwise, stacks.collectives, stacks.transfers):
        found = added(found, other.by_phase(array(other.whole.launches))) if other.kernels else found
    return found


def arithmetic(stacks: Stacks, rates: Rates, nothing: Array) -> Array:
    """Arithmetic of a step as 16-bit equivalents: an operation at twice the peak costs half the energy. [FLOP]"""
    total = nothing
    for stack, flops in _arithmetic(stacks):
        weight = stack.each(lambda k: k.format, rates.sixteen_bit_equivalent)
        total = total + (flops * weight * stack.counts).sum(axis=0)
    return total


def _arithmetic(stacks: Stacks) -> Iterator[tuple[Stack[Any], Array]]:
    if stacks.matmuls.kernels:
        yield stacks.matmuls, array(stacks.matmuls.whole.flops())
    if stacks.attentions.kernels:
        yield stacks.attentions, stacks.attentions.column(lambda k: k.flops())


def traffic(stacks: Stacks, nothing: Array) -> Array:
    """Traffic of device memory in a step, at least. [byte]"""
    total = nothing
    if stacks.matmuls.kernels:
        total = total + (array(stacks.matmuls.whole.bytes()) * stacks.matmuls.counts).sum(axis=0)
    if stacks.attentions.kernels:
        total = total + (stacks.attentions.column(lambda k: k.bytes()) * stacks.attentions.counts).sum(axis=0)
    if stacks.pointwise.kernels:
        total = total + (array(stacks.pointwise.whole.bytes()) * stacks.pointwise.counts).sum(axis=0)
    return total


def array(size: Number | None) -> Array:
    """The sizes of :attr:`Stack.whole`, which are columns."""
    return size  # type: ignore[return-value]


def constant(rates: Rates, name: str, axes: int) -> Array:
    """A constant's draws, with the sweep's axes after them."""
    return along(rates.constants[name], axes)


def added(a: Mapping[str, Array], b: Mapping[str, Array]) -> Sums:
    """Two sums by phase, added."""
    return {p: a[p] + b[p] if p in a and p in b else a[p] if p in a else b[p] for p in dict.fromkeys((*a, *b))}
