"""
States: bytes that stay for a parameter between steps. [byte]

Everything is counted in the allocator's blocks of 512 bytes, each tensor apart.
"""

from typing import Final, Literal

from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.optimizer.tensors import is_vector
from llmplan.program.size import Number, ceil, rounded, total, where

#: The rules that are known.
Algorithm = Literal["adamw", "adamw-amsgrad", "nadam", "radam", "adafactor", "lion", "muon", "sgd", "sgd-momentum"]

#: Whose step it is: PyTorch's three ways, or a library's.
Implementation = Literal["fused", "foreach", "loop", "bitsandbytes", "torchao", "transformers"]

#: How states are kept: in the parameter's own format, in FP32, or packed with a scale a block.
States = Literal["parameter", "fp32", "8bit", "4bit", "fp8"]

#: Tensors of a parameter's shape that each algorithm keeps; Adafactor keeps rows and columns instead.
MOMENTS: Final[dict[Algorithm, float]] = {
    "adamw": 2.0,
    "adamw-amsgrad": 3.0,
    "nadam": 2.0,
    "radam": 2.0,
    "lion": 1.0,
    "muon": 1.0,
    "sgd": 0.0,
    "sgd-momentum": 1.0,
}

#: A block of the allocator's: what a number of its own takes, such as a step count on the device. [byte]
BLOCK_BYTES: Final = 512.0

#: Smaller tensors are not packed, by bitsandbytes (``min_8bit_size``) nor by torchao (``_new_buffer``). [element]
SMALLEST_PACKED: Final = 4096.0

#: bitsandbytes pages larger states only (``get_state_buffer``: "> 1 MB"). [element]
_SMALLEST_PAGED: Final = 1e5

#: Elements that share a scale, and elements of a byte, of each packed format (torchao's defaults; bitsandbytes has 256).
_PACKED: Final[dict[States, tuple[float, float]]] = {"8bit": (256.0, 1.0), "4bit": (128.0, 2.0), "fp8": (256.0, 1.0)}

#: torchao's states of 8 and 4 bits each hold the table of their code's values, 256 and 16 numbers in FP32. [byte]
_CODE_TABLE_BYTES: Final[dict[States, float]] = {"8bit": 1024.0, "4bit": 512.0, "fp8": 0.0}


def moment(weight: Tensor, implementation: Implementation, states: States) -> Number:
    """One tensor of a parameter's shape, as it is kept. [byte]"""
    return total(moment_tensors(weight, implementation, states))


def moment_tensors(weight: Tensor, implementation: Implementation, states: States) -> list[Number]:
    """The same, tensor by tensor, in the order in which they are made. [byte]"""
    if states == "parameter":
        return [rounded(weight.bytes)]
    if states == "fp32":
        return [rounded(4.0 * weight.elements)]
    return _by_torchao(weight, states) if implementation == "torchao" else _by_bitsandbytes(weight)


def paged_moment(weight: Tensor, states: States) -> Number:
    """The part of one that bitsandbytes puts into unified memory: codes, where there are many; scales stay. [byte]"""
    codes = weight.elements if states == "8bit" else 4.0 * weight.elements
    return where(weight.elements >= _SMALLEST_PAGED, rounded(codes), 0.0)


def _by_bitsandbytes(weight: Tensor) -> list[Number]:
    """A byte an element and an FP32 scale for each 256; FP32 where there are few (``Optimizer2State.init_state``)."""
    block, _ = _PACKED["8bit"]
    few = weight.elements < SMALLEST_PACKED
    codes, scales = rounded(weight.elements), rounded(4.0 * ceil(weight.elements / block))
    return [where(few, rounded(4.0 * weight.elements), codes), where(few, 0.0, scales)]


def _by_torchao(weight: Tensor, states: States) -> list[Number]:
    """
    Codes, scales and the codes' table; the parameter's own format where there are few elements or they do not fill
    blocks (torchao, ``_AdamBase._new_buffer``).
    """
    n = weight.elements
    block, per_byte = _PACKED[states]
    own = rounded(weight.bytes)

    def packed(size: Number, otherwise: Number = 0.0) -> Number:
        return where(n < SMALLEST_PACKED, otherwise, where(block * (n // block) < n, otherwise, size))

    return [packed(rounded(n / per_byte), own), packed(rounded(4.0 * n / block)), packed(_CODE_TABLE_BYTES[states])]


def factors(weight: Tensor, implementation: Implementation) -> Number:
    """What Adafactor keeps. [byte]"""
    return total(factor_tensors(weight, implementation))


def factor_tensors(weight: Tensor, implementation: Implementation) -> list[Number]:
    """
    The same, tensor by tensor: a factor for the rows and one for the columns of a matrix, all elements of a vector.

    PyTorch keeps them in the parameter's format, Transformers in FP32 and beside them the root mean square of the
    parameter, a number on the device. [byte]
    """
    size, more = (4.0, [BLOCK_BYTES]) if implementation == "transformers" else (ELEMENT_BYTES[weight.format], [])
    if is_vector(weight):
        return [rounded(size * weight.elements), *more]
    return [rounded(size * weight.rows), rounded(size * weight.cols), *more]
