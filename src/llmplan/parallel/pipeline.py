"""
Pipeline parallelism: which layers a stage has, in which order it works, and what is in flight while it does.

A stage has one piece of the model, or several ("virtual stages", arXiv 2104.04473, section 2.2). Its order of passes is
the schedule's; how many micro-batches wait for their backward at each pass follows by counting.
"""

import functools
from collections.abc import Iterator
from typing import Literal

import attrs

Schedule = Literal["1f1b", "gpipe", "interleaved"]
Direction = Literal["forward", "backward"]


@attrs.frozen
class Pass:
    """
    One micro-batch through one piece of the model, one way.

    Attributes:
        direction: Which way.
        piece: Which of the stage's pieces.
    """

    direction: Direction
    piece: int


@attrs.frozen
class Occupancy:
    """
    A pass, and what stands beside it.

    Attributes:
        at: The pass.
        others: For each piece, micro-batches whose forward is done and whose backward has not begun, but this one.
        made: For each piece, whether an earlier backward has made its gradients.
    """

    at: Pass
    others: tuple[int, ...]
    made: tuple[bool, ...]


def pieces(layers: int, stages: int, virtual: int = 1, first: int | None = None, last: int | None = None) -> list[list[range]]:
    """
    The layers of each piece of each stage.

    Args:
        layers: Of the model.
        stages: Of the pipeline.
        virtual: Pieces on each stage.
        first, last: Layers of the first and the last stage, where they have others than the stages between.

    Raises:
        ValueError: The layers cannot be shared out so.

    Example:
        >>> pieces(8, 2, 2)
        [[range(0, 2), range(4, 6)], [range(2, 4), range(6, 8)]]
        >>> pieces(7, 3, first=2, last=1)
        [[range(0, 2)], [range(2, 6)], [range(6, 7)]]
    """
    sizes: list[int | None] = [first, *[None] * (stages - 2), last] if stages > 1 else [None]
    rest = layers - sum(s or 0 for s in sizes)
    open_stages = sum(s is None for s in sizes)
    if rest < 0 or (open_stages == 0 and rest) or (open_stages and (rest % open_stages or rest == 0)):
        msg = f"{layers} layers cannot be shared out among {stages} stages"
        raise ValueError(msg)
    counts = [rest // open_stages if s is None else s for s in sizes]
    if any(c % virtual for c in counts):
        msg = f"{virtual} virtual stages do not divide the layers of each stage: {', '.join(map(str, counts))}"
        raise ValueError(msg)
    found: list[list[range]] = [[] for _ in counts]
    start = 0
    for _ in range(virtual):
        for stage, count in enumerate(counts):
            found[stage].append(range(start, start + count // virtual))
            start += count // virtual
    return found


def passes(schedule: Schedule, stages: int, virtual: int, stage: int, micro_batches: int) -> Iterator[Pass]:
    """
    What a stage does in one step, in order.

    Args:
        schedule: "gpipe" (arXiv 1811.06965): all forward, all backward. "1f1b" (arXiv 2006.09503): as many forward as
            there are stages after it, then one forward and one backward in turn. "interleaved": the same over pieces.
        stages: Of the pipeline.
        virtual: Pieces on each stage.
        stage: Which.
        micro_batches: Of a step.

    Example:
        >>> "".join(p.direction[0] for p in passes("1f1b", 3, 1, 0, 4))
        'fffbfbbb'
    """
    total = micro_batches * virtual
    if schedule == "gpipe":
        ahead = total
    elif virtual == 1:
        ahead = min(stages - stage - 1, total)
    else:
        ahead = min(2 * (stages - stage - 1) + (virtual - 1) * stages, total)
    for k in range(ahead):
        yield Pass("forward", _piece(k, stages, virtual))
    for k in range(total - ahead):
        yield Pass("forward", _piece(ahead + k, stages, virtual))
        yield Pass("backward", virtual - 1 - _piece(k, stages, virtual))
    for k in range(total - ahead, total):
        yield Pass("backward", virtual - 1 - _piece(k, stages, virtual))


def _piece(k: int, stages: int, virtual: int) -> int:
    """The piece of the k-th forward: as many micro-batches as there are stages go through each in turn."""
    return k % (stages * virtual) // stages


@functools.lru_cache(maxsize=1024)
def occupancies(schedule: Schedule, stages: int, virtual: int, stage: int, micro_batches: int) -> tuple[Occupancy, ...]:
    """
    Every pass of a stage with what stands beside it, each kind once and only where nothing is less than another's.

    Example:
        >>> [o.others for o in occupancies("1f1b", 4, 1, 0, 8) if o.at.direction == "backward" and o.made == (True,)]
        [(3,)]
    """
    flying, made = [0] * virtual, [False] * virtual
    found: dict[Occupancy, None] = {}
    # What comes after three rounds of all stages repeats until the last round.
    for at in passes(schedule, stages, virtual, stage, min(micro_batches, 4 * stages) if schedule != "gpipe" else micro_batches):
        if at.direction == "backward":
            flying[at.piece] -= 1
        found[Occupancy(at, tuple(flying), tuple(made))] = None
        if at.direction == "forward":
            flying[at.piece] += 1
        else:
            made[at.piece] = True
    return tuple(o for o in found if not any(_less(o, p) for p in found))


def _less(a: Occupancy, b: Occupancy) -> bool:
    """Whether *b* is the same pass with no less beside it; the first backward of a piece is a pass of its own."""
    if a is b or a.at != b.at or (a.at.direction == "backward" and a.made[a.at.piece] != b.made[b.at.piece]):
        return False
    return all(x <= y for x, y in zip((*a.others, *a.made), (*b.others, *b.made), strict=True))
