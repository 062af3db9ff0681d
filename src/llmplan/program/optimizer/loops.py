"""What steps do that go tensor by tensor: each function says what one parameter's step binds, in order."""

from llmplan.program.op import ELEMENT_BYTES, Tensor
from llmplan.program.optimizer.script import Locals, Visit
from llmplan.program.optimizer.states import BLOCK_BYTES, SMALLEST_PACKED
from llmplan.program.optimizer.tensors import is_vector
from llmplan.program.size import minimum, rounded, where

#: Iterations of Newton and Schulz (``torch.optim.Muon``: ``ns_steps``).
_NEWTON_SCHULZ_STEPS = 5


def adamw(v: Locals, w: Tensor) -> None:
    """``_single_tensor_adam``: the root of the second moment, and that divided by the bias correction, which stays."""
    size = rounded(w.bytes)
    v.bind("root", size)
    v.bind("denominator", size)
    v.free("root")


def radam(v: Locals, w: Tensor) -> None:
    """``_single_tensor_radam`` from the sixth step on: the corrected first moment stays, four more of its size pass."""
    size = rounded(w.bytes)
    v.bind("corrected", size)
    v.passing(4.0 * size)


def lion(v: Locals, w: Tensor) -> None:
    """``lion_pytorch``: the moment's copy, and the update made of it; a function of its own, which leaves nothing."""
    v.passing(2.0 * rounded(w.bytes))


def adafactor(v: Locals, w: Tensor) -> None:
    """``_single_tensor_adafactor``: means of rows and columns, and the estimate of the variance that becomes the update."""
    size = rounded(w.bytes)
    if is_vector(w):
        v.bind("squared", size)
        v.bind("estimate", size)
    else:
        element = ELEMENT_BYTES[w.format]
        v.bind("row means", rounded(element * w.rows))
        v.bind("column means", rounded(element * w.cols))
        v.bind("estimate", size)
        v.passing(BLOCK_BYTES)
    v.rename("estimate", "update")
    v.passing(BLOCK_BYTES)


def adafactor_of_transformers(v: Locals, w: Tensor) -> None:
    """
    ``transformers.optimization.Adafactor``: everything in FP32; a parameter in 16 bits and its gradient are copied.

    The squared gradient and its sum with a small number are there together; then that sum, the factors' roots and the
    update.
    """
    size = rounded(4.0 * w.elements)
    if w.format != "fp32":
        for name in ("gradient", "parameter"):
            v.free(name)
            v.bind(name, size)
    v.passing(2.0 * BLOCK_BYTES)
    v.bind("square", size)
    v.bind("update", size)
    v.free("square")
    if is_vector(w):
        v.bind("update", size)
    else:
        rows, columns = rounded(4.0 * w.rows), rounded(4.0 * w.cols)
        v.passing(rows + columns + size)
        v.bind("update", size)
    v.passing(size)


def muon(v: Locals, w: Tensor) -> None:
    """
    ``torch.optim.Muon``: the momentum's look-ahead in the parameter's format; the iterate of Newton and Schulz and its
    successor in BF16, and two Gram matrices of the shorter side. The last iterate stays as the update.
    """
    short = minimum(w.rows, w.cols)
    iterate, gram = rounded(2.0 * w.elements), rounded(2.0 * short * short)
    v.bind("update", rounded(w.bytes))
    if w.format != "bf16":  # otherwise the look-ahead is the first iterate
        v.bind("iterate", iterate)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        v.bind("gram", gram)
        v.bind("gram update", gram)
        v.bind("iterate", iterate)
    v.free("gram", "gram update")
    v.rename("iterate", "update")


def nadam(v: Locals, w: Tensor) -> None:
    """``_single_tensor_nadam``: the corrected second moment, and its root, which stays."""
    adamw(v, w)


def in_full(*, master: bool, full_gradients: bool) -> Visit:
    """
    AdamW in FP32 for parameters in 16 bits: the gradient is copied to FP32 and, where there is no *master* copy, the
    parameter, which is copied back. *full_gradients* are in FP32 as they are.
    """

    def visit(v: Locals, w: Tensor) -> None:
        copies = [] if w.format == "fp32" else ["parameter"] * (not master) + ["gradient"] * (not full_gradients)
        for name in copies:
            v.bind(f"new {name}", rounded(4.0 * w.elements))
        for name in copies:
            v.rename(f"new {name}", name)

    return visit


def torchao(v: Locals, w: Tensor, states: str) -> None:
    """
    torchao's compiled step for one parameter, as Inductor of PyTorch 2.13 plans it (measured): new scales of both moments
    and, but for FP8, the moments in FP32; with 4 bits also their codes in 64-bit integers before they are packed.
    """
    n = w.elements
    block, moments = {"8bit": (256.0, 4.0), "4bit": (128.0, 12.0), "fp8": (256.0, 0.0)}[states]
    taken = 2.0 * (rounded(4.0 * n / block) + rounded(moments * n))
    v.passing(where(n < SMALLEST_PACKED, 0.0, where(block * (n // block) < n, 0.0, taken)))
