"""
A program: stretches in order, and which of them repeat.

A stretch is the embedding, one period of blocks, or the loss. A run of like blocks is written down three times at
most (first, middle, last); the middle stands for all that lie between.
"""

from collections.abc import Hashable, Sequence

import attrs

from llmplan.program.op import Item, Op, Tensor, operations
from llmplan.program.size import Number


@attrs.define(eq=False)
class Unit:
    """
    A layer's block: what sharding gathers, runs and lets go as one.

    Attributes:
        items: Its operations and regions in order.
        weights: Its parameters.
    """

    items: list[Item] = attrs.field(factory=list)
    weights: list[Tensor] = attrs.field(factory=list)


@attrs.define
class Stretch:
    """
    What is walked, summed up and repeated as one.

    Attributes:
        name: "embedding", "blocks 0", "loss": for people.
        items: Operations and regions in order.
        weights: Parameters that are made here (a tied head's are made with the embedding).
        units: The blocks among them, in order; what is in none of them stands outside of the layers.
        run: Index of the run whose middle this is, or None where it stands once.
    """

    name: str
    items: list[Item] = attrs.field(factory=list)
    weights: list[Tensor] = attrs.field(factory=list)
    units: list[Unit] = attrs.field(factory=list)
    run: int | None = None

    def operations(self) -> list[Op]:
        """All operations, those in regions among them."""
        return operations(self.items)

    def parts(self) -> list[tuple[Unit | None, list[Item]]]:
        """Its items in order, cut where a unit begins or ends."""
        parts: list[tuple[Unit | None, list[Item]]] = []
        owner = {id(item): unit for unit in self.units for item in unit.items}
        for item in self.items:
            unit = owner.get(id(item))
            if not parts or parts[-1][0] is not unit:
                parts.append((unit, []))
            parts[-1][1].append(item)
        return parts

    def used(self) -> list[Tensor]:
        """Parameters that its operations read, wherever they are made."""
        return list({id(t): t for op in self.operations() for t in op.inputs if t.weight}.values())


@attrs.define
class Program:
    """
    What one rank does in the forward of one micro-batch; the walk derives the rest.

    Attributes:
        stretches: In order.
        losses: Tensors that backward starts from.
        constants: Label and bytes of what is there all the time and no parameter: batch, tables, masks. [byte]
        repeats: For each run, how often its middle stands.
        sent: What goes to another stage of a pipeline, whose gradient its schedule holds until backward has ended.
        held: Which of it the schedule holds as long.
        batch: Labels of the constants that come anew with each micro-batch.
        replaced: Bytes of parameters that are made and then replaced by others, as a tied head's. [byte]
    """

    stretches: list[Stretch]
    losses: list[Tensor]
    constants: list[tuple[str, Number]]
    repeats: list[Number]
    sent: list[Tensor] = attrs.field(factory=list)
    held: list[Tensor] = attrs.field(factory=list)
    batch: set[str] = attrs.field(factory=set)
    replaced: list[Number] = attrs.field(factory=list)

    def count(self, stretch: Stretch) -> Number:
        """How often *stretch* stands."""
        return 1.0 if stretch.run is None else self.repeats[stretch.run]

    def weights(self) -> list[tuple[Tensor, Number]]:
        """Each parameter and how many like it there are."""
        return [(w, self.count(s)) for s in self.stretches for w in s.weights]

    def units(self) -> list[tuple[Unit, Number]]:
        """Each unit in order, and how many like it there are."""
        return [(u, self.count(s)) for s in self.stretches for u in s.units]

    def outside(self) -> list[Tensor]:
        """Parameters of no unit: embedding, final norm, head."""
        inside = {id(w) for u, _ in self.units() for w in u.weights}
        return [w for w, _ in self.weights() if id(w) not in inside]


@attrs.frozen
class Run:
    """
    Like layers after one another.

    Attributes:
        period: Descriptions of the layers of one repetition.
        repeat: How many repetitions.
    """

    period: tuple[Hashable, ...]
    repeat: int


@attrs.frozen(kw_only=True)
class Treated:
    """
    A layer that is treated in a way of its own.

    Attributes:
        description: What its architecture says of it.
        recomputes: Whether it is recomputed where the job asks for that.
        trains: Whether it is trained.
    """

    description: Hashable
    recomputes: bool
    trains: bool


def treated(layers: Sequence[Hashable], every: int, frozen: int) -> Sequence[Hashable]:
    """
    Layer descriptions, of which each *every*-th is recomputed and the first *frozen* are not trained.

    Example:
        >>> [(layer.recomputes, layer.trains) for layer in treated("aaaa", 2, 1)]
        [(False, False), (True, True), (False, True), (True, True)]
    """
    if every == 1 and not frozen:
        return layers
    return [Treated(description=d, recomputes=(i + 1) % every == 0, trains=i >= frozen) for i, d in enumerate(layers)]


def fold(layers: Sequence[Hashable], longest: int = 8) -> list[Run]:
    """
    Layer descriptions as runs: the shortest period that covers most, then what is left.

    Example:
        >>> fold(["a", "a", "a", "b"])
        [Run(period=('a',), repeat=3), Run(period=('b',), repeat=1)]
        >>> fold("ssslssslsl")
        [Run(period=('s', 's', 's', 'l'), repeat=2), Run(period=('s', 'l'), repeat=1)]
    """
    runs: list[Run] = []
    start = 0
    while start < len(layers):
        size, repeat = max(
            ((size, _repeats(layers, start, size)) for size in range(1, longest + 1) if start + size <= len(layers)),
            key=lambda found: (found[0] * found[1] if found[1] > 1 else 0, -found[0]),
        )
        if repeat == 1:
            size = _until_repetition(layers, start, longest)
        runs.append(Run(tuple(layers[start : start + size]), repeat))
        start += size * repeat
    return runs


def _repeats(layers: Sequence[Hashable], start: int, size: int) -> int:
    """How often the *size* layers at *start* stand after one another."""
    period, repeat = layers[start : start + size], 1
    while layers[start + repeat * size : start + (repeat + 1) * size] == period:
        repeat += 1
    return repeat


def _until_repetition(layers: Sequence[Hashable], start: int, longest: int) -> int:
    """How many layers at *start* lie before anything repeats."""
    for end in range(start + 1, len(layers)):
        if any(_repeats(layers, end, size) > 1 for size in range(1, longest + 1) if end + size <= len(layers)):
            return end - start
    return len(layers) - start
