"""
Stepping: what an optimizer asks of the allocator in one step, in the order of its code.

First the states of all parameters, where they are not there yet, then the temporaries; optimizers that run in full
precision beside narrower weights go weight by weight. What the scripts bind is said in :mod:`llmplan.program.optimizer`.
"""

from collections.abc import Iterator, Sequence

import attrs

from llmplan.program.op import Storage, Tensor
from llmplan.program.optimizer import Rule, is_hidden_matrix
from llmplan.program.optimizer.script import Locals
from llmplan.program.size import Number
from llmplan.program.walk import Happening


class Stepper:
    """
    An optimizer over some weights.

    Args:
        rule: Which.
        weights: Its parameters, in the model's order.
        clipping: What clipping the gradients takes before the step. [byte]
    """

    def __init__(self, rule: Rule, weights: Sequence[Tensor], *, clipping: Number = 0.0) -> None:
        muon = [w for w in weights if rule.algorithm == "muon" and is_hidden_matrix(w)]
        rest = [w for w in weights if not (rule.algorithm == "muon" and is_hidden_matrix(w))]
        others = attrs.evolve(rule, algorithm="adamw") if rule.algorithm == "muon" else rule
        self._groups = [(r, ws) for r, ws in ((rule, muon), (others, rest)) if ws]
        self._shared, self._clipping = rule.shared_bytes, clipping
        self._made: set[int] = set()

    @property
    def weights(self) -> list[Tensor]:
        """Parameters in the order in which they are stepped, and their gradients let go."""
        return [w for _, weights in self._groups for w in weights]

    def step(self) -> Iterator[Happening]:
        """One step of all of them."""
        norms = _temporary(self._clipping)
        yield from ((norms, 1), (norms, -1))
        if self._shared and not self._made:
            yield Storage(self._shared, "optimizer states", "optimizer"), 1
        for rule, weights in self._groups:
            visit = rule.visit
            if visit is None or not rule.one_by_one:
                yield from self._states(rule, weights)
            if visit is None:
                yield from _at_once(weights) if rule.at_once else ()
                continue
            variables = Recorded()
            for w in weights:
                yield from self._states(rule, [w])
                visit(variables, w)
                yield from variables.taken()
            variables.close()
            yield from variables.taken()

    def _states(self, rule: Rule, weights: Sequence[Tensor]) -> Iterator[Happening]:
        """States that are not there yet."""
        for w in weights:
            if id(w) not in self._made:
                self._made.add(id(w))
                yield from ((Storage(size, "optimizer states", "optimizer"), 1) for size in rule.state_tensors(w))


class Recorded(Locals):
    """The variables of a script, and what they made come and go."""

    def __init__(self) -> None:
        super().__init__()
        self._storages: dict[str, Storage] = {}
        self._happenings: list[Happening] = []

    def bind(self, name: str, size: Number) -> None:
        """The variable's new value comes to be, then the old one goes."""
        made = _temporary(size)
        self._happenings.append((made, 1))
        self.free(name)
        self._storages[name] = made

    def passing(self, size: Number) -> None:
        """Something is there for a moment."""
        made = _temporary(size)
        self._happenings += [(made, 1), (made, -1)]

    def free(self, *names: str) -> None:
        """The variables let go of what they hold."""
        self._happenings += [(self._storages.pop(name), -1) for name in names if name in self._storages]

    def rename(self, old: str, new: str) -> None:
        """Another variable takes over a value, and lets go of its own."""
        self.free(new)
        self._storages[new] = self._storages.pop(old)

    def close(self) -> None:
        """The script is done."""
        self.free(*list(self._storages))

    def taken(self) -> list[Happening]:
        """What has happened since this was last asked."""
        happened, self._happenings = self._happenings, []
        return happened


def _at_once(weights: Sequence[Tensor]) -> Iterator[Happening]:
    """``foreach``: a tensor of each parameter's size, format by format; a format's list is bound before the last one goes."""
    before: list[Storage] = []
    for format_ in dict.fromkeys(w.format for w in weights):
        made = [_temporary(w.bytes) for w in weights if w.format == format_]
        yield from ((s, 1) for s in made)
        yield from ((s, -1) for s in reversed(before))
        before = made
    yield from ((s, -1) for s in reversed(before))


def _temporary(size: Number) -> Storage:
    return Storage(size, "optimizer step")
