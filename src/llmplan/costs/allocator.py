"""
PyTorch's caching allocator, replayed: what a log of requests makes it hold.

The allocator asks the driver for *segments* and cuts them into *blocks*. A request takes the smallest free block that
is large enough, of equal ones the one at the lowest address; what it leaves over becomes a block of its own, and free
neighbours are merged. Segments are kept, so that what is *reserved* only grows: that is ``max_memory_reserved``. A block
may be given with some bytes to spare, so that what is *allocated* can be more than was asked for:
``max_memory_allocated``.

The rules are those of ``c10/cuda/CUDACachingAllocator.cpp`` and ``c10/core/AllocatorConfig.h`` (PyTorch 2.13, default
settings, or ``expandable_segments:True``), one stream, and a card with room enough: nothing is given back to the driver.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable
from typing import Final

import attrs

MIB: Final = 2**20

#: Every block is a multiple of this. ``kMinBlockSize`` [byte]
BLOCK: Final = 512
#: Up to this a request is small, and small ones have segments of their own. ``kSmallSize`` [byte]
SMALL: Final = MIB
#: A segment of small blocks. ``kSmallBuffer`` [byte]
SMALL_SEGMENT: Final = 2 * MIB
#: A segment of large blocks, where the request is below ``LARGE``; and how much is mapped at a time where segments are
#: expandable. ``large_segment_size`` [byte]
LARGE_SEGMENT: Final = 20 * MIB
#: From here on a request has a segment of its own size. ``kMinLargeAlloc`` [byte]
LARGE: Final = 10 * MIB
#: Such a segment is a multiple of this. ``kRoundLarge`` [byte]
LARGE_ROUNDING: Final = 2 * MIB

Request = tuple[Hashable, int]
"""A storage, and the bytes that it asks for; 0 where it gives them back. [byte]"""


@attrs.frozen
class Held:
    """
    What the allocator held at most. [byte]

    Attributes:
        allocated: In blocks that were handed out.
        reserved: In segments.
    """

    allocated: int
    reserved: int


def replay(log: Iterable[Request], *, expandable: bool = False) -> Held:
    """
    What a *log* of requests makes the allocator hold at most.

    Args:
        log: Requests in order.
        expandable: Whether segments grow (``expandable_segments:True``).

    Example:
        >>> replay([("a", 3 * MIB), ("b", 12 * MIB), ("a", 0), ("c", 22 * MIB)])
        Held(allocated=35651584, reserved=44040192)
        >>> replay([("a", 3 * MIB), ("b", 12 * MIB), ("a", 0), ("c", 22 * MIB)], expandable=True)
        Held(allocated=35651584, reserved=41943040)
    """
    allocator = CachingAllocator(expandable=expandable)
    allocator.run(log)
    return allocator.peak


class CachingAllocator:
    """
    The allocator's state: which blocks there are, and who has them.

    Attributes:
        allocated, reserved: Bytes in blocks handed out; in segments. [byte]

    Args:
        expandable: Whether segments grow.
    """

    def __init__(self, *, expandable: bool = False) -> None:
        pool = _Expandable if expandable else _Pool
        self._small = pool(SMALL_SEGMENT, least_rest=BLOCK)
        self._large = pool(LARGE_SEGMENT, least_rest=BLOCK if expandable else SMALL + BLOCK)
        self._given: dict[Hashable, tuple[_Block, _Pool]] = {}
        self.allocated = 0
        self._most = 0

    @property
    def reserved(self) -> int:
        """Bytes in segments: they are never given back here. [byte]"""
        return self._small.reserved + self._large.reserved

    @property
    def peak(self) -> Held:
        """The most that was held so far."""
        return Held(self._most, self.reserved)

    def run(self, log: Iterable[Request]) -> None:
        """
        Serve requests in order.

        Raises:
            KeyError: A storage gives back what it does not have.
            ValueError: A storage asks twice.
        """
        given = self._given
        for storage, size in log:
            if size:
                if storage in given:
                    msg = f"{storage!r} has its bytes already"
                    raise ValueError(msg)
                pool = self._small if size <= SMALL else self._large
                block = pool.give(-(-size // BLOCK) * BLOCK)
                given[storage] = block, pool
                self.allocated += block.size
                self._most = max(self._most, self.allocated)
            else:
                block, pool = given.pop(storage)
                self.allocated -= block.size
                pool.take_back(block)

    def layout(self) -> tuple[object, ...]:
        """What tells whether the same requests would be served in the same way again: the blocks that are free."""
        return tuple(tuple((size, address) for size, address, _ in pool.free) for pool in (self._small, self._large))


class _Block:
    """A piece of a segment, with the pieces at its two ends."""

    __slots__ = ("address", "after", "before", "size", "used")

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size, self.used = address, size, False
        self.before: _Block | None = None
        self.after: _Block | None = None


class _Pool:
    """
    The segments of small or of large blocks.

    Attributes:
        free: Size, address and block of what is free, smallest first.
        reserved: Bytes in segments. [byte]

    Args:
        segment: The least that is asked of the driver. [byte]
        least_rest: What a block must leave over to be cut. [byte]
    """

    __slots__ = ("_end", "_least_rest", "_segment", "free", "reserved")

    def __init__(self, segment: int, *, least_rest: int) -> None:
        self._segment, self._least_rest = segment, least_rest
        self._end = 0
        self.free: list[tuple[int, int, _Block]] = []
        self.reserved = 0

    def give(self, size: int) -> _Block:
        """A block for *size* bytes, which is then used."""
        place = self._best(size)
        block = self._grown(size) if place is None else self.free.pop(place)[2]
        rest = block.size - size
        if rest >= self._least_rest:
            self._cut(block, size, rest)
        block.used = True
        return block

    def take_back(self, block: _Block) -> None:
        """Free a block, as one with its free neighbours."""
        block.used = False
        after, before = block.after, block.before
        if after is not None and not after.used:
            self._drop(after)
            self._join(block, after)
        if before is not None and not before.used:
            self._drop(before)
            self._join(before, block)
            block = before
        insort(self.free, (block.size, block.address, block))

    def _best(self, size: int) -> int | None:
        """Where in ``free`` the smallest block of at least *size* bytes is."""
        place = bisect_left(self.free, (size,))
        return place if place < len(self.free) else None

    def _grown(self, size: int) -> _Block:
        """A new segment. Addresses grow from one to the next, with a gap, so that segments never merge."""
        large = self._segment == LARGE_SEGMENT and size >= LARGE
        new = -(-size // LARGE_ROUNDING) * LARGE_ROUNDING if large else self._segment
        block = _Block(self._end, new)
        self._end += new + BLOCK
        self.reserved += new
        return block

    def _cut(self, block: _Block, size: int, rest: int) -> None:
        """Leave *rest* bytes as a free block of their own."""
        piece = _Block(block.address + size, rest)
        block.size = size
        piece.before, piece.after = block, block.after
        if block.after is not None:
            block.after.before = piece
        block.after = piece
        insort(self.free, (rest, piece.address, piece))

    def _drop(self, block: _Block) -> None:
        """It is no longer among the free."""
        del self.free[bisect_left(self.free, (block.size, block.address))]

    def _join(self, block: _Block, after: _Block) -> None:
        """Make two neighbours one."""
        block.size += after.size
        block.after = after.after
        if after.after is not None:
            after.after.before = block


class _Expandable(_Pool):
    """
    One segment that grows at its end, by whole pages of physical memory.

    Its last block counts as large as it could grow, and is taken only where no other is large enough.
    """

    __slots__ = ("_last",)

    def __init__(self, segment: int, *, least_rest: int) -> None:
        super().__init__(segment, least_rest=least_rest)
        self._last: _Block | None = None

    def _best(self, size: int) -> int | None:
        place = super()._best(size)
        if place is None or self.free[place][2] is not self._last:
            return place
        return place + 1 if place + 1 < len(self.free) else place

    def _grown(self, size: int) -> _Block:
        last = self._last
        if last is not None and not last.used:
            self._drop(last)
            last.size += self._mapped(size - last.size)
            return last
        block = _Block(self.reserved, 0)
        block.size = self._mapped(size)
        if last is not None:
            last.after, block.before = block, last
        self._last = block
        return block

    def _mapped(self, size: int) -> int:
        """Whole pages for *size* bytes, added to the end. [byte]"""
        new = -(-size // self._segment) * self._segment
        self.reserved += new
        return new

    def _cut(self, block: _Block, size: int, rest: int) -> None:
        super()._cut(block, size, rest)
        if block is self._last:
            self._last = block.after

    def _join(self, block: _Block, after: _Block) -> None:
        super()._join(block, after)
        if after is self._last:
            self._last = block
