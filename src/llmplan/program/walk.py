"""
The walk: a program run as autograd runs it, logging what lives and dies.

Every rule here is autograd's or the allocator's; none is a model's or a framework script's:

- Forward, a storage dies at its last use, unless a derivative, a recomputation, autocast's cache or the script's own
  variable holds it.
- Backward runs in reverse. A gradient is added in place where its buffer alone holds the old one and it is no view. A
  linear layer's gradients are views of a product, so the first sum of two of them is a third tensor.
- All uses of a weight come together before its ``.grad`` sees the gradient.
- A recomputed region keeps its inputs, runs again before its backward, and stops at the last tensor that is needed.

The log is a list of events, each a storage that came or went, stretch by stretch. Everything that is said about memory
is read off that log; :mod:`llmplan.program.rows` makes the closed form of it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import attrs

from llmplan.program.around import Around
from llmplan.program.op import Category, Item, Op, Passing, Region, Storage, Tensor
from llmplan.program.size import Number
from llmplan.program.stretch import Program, Stretch

#: What becomes of a weight's gradient when all its uses have come in: it stays until the step; the optimizer or the
#: buffer that is already there takes it at once; or a shard of it stays, as ZeRO-2 has it.
GradientFate = Literal["stays", "taken", "sharded"]

#: Which part of a step a stretch's events belong to. "release" is the end of the forward, when the script's variables
#: and autocast's cache let go: stretch by stretch, so that it repeats as the stretches do.
Phase = Literal["forward", "release", "backward"]


#: Operations whose derivatives ask for no saved tensor.
_SAVE_NOTHING: Final = ("add", "sum", "scale", "cast", "clone", "return")

Happening = tuple[Storage, int]
"""A storage, and 1 where it comes or -1 where it goes."""


@attrs.frozen
class Event:
    """
    A storage that comes (``sign`` 1) or goes (-1).

    Attributes:
        bytes: Its size. [byte]
        sign: 1 or -1.
        category: What it is for.
        label: The operation that made it.
        place: The part of the model that it belongs to.
    """

    bytes: Number
    sign: int
    category: Category
    label: str
    place: str = ""


@attrs.frozen
class Passage:
    """
    One stretch in one phase.

    Attributes:
        stretch: Its name.
        phase: Which phase.
        run: Index of the run whose middle it is, or None.
        events: What came and went, in order.
    """

    stretch: str
    phase: Phase
    run: int | None
    events: list[Event]


@attrs.frozen(kw_only=True)
class Habits:
    """
    What is done around autograd's own doing.

    Attributes:
        fate: What becomes of a weight's gradient when all its uses have come in.
        shards: Devices that share parameters and gradients where they are sharded.
        around: Makes what is done around a program's units, where parameters are sharded: a new one for each walk.
        step: Bytes that the optimizer takes for a moment when it runs in backward, for one weight. [byte]
        states: Bytes that it makes for one weight then, and keeps: in the first step only. [byte]
        update: The same storage by storage, where the order matters; it takes the place of ``step`` and ``states``.
    """

    fate: GradientFate = "stays"
    shards: Number = 1.0
    around: Callable[[Program], Around] | None = None
    step: Callable[[Tensor], Number] | None = None
    states: Callable[[Tensor], Number] | None = None
    update: Callable[[Tensor], Iterable[Happening]] | None = None


def walk(program: Program, habits: Habits | None = None) -> list[Passage]:
    """
    Run *program* forward and backward, once.

    Args:
        program: What to run.
        habits: What is done around it; nothing where left out.

    Returns:
        The passages in the order in which they happen.
    """
    return Walk(program, habits or Habits()).run()


class Walk:
    """
    The state of a run: who holds what, and which gradients there are.

    Attributes:
        happenings: All that comes (1) and goes (-1), storage by storage.

    Args:
        program: What to run.
        habits: What is done around it.
    """

    def __init__(self, program: Program, habits: Habits) -> None:
        self._program, self._habits = program, habits
        self._events: list[Event] = []
        self._place = ""
        self.happenings: list[Happening] = []
        self._passages: list[Passage] = []
        self._local: dict[int, Storage] = {}  # made in the forward and not yet past its last use
        self._gradients: dict[int, Storage] = {}  # by id of the tensor
        self._from_product: set[int] = set()  # tensors whose gradient is a view of a matrix product
        self._uses_left: dict[int, int] = {}  # of weights
        self._complete: dict[int, Storage] = {}  # gradients of weights whose uses have all come in, by id of the weight
        self._around = habits.around(program) if habits.around else Around()
        self._saved: dict[int, Storage] = {}  # results that a recomputation will find kept
        self._held_by_the_schedule: list[Storage] = []  # a pipeline's, until backward has ended

    def gradient(self, weight: Tensor) -> Storage | None:
        """Where the gradient of a *weight* lies after the run, or None where it is not kept."""
        return self._complete.get(id(weight))

    def run(self) -> list[Passage]:
        """Run the program forward and backward, once."""
        stretches = self._program.stretches
        every = [op for s in stretches for op in s.operations()]
        _categorise(stretches)
        last = _last_uses(every)
        for micro_batch in range(self._around.micro_batches):
            self._count_uses(every)
            self._pass_forward(stretches, last, micro_batch)
            for s in stretches:
                self._begin(s, "release")
                self._release(s)
            self._pass_backward(stretches)
        return self._passages

    def _pass_forward(self, stretches: Sequence[Stretch], last: dict[int, list[Storage]], micro_batch: int) -> None:
        for s in stretches:
            self._begin(s, "forward")
            if s is stretches[0]:
                self._around.begin_forward(self, micro_batch)
            for unit, items in s.parts():
                if unit:
                    self._around.before_forward(self, unit)
                for item in items:
                    self._forward(item, last)
                if unit:
                    self._around.after_forward(self, unit)
        self._around.end_forward(self)

    def _pass_backward(self, stretches: Sequence[Stretch]) -> None:
        for s in reversed(stretches):
            self._begin(s, "backward")
            if s is stretches[-1]:
                self._seed()
                self._around.begin_backward(self)
            for unit, items in reversed(s.parts()):
                if unit:
                    self._around.before_backward(self, unit)
                for item in reversed(items):
                    self._backward(item)
                if unit:
                    self._around.after_backward(self, unit)
        self._around.end_backward(self)
        for storage in self._held_by_the_schedule:
            self._drop(storage)
        self._held_by_the_schedule.clear()

    def _count_uses(self, ops: Sequence[Op]) -> None:
        """How many gradients will come in for each weight."""
        for x in (x for op in ops for x, _ in op.gradients if x.weight):
            self._uses_left[id(x)] = self._uses_left.get(id(x), 0) + 1
        for x, how in (pair for op in ops for pair in op.gradients):
            if isinstance(how, Tensor) and x.weight and self._habits.fate == "stays":
                how.storage.category = "gradients"  # what the forward made of it is the weight's gradient from then on

    def _release(self, stretch: Stretch) -> None:
        """The forward has ended: what the script or autocast's cache held of a stretch is let go."""
        for op in stretch.operations():
            for storage in op.made():
                self._forget(storage)

    def _begin(self, stretch: Stretch, phase: Phase) -> None:
        self._events, self._place = [], stretch.name.partition(".")[0]
        self._passages.append(Passage(stretch.name, phase, stretch.run, self._events))

    # -- the book, as those see it who do something around -------------------------------------------------------------

    def hold(self, storage: Storage) -> None:
        """One more needs *storage*."""
        self._hold(storage)

    def drop(self, storage: Storage) -> None:
        """One fewer needs it."""
        self._drop(storage)

    def take(self, weights: Iterable[Tensor]) -> list[Storage]:
        """The gradients of *weights* that have come in."""
        return [self._complete.pop(id(w)) for w in weights if id(w) in self._complete]

    # -- who holds what ---------------------------------------------------------------------------------------------

    def _log(self, storage: Storage, sign: int) -> None:
        storage.place = storage.place or self._place
        self._events.append(Event(storage.bytes, sign, storage.category, storage.label, storage.place))
        self.happenings.append((storage, sign))

    def _hold(self, storage: Storage) -> None:
        if storage.holders == 0:
            self._log(storage, 1)
        storage.holders += 1

    def _drop(self, storage: Storage) -> None:
        storage.holders -= 1
        if storage.holders == 0:
            self._log(storage, -1)

    def _forget(self, storage: Storage) -> None:
        """The forward has no more use for it."""
        if self._local.pop(id(storage), None):
            self._drop(storage)

    def _pass_through(self, sizes: Iterable[Number], label: str) -> None:
        """Workspaces that are there together, and gone again."""
        spaces = [Storage(size, label) for size in sizes]
        for s in spaces:
            self._log(s, 1)
        for s in spaces:
            self._log(s, -1)

    # -- forward ----------------------------------------------------------------------------------------------------

    def _forward(self, item: Item, last: dict[int, list[Storage]]) -> None:
        if isinstance(item, Region):
            for storage in _held_by(item):
                self._hold(storage)
            for op in item:
                if op.saved:  # before the forward lets go of it
                    self._save(op)
                self._execute(op, last, keep=False)
        else:
            self._execute(item, last, keep=True)

    def _save(self, op: Op) -> None:
        """What the operation makes is kept for when its region runs again."""
        for storage in op.made():
            self._hold(storage)
            self._saved[id(storage)] = storage

    def _execute(self, op: Op, last: dict[int, list[Storage]], *, keep: bool, recomputing: bool = False) -> None:
        if op.again and not recomputing:
            return
        for storage in op.made():
            if id(storage) not in self._local:
                if not recomputing or self._saved.pop(id(storage), None) is None:
                    self._hold(storage)
                self._local[id(storage)] = storage
        if op.workspace is not None:
            self._pass_through([op.workspace], op.name)
        if keep:
            for tensor in op.keeps:
                self._hold(tensor.storage)
        for storage in last.get(id(op), ()):
            self._forget(storage)

    def _recompute(self, region: Region) -> None:
        """Run a region again until the last tensor that is needed is there."""
        stop, last = region.last_needed(), _last_uses(region)
        if stop is None:
            return
        for op in region:
            if op is stop and not any(k is o for o in op.outputs for k in op.keeps):
                for tensor in op.keeps:  # what it keeps is there: it need not run
                    self._hold(tensor.storage)
                break
            self._execute(op, last, keep=True, recomputing=True)
            if op is stop:
                break
        for storage in list(self._local.values()):
            self._forget(storage)

    # -- backward ---------------------------------------------------------------------------------------------------

    def _seed(self) -> None:
        for loss in self._program.losses:
            # Of a loss, one number; of what a stage of a pipeline sent, as much as that, from the stage after it.
            gradient = Storage(loss.bytes, "gradient of the loss")
            self._hold(gradient)
            self._gradients[id(loss)] = gradient
            if any(loss is t for t in self._program.sent):
                self._held_by_the_schedule.append(gradient)
        self._held_by_the_schedule += [t.storage for t in self._program.held]
        for storage in self._held_by_the_schedule:
            self._hold(storage)

    def _backward(self, item: Item) -> None:
        if not isinstance(item, Region):
            self._derive(item, _storages(item.keeps))
        elif item.offloads:
            for op in reversed(item):
                self._derive(op, self._brought_back(op), held_alone=True)
        else:
            self._backward_again(item)

    def _backward_again(self, region: Region) -> None:
        """
        A region runs again, and backward. Whatever a derivative still needs is reached through the region, which holds its
        inputs until the last of those that need anything has run.
        """
        before, after = _until_recomputed(region)
        for op in before:
            self._derive(op, _storages(op.keeps), held_alone=True, recomputed=True)
        self._recompute(region)
        inputs, first = _held_by(region), next((op for op in region if op.keeps), None)
        for op in after:
            self._derive(op, _storages(op.keeps), held_alone=True, recomputed=True, then=inputs if op is first else ())
        for storage in [s for op in region for s in op.made() if self._saved.pop(id(s), None)]:
            self._drop(storage)

    def _brought_back(self, op: Op) -> list[Storage]:
        """Copies of what a derivative needs, from the host, for as long as it runs."""
        copies = [Storage(t.bytes, "copy from the host") for t in (*op.keeps, *op.parameters)]
        for storage in copies:
            self._hold(storage)
        return copies

    def _derive(
        self,
        op: Op,
        kept: Sequence[Storage],
        *,
        held_alone: bool = False,
        recomputed: bool = False,
        then: Sequence[Storage] = (),
    ) -> None:
        """
        One derivative: gradients of the inputs are made, and what was kept is let go.

        The engine lets go of the incoming gradients when the derivative returns, and *then* of what its node has saved. What
        was made again or brought back is held by the derivative alone, whose variables go in reverse.
        """
        incoming = [self._gradients.pop(id(o)) for o in op.outputs if id(o) in self._gradients]
        made = [(x, self._gradient(x, op, how, incoming)) for x, how in op.gradients]
        late = [s for x, s in made if recomputed and id(x) in op.narrowed]
        for _, storage in made:
            if storage not in late:
                self._hold(storage)
        self._within_workspaces(op, late, kept[::-1] if held_alone else ())
        for storage in (*incoming, *(() if held_alone else kept), *then):
            self._drop(storage)
        if op.name == "linear":
            self._from_product.update(id(x.node) for x, _ in op.gradients if id(x.node) not in self._gradients)
        for x, storage in made:
            self._accumulate(x.node, storage)
        for x, _ in made:
            if x.node.weight:
                self._use_is_done(x.node)

    def _within_workspaces(self, op: Op, late: Sequence[Storage], spent: Sequence[Storage]) -> None:
        """
        What a derivative takes beside its gradients, and the end of what it has *spent*: before gradients that are narrowed
        *late*, where a recomputation made it.
        """
        spaces = [Storage(size, f"{op.name} backward") for size in op.backward_workspaces]
        for space in spaces:
            self._log(space, 1)
        for space in () if late else spaces:
            self._log(space, -1)
        for storage in spent:
            self._drop(storage)
        for storage in late:
            self._hold(storage)
        for space in spaces if late else ():
            self._log(space, -1)

    def _gradient(self, x: Tensor, op: Op, how: Passing | Tensor, incoming: Sequence[Storage]) -> Storage:
        """Where an input's gradient lies."""
        if isinstance(how, Tensor):
            return how.storage
        if how == "same":
            return incoming[0]
        return x.storage if how == "in place" else self._new_gradient(x, op)

    def _new_gradient(self, x: Tensor, op: Op) -> Storage:
        if x.weight and self._habits.fate == "stays":
            return Storage(x.bytes, f"gradient of {x.weight.name}", "gradients")
        return Storage(x.bytes, f"{op.name} backward")

    def _accumulate(self, x: Tensor, new: Storage) -> None:
        """Add *new* to what has come in for *x* so far."""
        old = self._gradients.get(id(x))
        if old is None:
            self._gradients[id(x)] = new
        elif old.holders == 1 and id(x) not in self._from_product:
            self._drop(new)
        else:
            total = Storage(x.bytes, new.label, new.category)
            self._hold(total)
            self._drop(old)
            self._drop(new)
            self._gradients[id(x)] = total
            self._from_product.discard(id(x))

    def _use_is_done(self, weight: Tensor) -> None:
        self._uses_left[id(weight)] -= 1
        if self._uses_left[id(weight)]:
            return
        if self._habits.fate == "stays":
            self._gather(weight)
            return
        if self._habits.update:
            for storage, sign in self._habits.update(weight):
                self._log(storage, sign)
        elif self._habits.step:
            self._pass_through([self._habits.step(weight)], "optimizer in backward")
        if self._habits.states and not self._habits.update:
            self._hold(Storage(self._habits.states(weight), "optimizer states", "optimizer"))
        self._drop(self._gradients.pop(id(weight)))
        if self._habits.fate == "sharded" and weight.weight:
            shard = weight.bytes / self._habits.shards
            self._hold(Storage(shard, f"gradient of {weight.weight.name}", "gradients"))

    def _gather(self, weight: Tensor) -> None:
        """A gradient that stays: the weight's, or added in place to the one that an earlier micro-batch left."""
        new = self._gradients.pop(id(weight))
        if id(weight) in self._complete:
            self._drop(new)
        else:
            self._complete[id(weight)] = new


