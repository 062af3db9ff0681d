"""
Sharding: which part of a parameter a rank has.

PyTorch's FSDP2 cuts each parameter along its first dimension into as many chunks as there are ranks, as
:func:`torch.chunk` does, and pads every chunk to the size of the first (``torch/distributed/fsdp/_fully_shard/_fsdp_param.py``
of PyTorch 2.13). So the storage is equal on all ranks, and the first rank, whose chunk is full, has the most states.
"""

from typing import Final

from llmplan.program.op import Tensor
from llmplan.program.size import Number, Size, ceil

#: Ranks that share one copy of the model, and copies of the model, in letters: their product is the data-parallel ranks.
SHARDS: Final[Number] = Size.letter("shards")
COPIES: Final[Number] = Size.letter("copies")


def first_chunk(weight: Tensor, shards: Number, format: str) -> Tensor:  # noqa: A002  the field's word
    """
    The part of *weight* that the first of *shards* ranks has, in *format*.

    Example:
        >>> from llmplan.program.op import Tensor
        >>> chunk = first_chunk(Tensor(10.0, 3.0, "bf16"), 4.0, "fp32")
        >>> chunk.rows, chunk.cols, chunk.bytes
        (3.0, 3.0, 36.0)
    """
    vector = isinstance(weight.rows, float) and weight.rows == 1.0
    rows, cols = (weight.rows, ceil(weight.cols / shards)) if vector else (ceil(weight.rows / shards), weight.cols)
    return Tensor(rows, cols, format, weight=weight.weight)


def padded(weight: Tensor, shards: Number) -> Number:
    """Elements of *weight* when all chunks are put together, padding included."""
    return first_chunk(weight, shards, weight.format).elements * shards
