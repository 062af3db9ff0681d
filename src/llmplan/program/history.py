"""
History: all that a training run asks of the allocator in its first steps, storage by storage.

The walk (:mod:`llmplan.program.walk`) knows one micro-batch. A run makes the parameters and what else is there for
good, then for each step: the batch, forward and backward of each micro-batch, the optimizer's step, and the end of the
gradients. How much the caching allocator holds depends on the order of all of it.
"""

from collections.abc import Hashable, Iterator, Sequence

import attrs

from llmplan.program.op import Storage
from llmplan.program.stepping import Stepper
from llmplan.program.stretch import Program
from llmplan.program.walk import Habits, Happening, Walk


@attrs.frozen
class Episode:
    """
    A part of a step: a micro-batch with its batch, or the step's end.

    Attributes:
        happenings: What comes (1) and goes (-1), in order.
        followed_by: How many like it follow.
    """

    happenings: Sequence[Happening]
    followed_by: int = 0


class History:
    """
    A run, episode by episode.

    Args:
        program: What one micro-batch runs, every layer of it.
        habits: What is done around autograd's own doing.
        stepper: The optimizer.
        micro_batches: How many a step has.
    """

    def __init__(self, program: Program, habits: Habits, stepper: Stepper, *, micro_batches: int) -> None:
        self._program, self._habits, self._stepper = program, habits, stepper
        self._micro_batches = micro_batches
        self._walked: dict[Hashable, tuple[Sequence[Happening], list[Storage]]] = {}

    def setup(self) -> Iterator[Happening]:
        """Parameters in the model's order, what is replaced, and constants that are there for good."""
        for w, _ in self._program.weights():
            yield w.storage, 1
        for size in self._program.replaced:
            own = Storage(size, "replaced parameters", "parameters")
            yield from ((own, 1), (own, -1))
        for label, size in self._program.constants:
            if label not in self._program.batch:
                yield Storage(size, label, "other"), 1

    def step(self, *, first: bool) -> Iterator[Episode]:
        """A step of the run, its *first* or a later one."""
        batches = self._batch(), self._batch()
        before: list[Storage] = []
        gradients: list[Storage] = []
        for place in range(self._micro_batches):
            # A name holds the last batch until it is bound to the next one.
            batch = batches[place % 2]
            walked, made = self._micro_batch(first_of_run=first, first_of_step=place == 0)
            renewal = [*((s, 1) for s in batch), *((s, -1) for s in before)]
            yield Episode([*renewal, *walked], self._micro_batches - place - 1 if place else 0)
            before, gradients = batch, gradients or made
        end: list[Happening] = [(s, -1) for s in before]
        if not self._habits.update:
            end[:0] = [*self._stepper.step(), *((g, -1) for g in gradients)]
        yield Episode(end)

    def _batch(self) -> list[Storage]:
        """What a micro-batch brings."""
        return [Storage(size, label, "other") for label, size in self._program.constants if label in self._program.batch]

    def _micro_batch(self, *, first_of_run: bool, first_of_step: bool) -> tuple[Sequence[Happening], list[Storage]]:
        """
        Forward and backward, and the gradients that stay. Like ones are walked once: in a step the first differs from
        those whose gradients are added to its own; in a run it does where an optimizer in backward makes its states.
        """
        in_backward = self._habits.update is not None
        stays = self._habits.fate == "taken" and first_of_step and not in_backward
        key = (in_backward and first_of_run, stays)
        if key not in self._walked:
            walk = Walk(self._program, attrs.evolve(self._habits, fate="stays" if stays else self._habits.fate))
            walk.run()
            gradients = [g for w in self._stepper.weights if (g := walk.gradient(w)) is not None]
            self._walked[key] = walk.happenings, gradients
        return self._walked[key]
