"""
What lies on a device beside PyTorch's tensors: the driver's own share, its context, cuBLAS's workspaces, NCCL's buffers, a display.

None of it follows from the model. Each is an interval with its source.
"""

from typing import Final

import attrs

from llmplan.nouns.hardware import Hardware
from llmplan.sources import Estimate, Source, Sourced

_MIB = 2.0**20


@attrs.frozen(kw_only=True)
class Overhead:
    """
    Memory that something other than the model takes.

    Attributes:
        name: What takes it.
        size: How much. [byte]
        source: Where the figure comes from.
        counted: Whether PyTorch's own counters include it.
    """

    name: str
    size: Estimate
    source: Source
    counted: bool = False


_CONTEXT: Final = Source(
    kind="secondary",
    title="PyTorch issues 107667 and 28113: what the driver's tool shows before the first tensor",
    url="https://github.com/pytorch/pytorch/issues/107667",
    accessed="2026-11-24",
    note="about 300 MB since CUDA 11.7 loads kernels lazily; more as more of them are used; 200 to over 700 MB in all",
)
_WORKSPACES: Final = Source(
    kind="secondary",
    title="PyTorch 2.13, aten/src/ATen/cuda/CUDABlas: default CUBLAS_WORKSPACE_CONFIG",
    accessed="2026-11-24",
    note="8.125 MiB a handle and stream, 32 MiB on Hopper and later; one for the main thread and one for autograd's",
)
_NCCL: Final = Source(
    kind="secondary",
    title="NCCL issues 864 and 964: memory of one communicator",
    url="https://github.com/NVIDIA/nccl/issues/964",
    accessed="2026-11-24",
    note="544 MB for 2 and 688 MB for more A100s of one node; about 1.6 GB reported elsewhere",
)

_DRIVER: Final = Source(
    kind="measurement",
    title="PyTorch out-of-memory messages in public files: total capacity of a card against nvidia-smi's",
    accessed="2026-11-24",
    note="RTX 4090 23.6 of 23.99 GiB, 12 GB cards 11.5 to 11.8 of 11.99, A100 and H100 79.1 to 79.3 of 79.65",
)
_ENGINE: Final = Source(
    kind="official",
    title="Transformer Engine 2.11, pytorch/cpp_extensions/gemm.py: get_cublas_workspace_size_bytes",
    url="https://github.com/NVIDIA/TransformerEngine",
    accessed="2026-11-24",
    note="a tensor of 32 MiB and 1 KiB on Hopper and later, of 4 MiB on older cards",
)
TRANSFORMER_ENGINE_WORKSPACE: Final = 32.0 * _MIB + 1024.0
_SMALL_TRANSFORMER_ENGINE_WORKSPACE: Final = 4.0 * _MIB

#: Families whose cuBLAS workspaces are the large ones.
_LARGE_WORKSPACES: Final = ("Hopper", "Blackwell")


def overheads(hardware: Hardware, ranks: int, framework: str = "pytorch") -> list[Overhead]:
    """
    What lies beside the tensors on each device of a job.

    Args:
        hardware: The accelerator.
        ranks: Devices of the job.
        framework: Whose code runs it.
    """
    large = any(family in hardware.family for family in _LARGE_WORKSPACES)
    workspaces = 2.0 * (32.0 if large else 8.125) * _MIB
    found = [
        Overhead(
            name="driver",
            size=Estimate(low=200 * _MIB, likely=400 * _MIB, high=550 * _MIB, unit="byte", basis="measured"),
            source=_DRIVER,
        ),
        Overhead(
            name="context",
            size=Estimate(low=250 * _MIB, likely=430 * _MIB, high=750 * _MIB, unit="byte", basis="assumed"),
            source=_CONTEXT,
        ),
        Overhead(name="cuBLAS workspaces", size=Estimate.exact(workspaces, "byte"), source=_WORKSPACES, counted=True),
    ]
    if framework == "megatron":
        own = TRANSFORMER_ENGINE_WORKSPACE if large else _SMALL_TRANSFORMER_ENGINE_WORKSPACE
        found.append(Overhead(name="Transformer Engine workspace", size=Estimate.exact(own, "byte"), source=_ENGINE, counted=True))
    if ranks > 1:
        nccl = Estimate(low=500 * _MIB, likely=700 * _MIB, high=1600 * _MIB, unit="byte", basis="assumed")
        found.append(Overhead(name="communication buffers", size=nccl, source=_NCCL))
    if hardware.display_reserved is not None:
        found.append(_display(hardware.display_reserved))
    return found


def _display(reserved: Sourced) -> Overhead:
    """What a desktop takes; that another takes half as much to 1.6 times as much is an assumption. [byte]"""
    size = reserved.si
    spread = Estimate(low=0.5 * size, likely=size, high=1.6 * size, unit="byte", basis="assumed")
    return Overhead(name="display", size=spread, source=reserved.source)
