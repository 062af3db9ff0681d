"""Casts: what is copied into another format, and what keeps its copy."""

from llmplan.program.emit import Emitter
from llmplan.program.op import ELEMENT_BYTES, Op, Region, Tensor


class Casting(Emitter):
    """Casts."""

    @property
    def _autocast(self) -> bool:
        return self.job.casts == "autocast"

    def cast(self, x: Tensor, format: str) -> Tensor:  # noqa: A002  the field's word
        """
        A copy of *x* in another format, or *x*.

        Autocast makes one copy of an activation at each use, and one of a trainable weight that it caches until the
        forward ends. Where a cached copy is used in another recomputed region, that region makes it again when it is
        recomputed: a second storage with the first one's gradient.
        """
        if x.format == format:
            return x
        cached = self._autocast and x.weight is not None and x.needs_gradient
        old = self._cached_casts.get(id(x)) if cached else None
        if old and old[0] is self.place:
            return old[1]
        label = f"cast of {x.weight.name}" if x.weight else f"{x.storage.label} in {format}"
        y = Tensor(x.rows, x.cols, format, label=label, needs_gradient=x.needs_gradient)
        op = self.write(Op("cast", [x], [y], gradients=[(x, "new")], again=old is not None))
        if old:
            op.gradients, y.node = [], old[1].node
        if cached:
            y.storage.to_the_end = old is None
            self._cached_casts[id(x)] = (self.place, y)
        return y

    def _compute(self, x: Tensor) -> Tensor:
        """*x* in the format that autocast wants for a product."""
        return self.cast(x, self.job.compute) if self._autocast else x

    def _full(self, x: Tensor) -> Tensor:
        """*x* in the format that autocast wants for a norm, a power or a loss."""
        return self.cast(x, "fp32") if self._autocast else x

    def _last(self) -> Op:
        items = self._items
        last = items[-1]
        if isinstance(last, Region):
            msg = "the last item is a region"
            raise TypeError(msg)
        return last


def any_needs(tensors: list[Tensor]) -> bool:
    return any(t.needs_gradient for t in tensors)


def wider(a: Tensor, b: Tensor) -> str:
    return a.format if ELEMENT_BYTES[a.format] >= ELEMENT_BYTES[b.format] else b.format
