"""
Fusing: what a compiler makes of the pointwise operations between matrix products.

``torch.compile`` merges pointwise operations and reductions over rows that follow one another into one kernel, which
reads what comes from outside and writes what is used outside; what backward needs of the rest it computes again. Here
operations belong together that hand results to one another and have as many products before them on the longest way.
This is for time only: what compiled code keeps in memory is decided by a cut, in :mod:`llmplan.program.compiling`.
"""

from collections.abc import Sequence

import attrs

from llmplan.program.kernel import Kernel, Pointwise
from llmplan.program.op import Op, Tensor, bytes_of


@attrs.frozen
class Fused:
    """
    Kernels of some operations after fusing.

    Attributes:
        forward, backward: What each pass launches.
    """

    forward: list[Kernel]
    backward: list[Kernel]


def fused(ops: Sequence[Op], consumers: dict[int, list[Op]]) -> Fused:
    """
    The kernels of *ops* when what is pointwise among them is merged.

    Args:
        ops: Operations in order.
        consumers: For each tensor, by id, the operations of the whole program that read it.
    """
    forward: list[Kernel] = []
    backward: list[Kernel] = []
    for group in _groups(ops):
        if not is_pointwise(group[0]):
            forward += group[0].forward
            backward += group[0].backward
            continue
        members = {id(op) for op in group}
        inputs = _unique([i for op in group for i in op.inputs if not _made_in(group, i)])
        outputs = _unique([o for op in group for o in op.outputs if _used_outside(o, consumers, members)])
        forward.append(Pointwise(read=bytes_of(inputs), written=bytes_of(outputs), fusible=False))
        wanted = [i for i in inputs if i.needs_gradient]
        if wanted and any(op.backward for op in group):
            read = bytes_of(inputs) + bytes_of([o for o in outputs if o.needs_gradient])
            backward.append(Pointwise(read=read, written=bytes_of(wanted), fusible=False))
    return Fused(forward, backward)


def consumers_of(ops: Sequence[Op]) -> dict[int, list[Op]]:
    """For each tensor, by id, the operations that read it."""
    found: dict[int, list[Op]] = {}
    for op in ops:
        for tensor in op.inputs:
            found.setdefault(id(tensor), []).append(op)
    return found


def is_pointwise(op: Op) -> bool:
    """Whether a compiler may merge it with its neighbours; a view is merged into whatever uses it."""
    return all(isinstance(k, Pointwise) and k.fusible for k in op.forward)


def _groups(ops: Sequence[Op]) -> list[list[Op]]:
    """Operations that one kernel does; anything that is not pointwise is alone."""
    level: dict[int, int] = {}  # of a tensor: products before it on the longest way
    home: dict[int, list[Op]] = {}  # of a tensor: the group that makes it
    groups: list[list[Op]] = []
    for op in ops:
        pointwise = is_pointwise(op)
        depth = max((level.get(id(i), 0) for i in op.inputs), default=0) + (0 if pointwise else 1)
        near = [home[id(i)] for i in op.inputs if pointwise and id(i) in home and level[id(i)] == depth]
        group = near[0] if near else []
        for other in near[1:]:
            _merge(group, other, groups, home)
        if not near:
            groups.append(group)
        group.append(op)
        for o in op.outputs:
            level[id(o)] = depth
            if pointwise:
                home[id(o)] = group
    return groups


def _merge(group: list[Op], other: list[Op], groups: list[list[Op]], home: dict[int, list[Op]]) -> None:
    """Two groups that a third operation reads from become one."""
    if other is group:
        return
    group.extend(other)
    groups[:] = [g for g in groups if g is not other]
    for op in other:
        for o in op.outputs:
            home[id(o)] = group


def _made_in(group: Sequence[Op], tensor: Tensor) -> bool:
    return any(tensor is o for op in group for o in op.outputs)


def _used_outside(tensor: Tensor, consumers: dict[int, list[Op]], members: set[int]) -> bool:
    return any(id(op) not in members for op in consumers.get(id(tensor), ()))


def _unique(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each once."""
    return list({id(t): t for t in tensors}.values())
