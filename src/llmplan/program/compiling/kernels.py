"""
Kernels: nodes that are merged into one, in the order in which they run.

Inductor merges what is pointwise with what it reads from and is read by, as long as no product lies between. A value that
only merged nodes read is never in memory. A value that another kernel reads is written once, or made again inside that
kernel where few values are read for it (``torch/_inductor/config.py``: ``realize_reads_threshold``).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from llmplan.program.compiling.graph import Node, read_by
from llmplan.program.op import Storage
from llmplan.program.size import Number

#: A value that is made of more values than this is written to memory where several kernels read it.
_MOST_READS: Final = 4


@attrs.define(eq=False)
class Kernel:
    """
    One launch.

    Attributes:
        label: What it is, for people.
        nodes: What it does.
        alone: Whether it is a product or an attention, which writes over nothing that it reads.
        reads, writes: Values in memory.
        workspaces: Bytes that it takes while it runs. [byte]
    """

    label: str
    nodes: list[Node]
    alone: bool
    reads: list[Storage] = attrs.field(factory=list)
    writes: list[Storage] = attrs.field(factory=list)
    workspaces: Sequence[Number] = ()

    @property
    def second(self) -> bool:
        """Whether it does nothing that was not done before."""
        return all(node.second for node in self.nodes)


def kernels(nodes: Sequence[Node], results: set[int]) -> list[Kernel]:
    """
    The kernels of a graph in the order in which they run.

    Args:
        nodes: In order: each after those it reads from. Those that run a second time run when they are needed.
        results: Values that the graph returns, by id.
    """
    own = {id(node): i for i, node in enumerate(nodes) if not node.second}
    groups = _side_by_side(_groups(nodes), nodes, results)
    home = {id(node): i for i, group in enumerate(groups) for node in group}
    sources = _in_memory(nodes, home, results)
    launched = []
    for group in groups:
        inner = {id(w) for node in group for w in node.writes}
        reads = {id(s): s for node in group for r in node.reads if id(r) not in inner for s in sources.get(id(r), [r])}
        writes = [w for node in group for w in node.writes if sources[id(w)] == [w]]
        first = group[0]
        launched.append(Kernel(first.label, group, first.alone, list(reads.values()), writes, first.workspaces))
    places = {id(k): min((own[id(n)] for n in k.nodes if id(n) in own), default=-1) for k in launched}
    wanted = sorted((k for k in launched if k.writes and places[id(k)] >= 0), key=lambda k: places[id(k)])
    return _ordered(wanted, {id(w): k for k in launched for w in k.writes})


def _groups(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes that are one kernel: pointwise, handing values to one another, with as many products before them."""
    level: dict[int, int] = {}
    home: dict[int, list[Node]] = {}
    for node in nodes:
        depth = max((level.get(id(r), 0) for r in node.reads), default=0) + (1 if node.alone else 0)
        group = [node]
        home[id(node)] = group
        for other in (
            [] if node.alone or node.columns else [home[id(r)] for r in node.reads if id(r) in home and level[id(r)] == depth]
        ):
            if other is not group and not other[0].alone and not other[0].columns:
                other.extend(group)
                home.update((id(n), other) for n in group)
                group = other
        for value in node.writes:
            level[id(value)] = depth + (1 if node.scatters else 0)
            if not node.scatters:
                home[id(value)] = group
        _rehome(group, home)
    return list({id(g): g for node in nodes if (g := home[id(node)])}.values())


def _rehome(group: list[Node], home: dict[int, list[Node]]) -> None:
    for node in group:
        home[id(node)] = group
        if not node.scatters:
            home.update((id(w), group) for w in node.writes)


def _side_by_side(groups: list[list[Node]], nodes: Sequence[Node], results: set[int]) -> list[list[Node]]:
    """The same groups, where sums over rows that read a value in common are one kernel."""
    home = {id(node): i for i, group in enumerate(groups) for node in group}
    sources = _in_memory(nodes, home, results)
    merged: list[list[Node]] = []
    reads_of: list[set[int]] = []
    for group in groups:
        reads = {id(s) for r in group[0].reads for s in sources.get(id(r), [r])} if group[0].columns else set()
        mates = [i for i, other in enumerate(reads_of) if reads & other]
        if mates:
            merged[mates[0]] += group
            reads_of[mates[0]] |= reads
        else:
            merged.append(list(group))
            reads_of.append(reads)
    return merged


def _in_memory(nodes: Sequence[Node], home: dict[int, int], results: set[int]) -> dict[int, list[Storage]]:
    """For each value what is read in memory to have it: itself, or what it is made of."""
    readers = read_by(nodes)
    sources: dict[int, list[Storage]] = {}
    for node in nodes:
        made_of = list({id(s): s for r in node.reads for s in sources.get(id(r), [r])}.values())
        for value in node.writes:
            users = readers.get(id(value), [])
            apart = any(home[id(u)] != home[id(node)] for u in users)
            needed = id(value) in results or node.alone or node.scatters or any(u.alone for u in users)
            written = needed or (apart and (len(made_of) > _MOST_READS or len(node.writes) > 1))
            sources[id(value)] = [value] if written else made_of
    return sources


def _ordered(wanted: Sequence[Kernel], home: Mapping[int, Kernel]) -> list[Kernel]:
    """Each kernel after those it reads from, by way of the values' homes; otherwise as they stand."""
    done: dict[int, Kernel] = {}
    for kernel in wanted:
        pending = [kernel]
        while pending:
            top = pending[-1]
            before = [home[id(r)] for r in top.reads if id(r) in home and id(home[id(r)]) not in done]
            if before and id(top) not in done:
                pending += reversed(before)
            else:
                done.setdefault(id(top), top)
                pending.pop()
    return list(done.values())
