"""
The cut: which values the forward keeps for the backward, and which are made again there.

AOTAutograd's partitioner lets the bytes that cross from forward to backward be least, where some values may not be made
again (``torch/_functorch/partitioners.py``, ``solve_min_cut``, PyTorch 2.13):

- products, attention, rows looked up, concatenations, and what is random;
- what a product or an attention of the backward reads, as it would have to be written to memory anyway;
- what is a fourth or less of what it is made of, as a norm's statistics;
- a sum that reads a value which was also read before a product on the way, as a residual stream's sums do.

A value near the backward is preferred to one far from it by a tenth a node, and one that is in memory anyway to one that
is merged away by two. What lies in a recomputed region is made again whatever the cut says; what leaves it is kept.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Final

from llmplan.program.compiling.flow import Network
from llmplan.program.compiling.graph import Joint, Node, made_by, read_by
from llmplan.program.op import Storage
from llmplan.program.size import Number

#: An output that is smaller than its inputs by more than this is kept (``ban_recompute_reductions``).
_REDUCTION: Final = 4.0
#: What a node of distance from the backward adds to the price of keeping a value, and how far it counts.
_FARTHER, _FARTHEST = 1.1, 100
#: By how much a value that is merged away is dearer than one that is in memory anyway.
_NOT_IN_MEMORY: Final = 2.0

#: Gives sizes as numbers: the cut is a choice, and a choice is structure.
Measure = Callable[[Sequence[Number]], Sequence[float]]


def kept(found: Joint, measure: Measure) -> list[Storage]:
    """The values of the forward that are kept, in the order in which they are made."""
    return _Cut(found, measure).values()


class _Cut:
    def __init__(self, found: Joint, measure: Measure) -> None:
        self._found = found
        values = list({id(v): v for node in found.forward for v in (*node.reads, *node.writes)}.values())
        self._sizes = dict(zip(map(id, values), measure([v.bytes for v in values]), strict=True))
        self._makers = made_by(found.forward)
        self._readers = read_by(found.forward)
        self._order = {id(node): i for i, node in enumerate(found.forward)}
        self._in_backward = read_by(found.backward)
        self._distances = self._distances_from_backward()

    def values(self) -> list[Storage]:
        network = Network()
        fixed = self._never_again()
        for node in self._found.forward:
            for value in node.writes:
                if id(value) in self._distances:
                    self._join(network, node, value, fixed)
        if not any(id(v) in self._distances for n in self._found.forward for v in n.writes):
            return []
        behind = network.cut("source", "sink")
        made = [v for node in self._found.forward for v in node.writes]
        return [v for v in made if ("in", id(v)) not in behind and ("out", id(v)) in behind]

    def _join(self, network: Network, node: Node, value: Storage, fixed: set[int]) -> None:
        start, end = ("in", id(value)), ("out", id(value))
        network.join(start, end, self._price(value))
        if id(value) in fixed:
            network.join("source", start)
        elif node.region is not None:
            network.join(start, "sink")
        for reader in self._readers.get(id(value), ()):
            for made in reader.writes:
                if id(made) in self._distances:
                    network.join(end, ("in", id(made)))
        for made in self._rest(node, value):  # what a row's statistics are needed for
            network.join(end, ("in", id(made)))
        if id(value) in self._in_backward:
            network.join(end, "sink")

    def _rest(self, node: Node, value: Storage) -> list[Storage]:
        """The full outputs that are made of a statistic of the same node."""
        if not self._is_statistic(node, value):
            return []
        return [w for w in node.writes if id(w) in self._distances and not self._is_statistic(node, w)]

    def _price(self, value: Storage) -> float:
        farther: float = _FARTHER ** min(self._distances[id(value)], _FARTHEST)
        return self._sizes[id(value)] * farther * (1.0 if self._in_memory(value) else _NOT_IN_MEMORY)

    def _in_memory(self, value: Storage) -> bool:
        maker = self._makers[id(value)]
        readers = [*self._readers.get(id(value), ()), *self._in_backward.get(id(value), ())]
        return not all(_merges(maker, reader) for reader in readers)

    def _distances_from_backward(self) -> dict[int, int]:
        """Nodes between each value and the backward; of those values alone from which it can be reached."""
        found: dict[int, int] = {}
        for node in reversed(self._found.forward):
            for value in node.writes:
                below = [found[id(w)] for r in self._readers.get(id(value), ()) for w in r.writes if id(w) in found]
                if id(value) in self._in_backward:
                    below.append(0)
                if below:
                    found[id(value)] = min(below) + 1
        for node in self._found.forward:  # a row's statistics are one nearer than what is made of them
            full = [found[id(w)] for w in node.writes if id(w) in found and not self._is_statistic(node, w)]
            if full:
                for value in node.writes:
                    found.setdefault(id(value), min(full) + 1)
        return found

    def _never_again(self) -> set[int]:
        """Values that may not be made again, by id."""
        fixed: set[int] = set()
        for node in self._found.forward:
            for value in node.writes:
                if node.region is not None:
                    if any(r.region not in (None, node.region) for r in self._readers.get(id(value), ())):
                        fixed.add(id(value))
                elif not node.again or self._is_statistic(node, value) or self._written_in_backward(node, value):
                    fixed.add(id(value))
        for node in self._found.forward:
            for value in node.writes:
                fixed |= self._far_uses(node, value)
        return fixed

    def _is_statistic(self, node: Node, value: Storage) -> bool:
        return self._sizes[id(value)] * _REDUCTION < sum(self._sizes[id(r)] for r in node.reads)

    def _written_in_backward(self, node: Node, value: Storage) -> bool:
        """Whether a kernel of the backward that merges with nothing reads it whole: pieces hide it from the partitioner."""
        return any(not _merges(node, r) and id(value) not in r.pieces for r in self._in_backward.get(id(value), ()))

    def _far_uses(self, node: Node, value: Storage) -> set[int]:
        """What reads the value after a product that lies on the way from an earlier reader (``ban_recompute_used_far_apart``)."""
        readers = self._readers.get(id(value), [])
        if len(readers) < 2:  # noqa: PLR2004  two are apart
            return set()
        first = self._first_product(readers)
        far = [r for r in readers if self._order[id(r)] > first and _merges(node, r) and r.again and r.region is None]
        return {id(w) for r in far for w in r.writes}

    def _first_product(self, readers: Sequence[Node]) -> int:
        """Where the first node that does not merge lies among what follows the *readers*, up to the last of them."""
        last = max(self._order[id(r)] for r in readers)
        queue = [(self._order[id(r)], True) for r in readers]
        heapq.heapify(queue)
        seen = set(queue)
        while queue:
            place, merges = heapq.heappop(queue)
            if not merges:
                return place
            node = self._found.forward[place]
            for reader in (r for w in node.writes for r in self._readers.get(id(w), ())):
                entry = (self._order[id(reader)], _merges(node, reader))
                if entry[0] <= last and entry not in seen:
                    seen.add(entry)
                    heapq.heappush(queue, entry)
        return last


def _merges(a: Node, b: Node) -> bool:
    """Whether *b*, which reads what *a* makes, can be one kernel with it."""
    return b.joins or (a.again and b.again)
