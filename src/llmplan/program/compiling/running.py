"""
Running: the buffers of compiled code, from their first to their last use.

The forward returns what the cut keeps; the backward lets go of each value after its last use, and returns all gradients
of parameters at its end. A pointwise kernel writes over a value of the same size that nobody reads after it. Inductor
holds other freed buffers for reuse only as far as that does not raise the peak (``should_reuse_buffer``), so that they
do not count here.
"""

from collections.abc import Mapping, Sequence

import attrs

from llmplan.program.compiling.cut import Measure, kept
from llmplan.program.compiling.graph import Joint, Node, joint, made_by
from llmplan.program.compiling.kernels import Kernel, kernels
from llmplan.program.op import Storage, Tensor
from llmplan.program.size import Number
from llmplan.program.stretch import Program
from llmplan.program.walk import Event, Habits, Passage, Phase


def run_compiled(program: Program, measure: Measure, habits: Habits | None = None) -> list[Passage]:
    """
    Run *program* forward and backward, once, as compiled code.

    Args:
        program: What to run.
        measure: Sizes as numbers, for the compiler's choices.
        habits: What is done around it; nothing where left out.

    Returns:
        The passages in the order in which they happen.
    """
    found = joint(program)
    keeps = kept(found, measure)
    for value in keeps:
        value.category = "activations"
    backward = _backward(found, {id(v) for v in keeps})
    run = _Run(program, found, habits or Habits())
    held = [*keeps, *found.losses]
    run.graph("forward", kernels(found.forward, {id(v) for v in held}), [], held)
    gradients = [g for _, g in found.gradients]
    run.graph("backward", kernels(backward, {id(g) for g in gradients}), held, gradients)
    run.hand_over()
    return run.passages


def _backward(found: Joint, keeps: set[int]) -> list[Node]:
    """The backward's nodes, and before them those of the forward that run again, as far as something reads them."""
    makers = made_by(found.forward)
    wanted: set[int] = set()
    pending = [r for node in found.backward for r in node.reads]
    while pending:
        value = pending.pop()
        if id(value) in makers and id(value) not in keeps and id(value) not in wanted:
            wanted.add(id(value))
            pending += makers[id(value)].reads
    copies = {id(v): Storage(v.bytes, v.label) for n in found.forward for v in n.writes if id(v) in wanted}
    again = [_copied(node, copies) for node in found.forward if any(id(w) in copies for w in node.writes)]
    return again + [_reading(node, copies) for node in found.backward]


def _copied(node: Node, copies: Mapping[int, Storage]) -> Node:
    """A node that makes copies of what is not kept; what is kept of a row's statistics it reads."""
    kept_ones = [w for w in node.writes if id(w) not in copies]
    new = _reading(node, copies)
    new.second = True
    new.reads += kept_ones
    new.writes = [copies[id(w)] for w in node.writes if id(w) in copies]
    return new


def _reading(node: Node, copies: Mapping[int, Storage]) -> Node:
    return attrs.evolve(node, reads=[copies.get(id(r), r) for r in node.reads])