def _until_recomputed(region: Region) -> tuple[list[Op], list[Op]]:
    """
    A region's operations in backward's order: those before it runs again, and the rest.

    It runs again when the first saved tensor is asked for, so derivatives that need none come before.
    """
    ops = list(reversed(region))
    first = next((i for i, op in enumerate(ops) if op.name not in _SAVE_NOTHING), len(ops))
    return ops[:first], ops[first:]


def _categorise(stretches: Sequence[Stretch]) -> None:
    """What a derivative or a recomputation needs of the forward are activations; the rest is temporary."""
    for s in stretches:
        for item in s.items:
            if isinstance(item, Region):
                for storage in (*_held_by(item), *(made for op in item if op.saved for made in op.made())):
                    storage.category = "activations"
            if isinstance(item, Region) and item.offloads:
                continue
            for tensor in (t for op in ([item] if isinstance(item, Op) else item) for t in op.keeps):
                if tensor.storage.category == "temporary":
                    tensor.storage.category = "activations"


def _held_by(region: Region) -> list[Storage]:
    """What a region holds from outside: nothing where it runs no second time."""
    return [] if region.offloads or region.last_needed() is None else region.inputs()


def _storages(tensors: Sequence[Tensor]) -> list[Storage]:
    return [t.storage for t in tensors]


def _last_uses(ops: Sequence[Op]) -> dict[int, list[Storage]]:
    """For each operation (by id) the storages made among *ops* that it is the last to use, in its order."""
    made = {id(s): s for op in ops for s in op.made()}
    user = {id(t.storage): op for op in ops for t in (*op.inputs, *op.outputs)}
    ends: dict[int, list[Storage]] = {}
    for op in ops:
        last = dict.fromkeys(id(t.storage) for t in (*op.inputs, *op.outputs) if user[id(t.storage)] is op)
        ends[id(op)] = [made[key] for key in last if key in made and not made[key].to_the_end]
    return ends
