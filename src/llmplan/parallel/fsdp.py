"""
FSDP2: parameters shared by all ranks, gathered for each block before it runs.

What lives when follows PyTorch 2.13's ``fully_shard`` applied to each block and to the whole model, event by event
(``torch/distributed/fsdp/_fully_shard``: ``_fsdp_param_group.py``, ``_fsdp_collectives.py``). A group is the parameters
of one call: those of a block, or the root's, which are all that lie outside of the blocks.

- A gather fills one flat buffer; the parameters are copied out of it into storages of their own. In the forward the buffer
  stays until the next group is copied out (the last one until the forward ends), so that the copy of one group can overlap
  with the gather of the next. In backward it is let go at once, and the gather of the group before is issued at that moment.
- A block's parameters are let go after its forward, unless they are not resharded; the root's stay until backward ends.
- When a block's gradients are complete, its parameters are let go, then the reduce-scatter's input of the block before;
  the gradients are copied into one flat input; the output is the rank's part of all of them, in one storage.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from llmplan.errors import UnsupportedError
from llmplan.parallel.sharding import COPIES, SHARDS, first_chunk, padded
from llmplan.program.around import Around, Book
from llmplan.program.kernel import Collective
from llmplan.program.op import ELEMENT_BYTES, Storage, Tensor
from llmplan.program.size import Number, rounded, total
from llmplan.program.stretch import Program, Unit

_GATHERED: Final = "gathered parameters"
_GATHER: Final = "all-gather buffer"
_SCATTER: Final = "reduce-scatter buffer"
_SHARD: Final = "sharded gradients"


@attrs.frozen(kw_only=True)
class FullyShard:
    """
    How a model is sharded, as far as it is structure.

    Attributes:
        stored: Format that the shards lie in.
        reduced: Format that gradients are summed in.
        reshards: Whether a block's parameters are let go after its forward and gathered again for its backward.
        replicates: Whether several copies of the sharded model sum their shards' gradients (HSDP).
        adds: Whether shards of gradients are there already when a micro-batch adds its own.
        unsynced: Micro-batches to walk that keep their gradients whole before the last one reduces: 0 where each reduces,
            1 or 2 (the first, and any between it and the last).
        on_host: Whether the shards live in the host's memory.
    """

    stored: str
    reduced: str
    reshards: bool = True
    replicates: bool = False
    adds: bool = False
    unsynced: int = 0
    on_host: bool = False

    def around(self, program: Program) -> Around:
        """
        What is done around the units of *program*.

        Raises:
            UnsupportedError: Parameters of one group lie in several formats.
        """
        for weights, _ in self.groups(program):
            formats = sorted({w.format for w in _trained(weights)})
            if len(formats) > 1:
                reason = "it gathers and reduces the parameters of a group in one format; bf16 or fp32 throughout can be sharded"
                raise UnsupportedError(f"FSDP2 over parameters in {' and '.join(formats)}", reason)
        return _Running(self, program)

    def chunk(self, weight: Tensor) -> Tensor:
        """The part of *weight* that the first rank has."""
        return first_chunk(weight, SHARDS, self.stored)

    def groups(self, program: Program) -> list[tuple[list[Tensor], Number]]:
        """Parameters that are gathered together, and how many groups like them there are."""
        return [(program.outside(), 1.0), *((u.weights, n) for u, n in program.units())]

    def shard_bytes(self, weights: Iterable[Tensor]) -> Number:
        """The first rank's part of all gradients of a group: one storage. [byte]"""
        return rounded(total(self.chunk(w).bytes for w in _trained(weights)))

    def messages(self, program: Program, gathers: Number, sums: Number) -> Iterator[tuple[Collective, Number]]:
        """
        What a rank sends in one step, and how often.

        Args:
            program: What a micro-batch runs.
            gathers: Micro-batches of the step.
            sums: Those of them that sum gradients between ranks.
        """
        for place, (weights, count) in enumerate(self.groups(program)):
            passes = 2.0 if place and self.reshards else 1.0  # the root, which comes first, stays until backward ends
            payload = total(padded(w, SHARDS) * ELEMENT_BYTES[w.format] for w in weights)
            yield Collective(kind="all_gather", payload=payload, group=SHARDS), passes * gathers * count
            trained = _trained(weights)
            if not trained:
                continue
            whole = total(padded(w, SHARDS) for w in trained) * ELEMENT_BYTES[self.reduced]
            yield Collective(kind="reduce_scatter", payload=whole, group=SHARDS), sums * count
            if self.replicates:
                yield Collective(kind="all_reduce", payload=whole / SHARDS, group=COPIES), sums * count


