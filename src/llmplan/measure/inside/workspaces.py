"""
Memory that CUDA's kernels take and give back inside one operation, which tensors without bytes do not show. [byte]

From PyTorch's sources, version 2.13: ``flash_attn/flash_api.cpp``, ``mem_eff_attention``, ``EmbeddingBackwardKernel.cu``.
"""

from collections.abc import Callable
from typing import Any

_SORTED_ABOVE = 3072  # indices of an embedding's backward
_NARROW_HEAD = 128
_FP32 = 4
_INT64 = 8


def workspaces(aten: Any) -> dict[Any, Callable[[tuple[Any, ...]], list[int]]]:  # noqa: ANN401  torch.ops.aten
    """For each operation that has some: what they are for its arguments."""
    return {
        aten._scaled_dot_product_flash_attention_backward.default: _flash,  # noqa: SLF001
        aten._scaled_dot_product_efficient_attention_backward.default: _efficient,  # noqa: SLF001
        aten.embedding_dense_backward.default: _embedding,
    }


def _flash(args: tuple[Any, ...]) -> list[int]:
    """Row sums and the queries' gradients in FP32 over padded rows; with grouped heads keys' and values' for each query head."""
    q, k = args[1], args[2]
    batch, heads, length, width = q.shape
    rows = batch * heads * (-(-length // 128) * 128)
    step = 32 if width <= _NARROW_HEAD else 64
    taken = [_FP32 * rows, _FP32 * rows * (-(-width // step) * step)]
    if k.shape[1] != heads:
        taken += [q.element_size() * batch * heads * k.shape[2] * width] * 2
    return taken


def _efficient(args: tuple[Any, ...]) -> list[int]:
    """Row sums in FP32, and the queries' gradients where they are summed in more than their own format."""
    q = args[1]
    rows = q.shape[0] * q.shape[1] * q.shape[2]
    return [_FP32 * rows] + ([_FP32 * rows * q.shape[3]] if q.element_size() != _FP32 else [])


def _embedding(args: tuple[Any, ...]) -> list[int]:
    """Many indices are sorted, and partial rows summed in FP32."""
    gradient, ids = args[0], args[1]
    count = ids.numel()
    return [_INT64 * count] * 7 + [_FP32 * count * gradient.shape[-1]] if count > _SORTED_ABOVE else []
