"""The caching allocator: its rules one by one, and against a second, slow one on random logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.costs.allocator import MIB, CachingAllocator, Held, replay

KIB = 1024


class Naive:
    """
    The same allocator, written from the rules alone: segments are lists of [size, owner], and everything is looked for from
    the beginning each time.
    """

    def __init__(self, *, expandable: bool) -> None:
        self.expandable = expandable
        self.segments: dict[bool, list[list[list]]] = {True: [], False: []}
        self.reserved = self.allocated = self.most = 0

    def ask(self, owner: object, size: int) -> None:
        size = (size + 511) // 512 * 512
        small = size <= MIB
        segments = self.segments[small]
        free = [
            (block[0], number, place)
            for number, segment in enumerate(segments)
            for place, block in enumerate(segment)
            if block[1] is None and block[0] >= size
        ]
        if self.expandable and len(free) > 1:  # the end of the one segment can grow, so that any other is a better fit
            free = [f for f in free if f[2] != len(segments[f[1]]) - 1]
        number, place = min(free)[1:] if free else self.more(size, small=small)
        block = segments[number][place]
        rest = block[0] - size
        if rest >= 512 if small or self.expandable else rest > MIB:
            block[0] = size
            segments[number].insert(place + 1, [rest, None])
        block[1] = owner
        self.allocated += block[0]
        self.most = max(self.most, self.allocated)

    def more(self, size: int, *, small: bool) -> tuple[int, int]:
        segments = self.segments[small]
        unit = 2 * MIB if small else 20 * MIB
        if not self.expandable:
            new = unit if small or size < 10 * MIB else (size + 2 * MIB - 1) // (2 * MIB) * 2 * MIB
            segments.append([[new, None]])
            self.reserved += new
            return len(segments) - 1, 0
        segment = segments[0] if segments else []
        if not segments:
            segments.append(segment)
        if not segment or segment[-1][1] is not None:
            segment.append([0, None])
        while segment[-1][0] < size:
            segment[-1][0] += unit
            self.reserved += unit
        return 0, len(segment) - 1

    def give_back(self, owner: object) -> None:
        for segments in self.segments.values():
            for segment in segments:
                for block in segment:
                    if block[1] == owner:
                        self.allocated -= block[0]
                        block[1] = None
                place = 0
                while place + 1 < len(segment):
                    if segment[place][1] is None and segment[place + 1][1] is None:
                        segment[place][0] += segment.pop(place + 1)[0]
                    else:
                        place += 1


sizes = st.one_of(
    st.integers(1, 4 * KIB),
    st.integers(1, 3 * MIB),
    st.integers(MIB - 1024, MIB + 1024),
    st.integers(9 * MIB, 40 * MIB),
    st.sampled_from([512, MIB, 2 * MIB, 10 * MIB, 20 * MIB, 20 * MIB - 512]),
)
actions = st.lists(st.one_of(sizes, st.floats(0, 1, exclude_max=True)), max_size=120)


def log_of(steps: list[int | float]) -> list[tuple[int, int]]:
    """A number asks for so many bytes; a share gives back what one of the living has."""
    log, living = [], []
    for name, step in enumerate(steps):
        if isinstance(step, int):
            log.append((name, step))
            living.append(name)
        elif living:
            log.append((living.pop(int(step * len(living))), 0))
    return log


class TestAgainstANaiveOne:
    @given(steps=actions, expandable=st.booleans())
    def test_random_logs(self, steps: list[int | float], *, expandable: bool) -> None:
        """Both allocate and reserve the same, after every request."""
        naive, allocator = Naive(expandable=expandable), CachingAllocator(expandable=expandable)
        for name, size in log_of(steps):
            allocator.run([(name, size)])
            if size:
                naive.ask(name, size)
            else:
                naive.give_back(name)
            assert (allocator.allocated, allocator.reserved) == (naive.allocated, naive.reserved)
        assert allocator.peak == Held(naive.most, naive.reserved)


class TestRules:
    @pytest.mark.parametrize(
        ("size", "allocated", "reserved"),
        [
            (1, 512, 2 * MIB),
            (MIB, MIB, 2 * MIB),
            (MIB + 1, MIB + 512, 20 * MIB),
            (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
            (10 * MIB, 10 * MIB, 10 * MIB),
            (11 * MIB, 12 * MIB, 12 * MIB),  # less than a MiB would be left over: the whole block is given
            (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),
        ],
    )
    def test_a_first_request(self, size: int, allocated: int, reserved: int) -> None:
        """Small ones, those below 10 MiB and larger ones have segments of their own kinds."""
        assert replay([("a", size)]) == Held(allocated, reserved)

    def test_the_smallest_that_is_large_enough(self) -> None:
        """Of two free blocks the better fit is taken, so that the larger is there for the next."""
        log = [("a", 30 * MIB), ("b", 24 * MIB), ("a", 0), ("b", 0), ("c", 24 * MIB), ("d", 30 * MIB)]
        assert replay(log).reserved == 54 * MIB

    def test_free_neighbours_are_one(self) -> None:
        """Two halves of a segment serve a request for the whole."""
        log = [("a", 4 * MIB), ("b", 16 * MIB), ("a", 0), ("b", 0), ("c", 20 * MIB)]
        assert replay(log) == Held(20 * MIB, 20 * MIB)

    def test_expandable_segments_grow_at_their_end(self) -> None:
        """Free bytes at the end count, and pages of 20 MiB are added: nothing is stranded."""
        log = [("a", 30 * MIB), ("b", 30 * MIB), ("b", 0), ("c", 50 * MIB)]
        assert replay(log).reserved == 110 * MIB
        assert replay(log, expandable=True).reserved == 80 * MIB

    def test_a_log_that_cannot_be(self) -> None:
        """A storage asks once, and gives back what it has."""
        with pytest.raises(KeyError):
            replay([("a", 0)])
        with pytest.raises(ValueError, match="has its bytes already"):
            replay([("a", 512), ("a", 512)])

    @given(actions)
    def test_reserved_is_never_below_allocated(self, steps: list[int | float]) -> None:
        """Blocks lie in segments."""
        held = replay(log_of(steps))
        assert held.allocated <= held.reserved
