"""
What a linear layer is: plain, frozen and packed, or with an adapter beside it.

Each is a function around a function, so that they combine: ``with_lora(packed(nf4), rank=16)`` is QLoRA's.
"""

from typing import TYPE_CHECKING, Protocol

from llmplan.nouns.format import Format
from llmplan.program.op import Tensor
from llmplan.program.size import Number

if TYPE_CHECKING:
    from llmplan.program.emit import Emitter


class Layer(Protocol):
    """Says a linear layer with *out* features to an emitter."""

    def __call__(self, e: "Emitter", x: Tensor, out: Number, *, name: str, bias: bool) -> Tensor:
        """The layer's output for *x*."""


def plain(e: "Emitter", x: Tensor, out: Number, *, name: str, bias: bool) -> Tensor:
    """A weight in the job's format, and a bias if there is one."""
    weight = e.weight(out, x.cols, role="matrix", name=name)
    return e.product(x, weight, _bias(e, out, name) if bias else None)


def packed(stored: Format) -> Layer:
    """A frozen weight that lies packed in *stored* and is unpacked at each use (QLoRA, arXiv 2305.14314, eq. 5)."""

    def layer(e: "Emitter", x: Tensor, out: Number, *, name: str, bias: bool) -> Tensor:
        weight = e.weight(out, x.cols, role="matrix", name=name, stored=stored)
        return e.unpacked_product(x, weight, stored, _bias(e, out, name) if bias else None)

    return layer


def with_lora(base: Layer, rank: Number) -> Layer:
    """
    The *base* layer, and beside it a product of two thin trainable matrices, scaled (LoRA, arXiv 2106.09685, eq. 3).

    .. math:: y = W x + \\tfrac{\\alpha}{r} B A x
    """

    def layer(e: "Emitter", x: Tensor, out: Number, *, name: str, bias: bool) -> Tensor:
        y = base(e, x, out, name=name, bias=bias)
        down = e.product(x, e.weight(rank, x.cols, role="adapter", name=f"{name}.lora_A"))
        up = e.product(down, e.weight(out, rank, role="adapter", name=f"{name}.lora_B"))
        return e.plus(y, e.scale(up))

    return layer


def _bias(e: "Emitter", out: Number, name: str) -> Tensor:
    return e.weight(1.0, out, role="bias", name=f"{name}.bias")
