"""
Kernels of a kind put side by side, so that a step is priced with a few array operations and not with some for each kernel.

A column holds one attribute of all kernels of a kind: shape ``(kernel, 1, sweep...)``, the 1 for the axis of draws.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs
import numpy as np

from llmplan.costs.constants import Array, shape_of
from llmplan.errors import JobError, nearest
from llmplan.program.kernel import Attention, Collective, Kernel, Matmul, Pointwise, Transfer

Value = float | Array
Phases = Mapping[str, Sequence[tuple[Kernel, Value]]]
Entry = tuple[str, Any, Value]

PHASES = ("forward", "backward", "recompute", "optimizer", "communication")
"""The phases of a step. Forward, backward and recompute hold the kernels of all its micro-batches."""

K = TypeVar("K")


@attrs.frozen(kw_only=True, eq=False)
class Stack(Generic[K]):
    """
    All kernels of one kind, in the order of the phases.

    Attributes:
        kernels: The kernels; there may be none.
        counts: How often each runs in a step: a column.
        spans: For each phase that has such kernels, where they begin and end.
        axes: How many sweep axes the columns have.
    """

    kernels: tuple[K, ...]
    counts: Array
    spans: Mapping[str, tuple[int, int]]
    axes: int

    def column(self, read: Callable[[K], object]) -> Array:
        """What *read* says of each kernel, as a column."""
        return column([read(kernel) for kernel in self.kernels], self.axes)

    def each(self, key: Callable[[K], Any], value: Callable[[Any], Array]) -> Array:
        """Draws that belong to a kernel's *key*, one row a kernel; one row for all where they have one key."""
        keys = [key(kernel) for kernel in self.kernels]
        of = {k: value(k) for k in dict.fromkeys(keys)}
        rows = np.array([of[k] for k in (keys if len(of) > 1 else keys[:1])])
        return rows.reshape(rows.shape + (1,) * self.axes)

    def by_phase(self, each: Array) -> dict[str, Array]:
        """Sums over the kernels of a phase, counted as often as they run; *each* has the kernels on its first axis."""
        counted = each * self.counts
        return {phase: counted[begin:end].sum(axis=0) for phase, (begin, end) in self.spans.items()}


@attrs.frozen(kw_only=True, eq=False)
class Stacks:
    """
    The kernels of a step, by kind.

    Attributes:
        matmuls, attentions, pointwise, collectives, transfers: A stack for each kind.
        axes: How many sweep axes there are.
    """

    matmuls: Stack[Matmul]
    attentions: Stack[Attention]
    pointwise: Stack[Pointwise]
    collectives: Stack[Collective]
    transfers: Stack[Transfer]
    axes: int


def column(values: Sequence[object], axes: int) -> Array:
    """
    Values of kernels as a column: kernels first, then one draw, then the sweep.

    Example:
        >>> column([1.0, 2.0], 0).shape, column([1.0, np.ones((4, 1))], 2).shape
        ((2, 1), (2, 1, 4, 1))
    """
    if axes == 0:
        return np.array(values, dtype=np.float64)[:, None]
    shape = shape_of(*values)
    rows = np.empty((len(values), *shape))
    for row, value in zip(rows, values, strict=True):
        row[...] = value
    return rows.reshape(len(values), 1, *(1,) * (axes - len(shape)), *shape)


def stacked(phases: Phases) -> Stacks:
    """
    The kernels of a step, by kind.

    Args:
        phases: For each of :data:`PHASES` its kernels, each with how often it runs in a step. Absent phases are empty.

    Raises:
        JobError: A phase that does not exist.
    """
    unknown = [name for name in phases if name not in PHASES]
    if unknown:
        raise JobError(tuple(f"no phase named {n!r}; did you mean {nearest(n, PHASES) or PHASES[0]!r}?" for n in unknown))
    kinds: dict[type, list[Entry]] = {Matmul: [], Attention: [], Pointwise: [], Collective: [], Transfer: []}
    for phase in PHASES:
        for kernel, count in phases.get(phase, ()):
            kinds[type(kernel)].append((phase, kernel, count))
    axes = max((_axes(entry) for entries in kinds.values() for entry in entries), default=0)
    return Stacks(
        matmuls=_stack(kinds[Matmul], axes),
        attentions=_stack(kinds[Attention], axes),
        pointwise=_stack(kinds[Pointwise], axes),
        collectives=_stack(kinds[Collective], axes),
        transfers=_stack(kinds[Transfer], axes),
        axes=axes,
    )


def _axes(entry: Entry) -> int:
    """How many axes the sizes of a kernel and its count have, at most."""
    _, kernel, count = entry
    sizes = [getattr(kernel, name) for name in _fields(type(kernel))]
    return max(getattr(size, "ndim", 0) for size in (count, *sizes))


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(kind: type) -> tuple[str, ...]:
    """Names of the fields that may be arrays; asking attrs for each kernel costs as much as pricing it."""
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = tuple(field.name for field in attrs.fields(kind))
    return found


def _stack(entries: Sequence[Entry], axes: int) -> Stack[Any]:
    names = [phase for phase, _, _ in entries]
    spans = {phase: (names.index(phase), len(names) - names[::-1].index(phase)) for phase in dict.fromkeys(names)}
    return Stack(
        kernels=tuple(kernel for _, kernel, _ in entries),
        counts=column([count for _, _, count in entries], axes) if entries else np.zeros((0, 1)),
        spans=spans,
        axes=axes,
    )
