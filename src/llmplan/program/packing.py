"""What a packed matrix takes on the device: each of its parts is a tensor of its own. [byte]"""

from llmplan.nouns.format import Format
from llmplan.program.size import Number, ceil, rounded

_FP32_BYTES = 4.0


def allocated(stored: Format, elements: Number) -> Number:
    """
    Bytes of a matrix of so many *elements* as the allocator gives them.

    bitsandbytes keeps codes and scales of a codebook in a tensor each, and beside them, for every matrix, the table of the
    codes' values; where scales are packed too, their own scales, table and offset (``QuantState``, version 0.50.2).
    """
    if stored.kind != "codebook" or stored.block_elements is None:
        return rounded(stored.bytes(elements))
    scales = ceil(elements / stored.block_elements)
    parts = [elements * stored.element_bits / 8.0, scales * stored.scale_bits / 8.0, _table(stored.element_bits)]
    if stored.second_block is not None:
        second = ceil(scales / stored.second_block) * stored.second_scale_bits / 8.0
        parts += [second, _table(stored.scale_bits), stored.offset_bits / 8.0]
    taken: Number = 0.0
    for part in parts:
        taken = taken + rounded(part)
    return taken


def unpacked_scales(stored: Format, elements: Number) -> Number:
    """Scales in FP32 while a matrix is unpacked, where they are packed themselves."""
    if stored.second_block is None or stored.block_elements is None:
        return 0.0
    return rounded(_FP32_BYTES * ceil(elements / stored.block_elements))


def scale_table(stored: Format) -> float:
    """The table of the values of packed scales, from which each matrix has a copy; 0 where scales are not packed."""
    return 0.0 if stored.second_block is None else _table(stored.scale_bits)


def _table(bits: float) -> float:
    """A value in FP32 for each code."""
    return float(_FP32_BYTES * 2.0**bits)
