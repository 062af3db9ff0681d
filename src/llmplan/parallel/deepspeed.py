"""
ZeRO's second stage as DeepSpeed has it: flat buffers, read off its source.

``deepspeed/runtime/zero/stage_1_and_2.py`` of DeepSpeed 0.19.6, with its defaults ``contiguous_gradients`` and without
``overlap_comm``; nothing of it was measured here.

- All weights are views of one flat buffer, padded to a multiple of twice the ranks. A rank's part of it is an equal share, of
  which it keeps a copy in FP32 and the optimizer's states.
- With the first gradient of a backward a bucket of ``reduce_bucket_size`` elements is made. Each gradient is copied into it and
  its own storage goes at once.
- When a bucket is full its gradients are summed between ranks, and those that fall into the rank's part, whole parameters even
  where they lie across its borders, are copied into one more buffer. Where the bucket is larger than the model that is when
  backward ends; else it is taken to be when backward begins, as on the rank that has the last layers.
- The step flattens the rank's gradients once more and casts them to FP32.
"""

from typing import Final

import attrs

from llmplan.program.around import Around, Book
from llmplan.program.op import ELEMENT_BYTES, Storage, Tensor
from llmplan.program.size import Number, Size, ceil, rounded, total, where
from llmplan.program.stretch import Program

#: Elements of a bucket, and of all parameters that the part of the rank with the most touches, in letters.
BUCKET_ELEMENTS: Final[Number] = Size.letter("reduce_bucket_size")
TOUCHED_ELEMENTS: Final[Number] = Size.letter("touched_elements")

#: Weights are padded to this many elements a rank (``nccl_start_alignment_factor``).
_ALIGNMENT: Final = 2.0


@attrs.frozen(kw_only=True)
class FlatPartition:
    """
    A model in one flat buffer of which each rank updates an equal share.

    Attributes:
        ranks: Among how many, in letters or numbers.
    """

    ranks: Number

    def around(self, program: Program) -> Around:
        """What is done around the backward of *program*."""
        return _Buckets(self, program)

    def share(self, program: Program) -> Tensor:
        """A rank's part of all that is trained, in the weights' format."""
        weights = _trained(program)
        return Tensor(1.0, self._padded(program) / self.ranks, weights[0][0].format, weight=weights[0][0].weight)

    def parameters(self, program: Program) -> Number:
        """The flat buffer; what is frozen lies beside it. [byte]"""
        frozen = (w.weight.stored * n for w, n in program.weights() if w.weight and not w.weight.trainable)
        return rounded(self._padded(program) * _element(program)) + total(rounded(size) for size in frozen)

    def gradients(self, program: Program) -> Number:
        """The buffer of the gradients that fall into the part of the rank with the most. [byte]"""
        return rounded(TOUCHED_ELEMENTS * _element(program))

    def step(self, program: Program) -> Number:
        """What the step makes of them: a flat copy, and its cast to FP32. [byte]"""
        share = self.share(program)
        return rounded(share.bytes) + rounded(4.0 * share.elements)

    def _padded(self, program: Program) -> Number:
        unit = _ALIGNMENT * self.ranks
        return ceil(total(w.elements * n for w, n in _trained(program)) / unit) * unit


class _Buckets(Around):
    """The buffers of one backward."""

    def __init__(self, how: FlatPartition, program: Program) -> None:
        elements = total(w.elements * n for w, n in _trained(program))
        kept = how.gradients(program)
        self._bucket = Storage(BUCKET_ELEMENTS * _element(program), "gradient bucket")
        self._early = Storage(where(elements > BUCKET_ELEMENTS, kept, 0.0), "partitioned gradients", "gradients")
        self._late = Storage(where(elements > BUCKET_ELEMENTS, 0.0, kept), "partitioned gradients", "gradients")

    def begin_backward(self, book: Book) -> None:
        book.hold(self._bucket)
        book.hold(self._early)

    def end_backward(self, book: Book) -> None:
        book.hold(self._late)
        book.drop(self._bucket)


def touched(elements: list[float], ranks: int) -> list[float]:
    """
    Elements of all parameters that each rank's part touches, whole parameters counted.

    Args:
        elements: Elements of each parameter, in the order of the flat buffer.
        ranks: Among how many ranks.

    Example:
        >>> touched([6.0, 1.0, 5.0], 2)
        [6.0, 6.0]
        >>> touched([4.0, 8.0], 2)
        [12.0, 8.0]
    """
    share = -(-sum(elements) // (_ALIGNMENT * ranks)) * _ALIGNMENT
    sizes, begin = [0.0] * ranks, 0.0
    for size in elements:
        last = max(begin, begin + size - 1)
        for rank in range(int(begin // share), min(int(last // share), ranks - 1) + 1):
            sizes[rank] += size
        begin += size
    return sizes


def _trained(program: Program) -> list[tuple[Tensor, Number]]:
    return [(w, n) for w, n in program.weights() if w.weight and w.weight.trainable]


def _element(program: Program) -> float:
    """Bytes of an element of the weights. [byte]"""
    return ELEMENT_BYTES[_trained(program)[0][0].format]
