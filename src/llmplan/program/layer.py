"""
What a linear layer is: plain, frozen and packed, or with an adapter beside it.

Each is a function around a function, so that they combine: ``with_lora(packed(nf4), Adapter(rank=16))`` is QLoRA's.
"""

from typing import TYPE_CHECKING, Protocol

import attrs

from llmplan.nouns.format import Format
from llmplan.program.op import Op, Tensor
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


@attrs.frozen(kw_only=True)
class Adapter:
    """
    A low-rank adapter, as far as operations go.

    Attributes:
        rank: Rows of A and columns of B.
        targets: Names of the layers that get one; None for all.
        format: Of A and B, where it is not the job's.
        dropout: Share of the input that is dropped before A.
        beside_packed: Whether the layers are packed: PEFT copies their output, and narrows the adapter's before the sum.
    """

    rank: Number
    targets: tuple[str, ...] | None = None
    format: str | None = None
    dropout: float = 0.0
    beside_packed: bool = False

    def adapts(self, name: str) -> bool:
        """Whether the layer of this *name* gets one: its name is a target, or ends in one after a dot."""
        return self.targets is None or any(f".{name}".endswith(f".{target}") for target in self.targets)


def with_lora(base: Layer, adapter: Adapter) -> Layer:
    """
    The *base* layer, and beside it a product of two thin trainable matrices, scaled (LoRA, arXiv 2106.09685, eq. 3).

    .. math:: y = W x + \\tfrac{\\alpha}{r} B A x

    Where the adapter has a format of its own and autocast does not choose one, its input is cast to that format and the
    sum back (PEFT 0.21, ``lora/layer.py`` and ``lora/bnb.py``).
    """

    def layer(e: "Emitter", x: Tensor, out: Number, *, name: str, bias: bool) -> Tensor:
        y = base(e, x, out, name=name, bias=bias)
        if not adapter.adapts(name):
            return y
        if adapter.beside_packed:
            y = _copied(e, y)
        a = e.weight(adapter.rank, x.cols, role="adapter", name=f"{name}.lora_A", format=adapter.format)
        b = e.weight(out, adapter.rank, role="adapter", name=f"{name}.lora_B", format=adapter.format)
        # Beside a packed layer PEFT leaves the choice to autocast where that is on; beside a plain one it casts first.
        own = adapter.format is not None and not (adapter.beside_packed and e.job.casts == "autocast")
        given = e.cast(x, a.format) if own else x
        up = e.scale(e.product(e.product(e.dropout(given, adapter.dropout), a), b))
        if own and adapter.beside_packed:
            up = e.cast(up, y.format)
        y = e.plus(y, up)
        if own and not adapter.beside_packed:
            y = e.cast(y, x.format if e.job.casts != "autocast" else e.job.compute)
        e.still_holds(given)
        e.still_holds(x)
        return y

    return layer


def _copied(e: "Emitter", x: Tensor) -> Tensor:
    """A copy, whose gradient is the copy's own."""
    y = Tensor(x.rows, x.cols, x.format, label="copy", needs_gradient=x.needs_gradient)
    e.write(Op("clone", [x], [y], gradients=[(x, "same")]))
    return y


def _bias(e: "Emitter", out: Number, name: str) -> Tensor:
    return e.weight(1.0, out, role="bias", name=f"{name}.bias")
