"""Gradient clipping by the norm of all gradients: what it takes between the last backward and the optimizer's step."""

from collections.abc import Iterable
from typing import Final

from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.optimizer.states import BLOCK_BYTES
from llmplan.program.size import Number, ceil, largest, maximum, rounded, total

#: Elements of a tensor that one block of threads reduces (PyTorch's ``ForeachReduceOp.cu``: ``kChunkSize``).
_CHUNK_ELEMENTS: Final = 65536.0

#: Blocks of the allocator's that are there once the gradients have been scaled by a factor made of their norm: the norm of
#: norms and three numbers on the way to the factor. Fewer than the norms of four tensors, which come first.
_FACTOR_BLOCKS: Final = 4.0


def clipping_bytes(weights: Iterable[tuple[Tensor, Number]]) -> Number:
    """
    The most that ``torch.nn.utils.clip_grad_norm_`` takes for a moment; the gradients are scaled in place. [byte]

    The norm of each gradient is a tensor of its own. While those of one format are reduced there is a partial sum in FP32
    for each tensor and each chunk of the largest; then the norms are stacked, and the norm of the stack is taken.

    Args:
        weights: Trainable parameters, and how many like each there are.
    """
    trained = list(weights)
    if not trained:
        return 0.0
    by_format: dict[str, list[tuple[Tensor, Number]]] = {}
    for w, n in trained:
        by_format.setdefault(w.format, []).append((w, n))
    count = total(n for _, n in trained)
    partial = largest(_partial_sums(group) for group in by_format.values())
    stacked = rounded(count * max(ELEMENT_BYTES[f] for f in by_format)) + BLOCK_BYTES
    return maximum(count * BLOCK_BYTES + maximum(partial, stacked), _FACTOR_BLOCKS * BLOCK_BYTES)


def _partial_sums(group: list[tuple[Tensor, Number]]) -> Number:
    """A number for each chunk of the largest tensor, for each tensor. [byte]"""
    chunks = largest(ceil(w.elements / _CHUNK_ELEMENTS) for w, _ in group)
    return rounded(4.0 * total(n for _, n in group) * chunks)
