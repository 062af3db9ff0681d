"""
A GPU that is not there: what a build of PyTorch for the CPU lacks to run over tensors on a device called ``cuda``.

It must be installed before torch is imported, which is why a measurement has a process of its own.
"""

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llmplan.errors import UnsupportedError

_SOURCE = Path(__file__).with_name("guard.cpp")
_COMPILERS = ("c++", "g++", "clang++")
#: Heads wider than this take no flash kernel (sdp_utils.cpp, PyTorch 2.13).
_WIDEST_FLASH_HEAD = 256


def install() -> None:
    """
    Put the guard in place, import torch, and give it what depends on there being a GPU.

    Raises:
        UnsupportedError: There is no C++ compiler, or it fails.
        RuntimeError: torch was imported before.
    """
    if "torch" in sys.modules:
        msg = "the guard must be in place before torch is imported"
        raise RuntimeError(msg)
    ctypes.CDLL(str(_built())).llmplan_install_guard()
    import torch
    import torch.cuda.amp.common

    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda *_, **__: True
    torch.cuda.get_device_capability = lambda *_, **__: (9, 0)
    _keep_kernels_whole(torch)
    torch.nn.functional.scaled_dot_product_attention = _attention(torch)


def compiler() -> str | None:
    """The C++ compiler that is used: ``$CXX``, or the first that is found."""
    named = os.environ.get("CXX")
    return named or next((found for name in _COMPILERS if (found := shutil.which(name))), None)


def _built() -> Path:
    """The guard's library, built where there is none for this version of torch."""
    spec = find_spec("torch")
    folder = Path(next(iter(spec.submodule_search_locations or [""]))) if spec else Path()
    text = _SOURCE.read_bytes() + version("torch").encode() + str(folder).encode()
    library = (
        Path(tempfile.gettempdir())
        / f"llmplan-guard-{os.getuid() if hasattr(os, 'getuid') else 0}"
        / (hashlib.sha256(text).hexdigest()[:16] + ".so")
    )
    if library.exists():
        return library
    command = compiler()
    if command is None:
        raise UnsupportedError("measuring without a C++ compiler", f"install one of {', '.join(_COMPILERS)}, or name it in CXX")
    library.parent.mkdir(mode=0o700, exist_ok=True)
    made = library.with_suffix(f".{os.getpid()}")
    done = subprocess.run(  # noqa: S603  the compiler that the user has
        [
            *command.split(),
            *("-O1", "-std=c++20", "-shared", "-fPIC", f"-I{folder}/include", str(_SOURCE), "-o", str(made)),
            *(f"-L{folder}/lib", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{folder}/lib"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnsupportedError("measuring with this C++ compiler", f"{command} cannot build the device guard: {last}")
    made.replace(library)
    return library


def _keep_kernels_whole(torch: Any) -> None:  # noqa: ANN401  a module
    """Operations that have a kernel on a GPU and fall apart into several where there is none."""

    def never(*_: object) -> None:
        msg = "an operation without bytes was run on real ones"
        raise RuntimeError(msg)

    library = torch.library.Library("aten", "IMPL")
    for name in ("_fused_rms_norm", "silu_backward"):
        library.impl(name, never, "CUDA")
    install.library = library  # type: ignore[attr-defined]  # it is undone when it is dropped


def _attention(torch: Any) -> Any:  # noqa: ANN401
    """``scaled_dot_product_attention`` with the kernel that CUDA takes from Ampere on (sdp_utils.cpp)."""
    aten, plain = torch.ops.aten, torch.nn.functional.scaled_dot_product_attention
    halves = (torch.float16, torch.bfloat16)

    def attention(  # noqa: PLR0917
        q: Any,  # noqa: ANN401
        k: Any,  # noqa: ANN401
        v: Any,  # noqa: ANN401
        attn_mask: Any = None,  # noqa: ANN401
        dropout_p: float = 0.0,
        is_causal: bool = False,  # noqa: FBT001, FBT002  the signature of what it stands for
        scale: float | None = None,
        enable_gqa: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:  # noqa: ANN401
        if q.device.type != "cuda":
            return plain(q, k, v, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        if torch.is_autocast_enabled("cuda"):
            q, k, v = (x.to(torch.get_autocast_dtype("cuda")) for x in (q, k, v))
        width, value_width, unit = q.shape[-1], v.shape[-1], 8 if q.dtype in halves else 4
        scale = 1.0 / math.sqrt(width) if scale is None else scale
        alike = q.shape[1] == k.shape[1]
        flash = q.dtype in halves and attn_mask is None and width == value_width <= _WIDEST_FLASH_HEAD
        if flash and (alike or enable_gqa):
            if width % unit:
                q, k, v = (torch.nn.functional.pad(x, (0, unit - width % unit)) for x in (q, k, v))
            out = aten._scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, scale=scale)[0]  # noqa: SLF001
            return out[..., :value_width]
        if alike and width % unit == 0 == value_width % unit:
            bias = _bias(torch, attn_mask, q, k)
            needs = any(x.requires_grad for x in (q, k, v))
            return aten._scaled_dot_product_efficient_attention(q, k, v, bias, needs, dropout_p, is_causal, scale=scale)[0]  # noqa: SLF001
        return plain(q, k, v, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)

    return attention


def _bias(torch: Any, mask: Any, q: Any, k: Any) -> Any:  # noqa: ANN401
    """A mask as the memory-efficient kernel takes it: a number for each pair, minus infinity where nothing is seen."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, float("-inf"))
    return mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