class _Running(Around):
    """The state of a walk under FSDP2: which buffers there are."""

    def __init__(self, how: FullyShard, program: Program) -> None:
        self._how = how
        self._units = [u for u, _ in program.units()]
        self._root = Unit(weights=program.outside())
        self.micro_batches = how.unsynced + 1
        self._parameters: dict[int, list[Storage]] = {}  # of a group that is gathered, by id of its unit
        self._buffer: Storage | None = None  # of the last gather in the forward, or of the one ahead in backward
        self._scattered: Storage | None = None  # the last reduce-scatter's input
        self._whole: dict[int, list[Storage]] = {}  # gradients of earlier micro-batches, by id of the unit

    # -- forward --------------------------------------------------------------------------------------------------------

    def begin_forward(self, book: Book, micro_batch: int) -> None:
        self._reduces = micro_batch == self._how.unsynced
        self._buffer = self._gather(book, self._root)
        self._copy_out(book, self._root)

    def before_forward(self, book: Book, unit: Unit) -> None:
        buffer = self._gather(book, unit)
        self._copy_out(book, unit)
        self._let_go_of_buffer(book)
        self._buffer = buffer

    def after_forward(self, book: Book, unit: Unit) -> None:
        if self._how.reshards:
            self._reshard(book, unit)

    def end_forward(self, book: Book) -> None:
        self._let_go_of_buffer(book)

    # -- backward -------------------------------------------------------------------------------------------------------

    def begin_backward(self, book: Book) -> None:
        if self._how.reshards and self._units:
            self._buffer = self._gather(book, self._units[-1])

    def before_backward(self, book: Book, unit: Unit) -> None:
        if not self._how.reshards:
            return
        self._copy_out(book, unit)
        self._let_go_of_buffer(book)
        place = self._units.index(unit)
        if place:
            self._buffer = self._gather(book, self._units[place - 1])

    def after_backward(self, book: Book, unit: Unit) -> None:
        self._reshard(book, unit)
        if self._reduces:
            self._reduce(book, unit)
        else:
            self._keep_whole(book, unit)

    def end_backward(self, book: Book) -> None:
        self.after_backward(book, self._root)
        self._let_go_of_input(book)

    # -- gathering ------------------------------------------------------------------------------------------------------

    def _gather(self, book: Book, unit: Unit) -> Storage:
        """The flat buffer of a gather, and what fills a rank's part of it."""
        copies = self._copies_in(book, unit)
        size = total(padded(w, SHARDS) * ELEMENT_BYTES[w.format] for w in unit.weights)
        buffer = Storage(size, _GATHER)
        book.hold(buffer)
        for copy in copies:
            book.drop(copy)
        return buffer

    def _copies_in(self, book: Book, unit: Unit) -> list[Storage]:
        """Shards as they are gathered, where they do not lie on the device in that format."""
        chunks = [(self._how.chunk(w), first_chunk(w, SHARDS, w.format)) for w in unit.weights]
        if not self._how.on_host:
            cast = [new for old, new in chunks if old.format != new.format]
            copies = [Storage(total(new.bytes for new in cast), _GATHER)] if cast else []
            for copy in copies:
                book.hold(copy)
            return copies
        copies = []
        for old, new in chunks:
            copies.append(_held(book, old.bytes))
            if old.format != new.format:
                fetched = copies.pop()
                copies.append(_held(book, new.bytes))
                book.drop(fetched)
        return copies

    def _copy_out(self, book: Book, unit: Unit) -> None:
        sizes = [padded(w, SHARDS) * ELEMENT_BYTES[w.format] for w in unit.weights]
        whole = [Storage(size, _GATHERED, "parameters") for size in sizes]
        for storage in whole:
            book.hold(storage)
        self._parameters[id(unit)] = whole

    def _reshard(self, book: Book, unit: Unit) -> None:
        for storage in self._parameters.pop(id(unit)):
            book.drop(storage)

    def _let_go_of_buffer(self, book: Book) -> None:
        if self._buffer:
            book.drop(self._buffer)
        self._buffer = None

    # -- reducing -------------------------------------------------------------------------------------------------------

    def _reduce(self, book: Book, unit: Unit) -> None:
        trained = _trained(unit.weights)
        self._let_go_of_input(book)
        gradients = self._gradients(book, unit)
        if not trained:
            return
        how = self._how
        self._scattered = Storage(total(padded(w, SHARDS) for w in trained) * ELEMENT_BYTES[how.reduced], _SCATTER)
        book.hold(self._scattered)
        for gradient in gradients:
            book.drop(gradient)
        received = Storage(total(first_chunk(w, SHARDS, how.reduced).bytes for w in trained), _SHARD, "gradients")
        book.hold(received)
        shard = received
        if how.reduced != how.stored:
            shard = Storage(how.shard_bytes(trained), _SHARD, "gradients")
            book.hold(shard)
            if not how.replicates:  # a sum between copies keeps its buffer until backward ends
                book.drop(received)
        passes = how.adds or how.on_host
        if passes and not (how.replicates and shard is received):
            book.drop(shard)

    def _let_go_of_input(self, book: Book) -> None:
        if self._scattered:
            book.drop(self._scattered)
        self._scattered = None

    def _gradients(self, book: Book, unit: Unit) -> list[Storage]:
        """All that a group's gradients come to: this micro-batch's, added to those that earlier ones left whole."""
        new, earlier = book.take(unit.weights), self._whole.pop(id(unit), [])
        if not earlier:
            return new
        for gradient in new:
            book.drop(gradient)
        return earlier

    def _keep_whole(self, book: Book, unit: Unit) -> None:
        """A micro-batch that does not reduce: its gradients stay, in the format that they will be summed in."""
        trained = _trained(unit.weights)
        if all(w.format == self._how.reduced for w in trained):
            return  # they stay where they are, and the next ones are added in place
        earlier = self._whole.get(id(unit))
        for weight, gradient in zip(trained, book.take(trained), strict=True):
            if earlier is None:
                size = weight.elements * ELEMENT_BYTES[self._how.reduced]
                whole = Storage(size, f"gradient of {weight.weight.name if weight.weight else ''}", "gradients")
                book.hold(whole)
                self._whole.setdefault(id(unit), []).append(whole)
            book.drop(gradient)


def _held(book: Book, size: Number) -> Storage:
    storage = Storage(size, _GATHER)
    book.hold(storage)
    return storage


def _trained(weights: Iterable[Tensor]) -> Sequence[Tensor]:
    return [w for w in weights if w.weight and w.weight.trainable]