class _Run:
    """Writes the log of both graphs, stretch by stretch."""

    def __init__(self, program: Program, found: Joint, habits: Habits) -> None:
        self._program, self._found, self._habits = program, found, habits
        self.passages: list[Passage] = []
        self._events: list[Event] = []
        self._place = ""

    def graph(self, phase: Phase, launched: Sequence[Kernel], held: Sequence[Storage], results: Sequence[Storage]) -> None:
        """One graph: what is *held* before it goes at its last use, what it returns stays."""
        indices = list(range(len(self._program.stretches)))
        places = _places(launched, backward=phase == "backward")
        if phase == "backward":
            indices.reverse()
        in_order = [k for i in indices for k in launched if places[id(k)] == i]
        last = _last_uses(in_order, held, results)
        unread = [v for v in held if not any(v is r for k in in_order for r in k.reads)]
        for i in indices:
            self._begin(i, phase)
            if i == indices[0] and phase == "backward":
                for value in unread:
                    self._log(value, -1)
            for kernel in in_order:
                if places[id(kernel)] == i:
                    self._launch(kernel, last)

    def hand_over(self) -> None:
        """All gradients have come back: where they do not stay, each is used up in turn."""
        if self._habits.fate == "stays":
            return
        for i in reversed(range(len(self._program.stretches))):
            self._begin(i, "backward")
            weights = {id(w) for w in self._program.stretches[i].weights}
            for weight, gradient in self._found.gradients:
                if id(weight) in weights:
                    self._use_up(weight, gradient)

    def _use_up(self, weight: Tensor, gradient: Storage) -> None:
        if self._habits.step:
            self._pass_through([self._habits.step(weight)], "optimizer in backward")
        if self._habits.states:
            self._log(Storage(self._habits.states(weight), "optimizer states", "optimizer"), 1)
        self._log(gradient, -1)

    def _launch(self, kernel: Kernel, last: Mapping[int, list[Storage]]) -> None:
        dying = list(last.get(id(kernel), ()))
        for value in kernel.writes:
            over = None if kernel.alone else next((d for d in dying if d.bytes is value.bytes or _equal(d, value)), None)
            if over is not None:
                dying = [d for d in dying if d is not over]
                self._log(over, -1)
            self._log(value, 1)
        self._pass_through(kernel.workspaces, kernel.label)
        for value in dying:
            self._log(value, -1)

    def _begin(self, index: int, phase: Phase) -> None:
        stretch = self._program.stretches[index]
        self._events, self._place = [], stretch.name.partition(".")[0]
        self.passages.append(Passage(stretch.name, phase, stretch.run, self._events))

    def _log(self, storage: Storage, sign: int) -> None:
        storage.place = storage.place or self._place
        self._events.append(Event(storage.bytes, sign, storage.category, storage.label, storage.place))

    def _pass_through(self, sizes: Sequence[Number], label: str) -> None:
        spaces = [Storage(size, label) for size in sizes]
        for sign in (1, -1):
            for space in spaces:
                self._log(space, sign)


def _equal(a: Storage, b: Storage) -> bool:
    """Whether two sizes are equal: letters are where they are one object."""
    return isinstance(a.bytes, float) and isinstance(b.bytes, float) and a.bytes == b.bytes


def _places(launched: Sequence[Kernel], *, backward: bool) -> dict[int, int]:
    """
    The stretch in which each kernel runs, by its id: that of the first thing that it does, but not before what it reads is
    there, nor before the stretch whose recomputation it is part of. So what a stretch leaves behind is the same for each
    repetition of it. What else is made again runs with the first kernel that reads it.
    """
    first, last = (max, min) if backward else (min, max)
    bound = [k for k in launched if any(not n.second or n.region is not None for n in k.nodes)]
    home = {id(w): k for k in bound for w in k.writes}
    places: dict[int, int] = {}
    for kernel in bound:
        own = [n.stretch for n in kernel.nodes if not n.second]
        again = [n.stretch for n in kernel.nodes if n.second and n.region is not None]
        before = [places[id(home[id(r)])] for r in kernel.reads if id(r) in home]
        places[id(kernel)] = last([*([first(own)] if own else []), *again, *before])
    for kernel in reversed([k for k in launched if id(k) not in places]):
        made = {id(w) for w in kernel.writes}
        places[id(kernel)] = max(places[id(k)] for k in launched if id(k) in places and any(id(r) in made for r in k.reads))
    return places


def _last_uses(launched: Sequence[Kernel], held: Sequence[Storage], results: Sequence[Storage]) -> dict[int, list[Storage]]:
    """For each kernel, by id, the values that it is the last to use."""
    kept_on = {id(r) for r in results}
    live = {id(v): v for v in held} | {id(w): w for k in launched for w in k.writes}
    user: dict[int, Kernel] = {}
    for kernel in launched:
        user.update((id(v), kernel) for v in (*kernel.writes, *kernel.reads) if id(v) in live and id(v) not in kept_on)
    found: dict[int, list[Storage]] = {}
    for key, kernel in user.items():
        found.setdefault(id(kernel), []).append(live[key])
    return found
