"""
Which kernel ``F.scaled_dot_product_attention`` takes on a CUDA device of compute capability 8.0 or later.

PyTorch tries flash, then the memory-efficient kernel, then makes the scores in full, and takes the first that can do
what is asked (PyTorch 2.13, ``aten/src/ATen/native/transformers/cuda/sdp_utils.cpp``). On some cards cuDNN's kernel comes
before flash: it keeps the same tensors.
"""

from typing import Literal

from llmplan.program.emit import Heads

#: "flash" and "efficient" are one kernel each; "math" makes the scores in full, in FP32.
Backend = Literal["flash", "efficient", "math"]


def backend_of(heads: Heads, format: str) -> Backend:  # noqa: A002  the field's word
    """
    The kernel for attention of some *heads* whose elements have a *format*.

    Flash wants half precision, no mask tensor, and one width of at most 256 columns (narrow ones are padded to a multiple of
    eight). The memory-efficient kernel wants as many heads of keys as of queries, and widths that are a multiple of 16 bytes.

    Example:
        >>> plain = Heads(query=32, kv=32, grouped=False, aligned=True)
        >>> backend_of(plain, "bf16"), backend_of(plain, "fp32")
        ('flash', 'efficient')
        >>> backend_of(Heads(query=32, kv=8, grouped=True, aligned=True), "fp32")
        'math'
    """
    half = format != "fp32"
    if half and not heads.masked and not heads.wide and heads.value_dim is None:
        return "flash"
    if not heads.grouped and (heads.aligned if half else heads.aligned_to_four):
        return "efficient"
    return "math"
