"""
Around: what a framework does around the units of a program, such as gathering the parameters of a block before it runs.

The walk calls these as hooks, in the order in which a framework's own hooks run, and lends its book: what comes and what
goes is written down with :meth:`Book.hold` and :meth:`Book.drop`. The hooks of this class do nothing; a way of sharding
(:mod:`llmplan.parallel.fsdp`) derives from it.
"""

from collections.abc import Iterable
from typing import Protocol

from llmplan.program.op import Storage, Tensor
from llmplan.program.stretch import Unit


class Book(Protocol):
    """What a walk lends to those who do something around it."""

    def hold(self, storage: Storage) -> None:
        """One more needs *storage*; the first brings it to life."""

    def drop(self, storage: Storage) -> None:
        """One fewer needs it; with the last it dies."""

    def take(self, weights: Iterable[Tensor]) -> list[Storage]:
        """The gradients of *weights* that have come in, no longer the walk's: whoever takes them drops them."""


class Around:
    """
    Hooks around the passes of one micro-batch and around each of its units. What lies outside of all units (embedding,
    final norm, head) is the root's, and the root's hooks are those of the passes.

    Attributes:
        micro_batches: How many micro-batches have to be walked, one after the other, to meet every moment.
    """

    micro_batches: int = 1

    def begin_forward(self, book: Book, micro_batch: int) -> None:
        """A micro-batch begins; the first is number 0."""

    def before_forward(self, book: Book, unit: Unit) -> None:
        """A unit is about to run."""

    def after_forward(self, book: Book, unit: Unit) -> None:
        """It has run."""

    def end_forward(self, book: Book) -> None:
        """The loss is there."""

    def begin_backward(self, book: Book) -> None:
        """The loss's own gradient is there."""

    def before_backward(self, book: Book, unit: Unit) -> None:
        """The gradient of a unit's output is there."""

    def after_backward(self, book: Book, unit: Unit) -> None:
        """The gradients of a unit's input and of all its weights are there."""

    def end_backward(self, book: Book) -> None:
        """All gradients are there."""
