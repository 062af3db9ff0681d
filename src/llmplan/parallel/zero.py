"""
ZeRO's first stage as PyTorch has it: ``ZeroRedundancyOptimizer`` deals whole parameters out to the ranks.

Parameters are taken from the largest to the smallest, each by the rank that has the fewest elements so far
(``torch/distributed/optim/zero_redundancy_optimizer.py`` of PyTorch 2.13, ``_partition_parameters``). Every rank keeps all
parameters and gradients, and the states of its own.
"""

import heapq
from collections.abc import Sequence


def dealt(elements: Sequence[float], ranks: int) -> list[list[int]]:
    """
    The places of the parameters that each rank gets.

    Args:
        elements: Elements of each parameter.
        ranks: Among how many ranks.

    Example:
        >>> dealt([6.0, 1.0, 4.0, 3.0], 2)
        [[0, 1], [2, 3]]
    """
    shares: list[list[int]] = [[] for _ in range(ranks)]
    fewest = [(0.0, rank) for rank in range(ranks)]
    for place in sorted(range(len(elements)), key=lambda i: -elements[i]):
        size, rank = heapq.heappop(fewest)
        shares[rank].append(place)
        heapq.heappush(fewest, (size + elements[place], rank))
    return shares
