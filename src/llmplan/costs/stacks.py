"""
Kernels of a kind put side by side, so that a step is priced with a few array operations and not with some for each kernel.

A column holds one attribute of all kernels of a kind: shape ``(kernel, 1, sweep...)``, the 1 for the axis of draws.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs
import numpy as np

from llmplan.costs.constants import Array, shape_of
from llmplan.errors import JobError, nearest
from llmplan.program.kernel import Attention, Collective, Kernel, Matmul, Pointwise, Transfer

Value = float | Array
Phases = Mapping[str, Sequence[tuple[Kernel, Value]]]
Entry = tuple[str, Any, tuple[Value, ...]]

PHASES = ("forward", "backward", "recompute", "optimizer", "communication")
"""The phases of a step. Forward, backward and recompute hold the kernels of all its micro-batches."""

K = TypeVar("K")


@attrs.frozen(kw_only=True, eq=False)
class Stack(Generic[K]):
    """
    All kernels of one kind, in the order of the phases.

    Attributes:
        kernels: The kernels; there may be none.
        whole: One kernel that stands for all of them: its sizes are columns. Of a kind that branches on what is no size
            (attention), only the sizes are to be read. The first of the kernels lends what is no size.
        counts: How often each runs in a step: a column.
        spans: For each phase that has such kernels, where they begin and end.
        axes: How many sweep axes the columns have.
    """

    kernels: tuple[K, ...]
    whole: K
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


_SIZES: dict[type, tuple[str, ...]] = {
    Matmul: ("m", "n", "k", "batch", "element_bytes", "out_bytes"),
    Attention: ("batch", "query_length", "key_length", "heads", "kv_heads", "head_dim", "value_dim", "element_bytes", "window"),
    Pointwise: ("read", "written", "launches"),
    Collective: ("payload", "group", "launches"),
    Transfer: ("payload", "launches"),
}
_READ: dict[type, Callable[[Any], tuple[Any, ...]]] = {kind: operator.attrgetter(*names) for kind, names in _SIZES.items()}


def _sizes(kernel: Any) -> tuple[Value, ...]:  # noqa: ANN401  a kernel of any kind, its sizes no longer letters
    """The sizes of a kernel; where attention has no window, it is as wide as there are keys."""
    sizes: tuple[Any, ...] = _READ[type(kernel)](kernel)
    return (*sizes[:-1], kernel.key_length) if sizes[-1] is None else sizes


def column(values: Sequence[object], axes: int) -> Array:
    """
    Values of kernels as a column: kernels first, then one draw, then the sweep.

    Example:
        >>> column([1.0, 2.0], 0).shape, column([1.0, np.ones((4, 1))], 2).shape
        ((2, 1), (2, 1, 4, 1))
    """
    shape = shape_of(*values) if axes else ()
    if not shape:
        return np.array(values, dtype=np.float64).reshape(len(values), 1, *(1,) * axes)
    rows = np.empty((len(values), *shape))
    for row, value in zip(rows, values, strict=True):
        row[...] = value
    return rows.reshape(len(values), 1, *(1,) * (axes - len(shape)), *shape)


def stacked(phases: Phases, *, axes: int = 0) -> Stacks:
    """
    The kernels of a step, by kind.

    Args:
        phases: For each of :data:`PHASES` its kernels, each with how often it runs in a step. Absent phases are empty.

        axes: Sweep axes that there are at least.

    Raises:
        JobError: A phase that does not exist.
    """
    unknown = [name for name in phases if name not in PHASES]
    if unknown:
        raise JobError(tuple(f"no phase named {n!r}; did you mean {nearest(n, PHASES) or PHASES[0]!r}?" for n in unknown))
    kinds: dict[type, list[Entry]] = {kind: [] for kind in _SIZES}
    for phase in PHASES:
        for kernel, count in phases.get(phase, ()):
            kinds[type(kernel)].append((phase, kernel, (count, *_sizes(kernel))))
    axes = max(axes, _axes(sizes for entries in kinds.values() for _, _, sizes in entries))
    return Stacks(
        matmuls=_stack(kinds[Matmul], axes),
        attentions=_stack(kinds[Attention], axes),
        pointwise=_stack(kinds[Pointwise], axes),
        collectives=_stack(kinds[Collective], axes),
        transfers=_stack(kinds[Transfer], axes),
        axes=axes,
    )


def _axes(rows: Iterable[tuple[Value, ...]]) -> int:
    """How many axes sizes and counts have, at most."""
    values = [value for row in rows for value in row]
    if set(map(type, values)) <= {float, int}:
        return 0
    return max((getattr(value, "ndim", 0) for value in values), default=0)


def _stack(entries: Sequence[Entry], axes: int) -> Stack[Any]:
    if not entries:
        return Stack(kernels=(), whole=None, counts=np.zeros((0, 1)), spans={}, axes=axes)
    names = [phase for phase, _, _ in entries]
    spans = {phase: (names.index(phase), len(names) - names[::-1].index(phase)) for phase in dict.fromkeys(names)}
    kernels = tuple(kernel for _, kernel, _ in entries)
    counts, *sizes = _columns([row for _, _, row in entries], axes)
    whole = attrs.evolve(kernels[0], **dict(zip(_SIZES[type(kernels[0])], sizes, strict=True)))
    return Stack(kernels=kernels, whole=whole, counts=counts, spans=spans, axes=axes)


def _columns(rows: Sequence[tuple[Value, ...]], axes: int) -> list[Array]:
    """Rows of numbers as columns; all at once where they are floats."""
    if axes:
        return [column(values, axes) for values in zip(*rows, strict=True)]
    table = np.array(rows, dtype=np.float64)
    return [table[:, i : i + 1] for i in range(table.shape[1])]
