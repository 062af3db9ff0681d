"""Least cuts: the largest flow through a network of capacities, by shortest augmenting paths."""

import math
from collections import deque
from collections.abc import Hashable


class Network:
    """
    A network of capacities.

    Example:
        >>> pipes = Network()
        >>> pipes.join("in", "a", 3.0)
        >>> pipes.join("a", "out", 2.0)
        >>> pipes.cut("in", "out")
        {'out'}
    """

    def __init__(self) -> None:
        self._left: dict[Hashable, dict[Hashable, float]] = {}

    def join(self, a: Hashable, b: Hashable, capacity: float = math.inf) -> None:
        """An edge from *a* to *b*; joined twice, the larger capacity counts."""
        edges = self._left.setdefault(a, {})
        edges[b] = max(edges.get(b, 0.0), capacity)
        self._left.setdefault(b, {}).setdefault(a, 0.0)

    def cut(self, source: Hashable, sink: Hashable) -> set[Hashable]:
        """
        What lies on the sink's side of a least cut; of several, of the one that is nearest to the sink.

        Raises:
            ValueError: No finite cut parts the two.
        """
        while path := self._path(source, sink):
            least = min(self._left[a][b] for a, b in path)
            if math.isinf(least):
                msg = f"nothing finite parts {source} from {sink}"
                raise ValueError(msg)
            for a, b in path:
                self._left[a][b] -= least
                self._left[b][a] += least
        return self._reaching(sink)

    def _path(self, source: Hashable, sink: Hashable) -> list[tuple[Hashable, Hashable]]:
        """A shortest path along which more can flow; empty where there is none."""
        came: dict[Hashable, Hashable] = {source: source}
        queue = deque([source])
        while queue and sink not in came:
            a = queue.popleft()
            for b, left in self._left.get(a, {}).items():
                if left > 0.0 and b not in came:
                    came[b] = a
                    queue.append(b)
        if sink not in came:
            return []
        path, b = [], sink
        while b is not source:
            path.append((came[b], b))
            b = came[b]
        return path

    def _reaching(self, sink: Hashable) -> set[Hashable]:
        """All from which more could flow to the *sink*."""
        found = {sink}
        queue = deque([sink])
        while queue:
            b = queue.popleft()
            for a in self._left.get(b, {}):
                if a not in found and self._left[a].get(b, 0.0) > 0.0:
                    found.add(a)
                    queue.append(a)
        return found
