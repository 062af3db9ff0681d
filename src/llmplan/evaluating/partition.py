"""Partition: what the rank with the most optimizer states keeps, where whole parameters are dealt out to the ranks."""

import functools

import attrs

from llmplan.evaluating.tracing import Structure, trace
from llmplan.parallel.deepspeed import touched
from llmplan.parallel.zero import dealt
from llmplan.program.op import Tensor
from llmplan.program.optimizer import Rule
from llmplan.program.size import evaluate, total


@attrs.frozen
class Largest:
    """
    The rank with the most states.

    Attributes:
        rank: Which one; the first of equals.
        states: What it keeps. [byte]
        temporaries: What its step takes for a moment. [byte]
    """

    rank: int
    states: float
    temporaries: float


@functools.lru_cache(maxsize=1024)
def largest_part(structure: Structure, rule: Rule, sizes: tuple[tuple[str, float], ...], ranks: int) -> Largest:
    """
    The rank of *ranks* that has the most states of a *structure* with these *sizes*.

    What they come to does not depend on the order of parameters of equal size.
    """
    weights = _each(structure, dict(sizes))
    found = []
    for rank, places in enumerate(dealt([float(v) for v in evaluate([w.elements for w in weights], {})], ranks)):
        own = [weights[i] for i in places]
        states, temporaries = (
            total(rule.device_bytes(w) for w in own) + rule.shared_bytes,
            rule.temporary_bytes([(w, 1.0) for w in own]),
        )
        found.append(Largest(rank, *(float(v) for v in evaluate([states, temporaries], {}))))
    return max(found, key=lambda part: part.states + part.temporaries)


@functools.lru_cache(maxsize=1024)
def most_touched(structure: Structure, sizes: tuple[tuple[str, float], ...], ranks: int) -> tuple[int, float]:
    """The rank whose equal share of one flat buffer touches the most elements of whole parameters, and how many these are."""
    each = touched([float(v) for v in evaluate([w.elements for w in _each(structure, dict(sizes))], {})], ranks)
    return each.index(max(each)), max(each)


def _each(structure: Structure, sizes: dict[str, float]) -> list[Tensor]:
    """Every trained parameter, in plain numbers."""
    entries = [(w, n) for w, n in trace(structure).program.weights() if w.weight and w.weight.trainable]
    values = iter(evaluate([v for w, n in entries for v in (w.rows, w.cols, n)], sizes))
    every: list[Tensor] = []
    for (w, _), rows, cols, n in zip(entries, values, values, values, strict=True):
        every += [Tensor(rows, cols, w.format, weight=w.weight)] * round(float(n))
    return every
