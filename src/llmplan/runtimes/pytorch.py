"""
Plain PyTorch, run eagerly: each verb as the operations that ``torch.nn.functional`` makes of it.

What each operation keeps for its derivative, and what it takes while it runs, is PyTorch's (``derivatives.yaml`` and
the kernels' sources, version 2.13), found by measuring and checked against measured cases.
"""

from typing import Literal

import attrs

from llmplan.errors import UnsupportedError
from llmplan.nouns.format import Format
from llmplan.program.emit import Emitter, Heads
from llmplan.program.kernel import Attention, Kernel, Matmul, Pointwise
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Region, Tensor
from llmplan.program.size import Number, ceil, where

#: The backward of an embedding sorts its indices above this many. [tokens]
_SORTED_ABOVE = 3072.0
#: The flash kernel's backward pads heads up to this many columns to multiples of 32, wider ones to multiples of 64.
_NARROW_HEAD = 128.0


class PyTorch(Emitter):
    """The verbs in eager PyTorch."""

    # -- casts ------------------------------------------------------------------------------------------------------

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
        label = f"cast of {x.weight.name}" if x.weight else "cast"
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

    # -- inputs and tables ------------------------------------------------------------------------------------------

    def inputs(self) -> None:
        """Token ids and targets, 64-bit integers."""
        for label in ("token ids", "targets"):
            self.constant(label, 8.0 * self.job.tokens)
        if self.job.attention == "eager":
            self.constant("mask", self.job.sequence_length * self.job.sequence_length)

    def rotary_table(self, head_dim: Number, format: str | None = None) -> None:  # noqa: A002  the field's word
        """Cosines and sines for half of each head's columns."""
        self._rotary_format, self._rotary_width = format or self.job.weights, head_dim / 2.0
        size = self.job.sequence_length * head_dim / 2.0 * ELEMENT_BYTES[self._rotary_format]
        for label in ("cosines", "sines"):
            self.constant(label, size)

    def embedding(self, table: Tensor) -> Tensor:
        """``F.embedding``: keeps the ids. Its backward sorts many ids and sums partial rows in FP32."""
        tokens = self.job.tokens
        return self._embedding(table, tokens, sort_if=tokens > _SORTED_ABOVE)

    def positions(self, table: Tensor) -> Tensor:
        """``F.embedding`` with the positions of one sequence."""
        length = self.job.sequence_length
        return self._embedding(table, length, sort_if=length > _SORTED_ABOVE)

    def _embedding(self, table: Tensor, rows: Number, *, sort_if: object) -> Tensor:
        x = Tensor(rows, table.cols, table.format, label="embedding", needs_gradient=table.needs_gradient)
        sort = [where(sort_if, 8.0 * rows, 0.0)] * 7
        partial = where(sort_if, 4.0 * rows * table.cols, 0.0)
        looked_up = Pointwise(read=x.bytes, written=x.bytes)
        scattered = Pointwise(read=x.bytes, written=table.bytes, launches=2.0)
        op = Op(
            "embedding",
            [table],
            [x],
            gradients=[(table, "new")],
            backward_workspaces=[*sort, partial],
            forward=[looked_up],
            backward=[scattered],
        )
        self.write(op)
        return x

    # -- norms ------------------------------------------------------------------------------------------------------

    def norm(self, x: Tensor, kind: Literal["rms", "layer"], *, weighted: bool, name: str = "norm") -> Tensor:
        """``F.rms_norm`` or ``F.layer_norm``: one kernel that keeps its input and the statistics of each row."""
        x = self._full(x)
        weights = [self.weight(1.0, x.cols, role="norm", name=name)] if weighted else []
        if weighted and kind == "layer":
            weights.append(self.weight(1.0, x.cols, role="bias", name=f"{name}.bias"))
        return self._fused_norm(x, x.rows, weights, statistics=2 if kind == "layer" else 1, op=f"{kind}_norm")

    def head_norm(self, x: Tensor, heads: Number, *, weighted: bool, name: str = "norm") -> Tensor:
        """``F.rms_norm`` over each head."""
        x = self._full(x)
        weights = [self.weight(1.0, x.cols / heads, role="norm", name=name)] if weighted else []
        return self._fused_norm(x, x.rows * heads, weights, statistics=1, op="rms_norm")

    def _fused_norm(self, x: Tensor, rows: Number, weights: list[Tensor], *, statistics: int, op: str) -> Tensor:
        out = Tensor(x.rows, x.cols, x.format, label=op, needs_gradient=_any_needs([x, *weights]))
        kept = [Tensor(rows, 1.0, "fp32", label=f"{op} statistics", needs_gradient=False) for _ in range(statistics)]
        inputs = [x, *weights]
        self.write(Op(op, inputs, [out, *kept], keeps=[x, *kept], gradients=[(i, "new") for i in inputs]))
        return out

    # -- products ---------------------------------------------------------------------------------------------------

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """``F.linear``: keeps its input for the weight's gradient and the weight for the input's."""
        x, w = self._compute(x), self._compute(weight)
        if self.job.casts == "at-use":
            w = self.cast(w, x.format)
        b = None if bias is None else self.cast(bias, w.format)
        inputs = [x, w] if b is None else [x, w, b]
        keeps = [t for t, other in ((x, w), (w, x)) if other.needs_gradient]
        y = Tensor(x.rows, w.rows, x.format, label="linear", needs_gradient=_any_needs(inputs))
        forward, backward = self._linear_kernels(x, w)
        gradients: list[tuple[Tensor, Passing]] = [(i, "new") for i in inputs]
        self.write(Op("linear", inputs, [y], keeps=keeps, gradients=gradients, forward=forward, backward=backward))
        return y

    def unpacked_product(self, x: Tensor, weight: Tensor, stored: Format, bias: Tensor | None = None) -> Tensor:
        """
        A product with a packed weight, which is unpacked before the product and again before its derivative; neither
        the input nor the unpacked weight is kept (bitsandbytes, ``MatMul4Bit``).
        """
        x = self.cast(x, self.job.compute)
        inputs = [x, weight] if bias is None else [x, weight, self.cast(bias, x.format)]
        y = Tensor(x.rows, weight.rows, x.format, label="linear", needs_gradient=_any_needs(inputs))
        unpacked = weight.elements * ELEMENT_BYTES[x.format]
        unpack = Pointwise(read=stored.bytes(weight.elements), written=unpacked, fusible=False)
        products = self._linear_kernels(x, weight)
        self.write(
            Op(
                "linear",
                inputs,
                [y],
                gradients=[(i, "new") for i in inputs],
                workspace=unpacked,
                backward_workspaces=[unpacked],
                forward=[unpack, *products[0]],
                backward=[unpack, *products[1]],
            )
        )
        return y

    def _linear_kernels(self, x: Tensor, w: Tensor) -> tuple[list[Kernel], list[Kernel]]:
        """The product, and those for the gradients of its factors where they are needed."""
        size = ELEMENT_BYTES[x.format]
        product = Matmul(m=x.rows, n=w.rows, k=x.cols, format=x.format, element_bytes=size, out_bytes=size)
        backward: list[Kernel] = []
        if x.needs_gradient:
            backward.append(attrs.evolve(product, n=x.cols, k=w.rows))
        if w.needs_gradient:
            backward.append(attrs.evolve(product, m=w.rows, n=x.cols, k=x.rows))
        return [product], backward

    # -- attention --------------------------------------------------------------------------------------------------

    def split(self, x: Tensor, parts: int) -> list[Tensor]:
        """``chunk`` over columns: views, whose gradients are put side by side in a new tensor."""
        views = [Tensor(x.rows, x.cols / parts, x.format, storage=x.storage, needs_gradient=x.needs_gradient) for _ in range(parts)]
        self.write(Op("split", [x], views, gradients=[(x, "new")], forward=[]))
        return views

    def first_columns(self, x: Tensor, cols: Number, *, from_second_token: bool = False) -> Tensor:
        """
        A slice: a view, whose gradient is put into a new tensor of zeros as large as the whole. Rows and columns cut at
        once are no matrix any more, so that a product makes a copy.
        """
        view = Tensor(x.rows, cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("slice", [x], [view], gradients=[(x, "new")], forward=[]))
        if not from_second_token:
            return view
        y = Tensor(x.rows, cols, x.format, label="copy", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [view], [y], gradients=[(view, "new")]))
        return y

    def rotary(self, x: Tensor, *, negated_sines: bool = False) -> Tensor:
        """
        Products with tables and a concatenation. Tables are there anyway, so that nothing is kept but sines that are
        negated anew at each use.
        """
        y = self._constant_product("rotary", x, self._rotary_format)
        if negated_sines:
            op = self._last()
            sines = Tensor(
                self.job.sequence_length, self._rotary_width, self._rotary_format, label="negated sines", needs_gradient=False
            )
            op.outputs.append(sines)
            op.keeps = [sines] if op.gradients else []
        return y

    def scale(self, x: Tensor) -> Tensor:
        """A product with a number."""
        y = Tensor(x.rows, x.cols, x.format, label="scale", needs_gradient=x.needs_gradient)
        self.write(Op("scale", [x], [y], gradients=[(x, "new")]))
        return y

    def _constant_product(self, name: str, x: Tensor, table: str) -> Tensor:
        """The two halves are multiplied apart and put together: a temporary as large as the result."""
        format_ = table if ELEMENT_BYTES[table] > ELEMENT_BYTES[x.format] else x.format
        y = Tensor(x.rows, x.cols, format_, label=name, needs_gradient=x.needs_gradient)
        kernels: list[Kernel] = [Pointwise(read=3.0 * y.bytes, written=3.0 * y.bytes, launches=7.0)]
        op = Op(
            name,
            [x],
            [y],
            gradients=[(x, "new")],
            workspace=y.bytes,
            backward_workspaces=[y.bytes],
            forward=kernels,
            backward=kernels,
        )
        self.write(op)
        return y

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        ``F.scaled_dot_product_attention``, or scores made in full, under the recomputation of the core if asked for.

        Raises:
            UnsupportedError: Grouped heads in FP32, which no fused kernel of PyTorch takes.
        """
        if self.job.attention == "eager":
            with self.region("attention-core"):
                out = self._eager(q, k, v, heads)
            return self._gathered_heads(out, [q, k, v])
        with self.region("attention-core"):
            q, k, v = (self._compute(t) for t in (q, k, v))
            if q.format == "fp32":
                return self._efficient(q, k, v, heads)
            if heads.aligned:
                return self._flash(q, k, v, heads)
            wide = [self._padded(t, n) for t, n in ((q, heads.query), (k, heads.kv), (v, heads.kv))]
            padded = self._flash(wide[0], wide[1], wide[2], heads)
            out = Tensor(q.rows, q.cols, q.format, storage=padded.storage, needs_gradient=padded.needs_gradient)
            self.write(Op("slice", [padded], [out], gradients=[(padded, "new")], forward=[]))
        return out if heads.aligned else self._gathered_heads(out, [])

    def _gathered_heads(self, x: Tensor, held: list[Tensor]) -> Tensor:
        """The copy that puts a token's heads side by side; the script's variables still hold what it was made of."""
        y = Tensor(x.rows, x.cols, x.format, label="heads", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [x, *held], [y], gradients=[(x, "new")]))
        return y

    def _padded(self, x: Tensor, heads: Number) -> Tensor:
        """Heads filled up to a multiple of eight columns, as the flash kernel wants them."""
        width = ceil(x.cols / heads / 8.0) * 8.0
        y = Tensor(x.rows, heads * width, x.format, label="padding", needs_gradient=x.needs_gradient)
        self.write(Op("pad", [x], [y], gradients=[(x, "new")]))
        return y

    def _flash(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        The flash kernel. Its backward sums queries' gradients in FP32 over padded rows, and takes keys' and values'
        for each query head where they are grouped.
        """
        head_dim = q.cols / heads.query
        rows = self.job.sequences * ceil(self.job.sequence_length / 128.0) * 128.0
        step = where(head_dim <= _NARROW_HEAD, 32.0, 64.0)
        workspaces = [4.0 * rows * heads.query, 4.0 * rows * heads.query * ceil(head_dim / step) * step]
        if heads.grouped:
            workspaces += [q.bytes, q.bytes]
        return self._fused_attention(q, k, v, heads, workspaces)

    def _efficient(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """The memory-efficient kernel, which FP32 takes. Its backward sums in place."""
        if heads.grouped:
            raise UnsupportedError(
                "grouped heads in fp32",
                "PyTorch has no fused attention for them and makes the scores in full, which is modelled with "
                'attention="eager" only',
            )
        return self._fused_attention(q, k, v, heads, [4.0 * q.rows * heads.query])

    def _fused_attention(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads, workspaces: list[Number]) -> Tensor:
        """Keeps queries, keys, values, the output, the log of each row's sum and the state of the random generator."""
        out = Tensor(q.rows, q.cols, q.format, label="attention", needs_gradient=_any_needs([q, k, v]))
        sums = Tensor(q.rows, heads.query, "fp32", label="attention log-sum-exp", needs_gradient=False)
        random = [Tensor(1.0, 1.0, "int64", label="attention random state", needs_gradient=False) for _ in range(2)]
        forward = Attention(
            batch=self.job.sequences,
            query_length=self.job.sequence_length,
            key_length=self.job.sequence_length,
            heads=heads.query,
            kv_heads=heads.kv,
            head_dim=q.cols / heads.query,
            value_dim=v.cols / heads.kv,
            window=heads.window,
            format=q.format,
            element_bytes=ELEMENT_BYTES[q.format],
        )
        self.write(
            Op(
                "attention",
                [q, k, v],
                [out, sums, *random],
                keeps=[q, k, v, out, sums, *random],
                gradients=[(t, "new") for t in (q, k, v)],
                backward_workspaces=workspaces,
                forward=[forward],
                backward=[attrs.evolve(forward, backward=True)],
            )
        )
        return out

    def _eager(self, q: Tensor, k: Tensor, v: Tensor, heads: Heads) -> Tensor:
        """
        Scores in full: keys and values repeated to the queries' heads, a product, a scale, a mask, a softmax (in FP32
        under autocast), a product. A batched product wants heads as its batch, which takes a copy of what several
        sequences hold token by token. The variable ``scores`` holds the masked ones to the end.
        """
        k, v = (self._repeated(t, q) if heads.grouped else t for t in (k, v))
        q, k = self._heads_first(self._compute(q)), self._heads_first(self._compute(k), already=heads.grouped)
        row = heads.query * self.job.sequence_length
        scores = self._batched(q, k, row, heads)
        masked = self._unary("masked_fill", self._unary("scale", scores, keep="nothing"), keep="nothing")
        shares = self._compute(self._unary("softmax", self._full(masked), keep="output"))
        v = self._heads_first(self._compute(v), already=heads.grouped)
        out = self._batched(shares, v, q.cols, heads)
        self._last().inputs.append(masked)
        return out

    def _repeated(self, x: Tensor, q: Tensor) -> Tensor:
        """``repeat_interleave`` of key-value heads; its gradient is a sum over the copies."""
        y = Tensor(q.rows, q.cols, x.format, label="repeated heads", needs_gradient=x.needs_gradient)
        self.write(Op("repeat", [x], [y], gradients=[(x, "new")]))
        return y

    def _heads_first(self, x: Tensor, *, already: bool = False) -> Tensor:
        """A copy with heads before tokens; a single sequence needs none."""
        if already or self.job.single_sequence:
            return x
        y = Tensor(x.rows, x.cols, x.format, label="heads first", needs_gradient=x.needs_gradient)
        self.write(Op("copy", [x], [y], gradients=[(x, "new")]))
        return y

    def _batched(self, a: Tensor, b: Tensor, cols: Number, heads: Heads) -> Tensor:
        """``bmm`` over sequences and heads: keeps both factors."""
        y = Tensor(a.rows, cols, a.format, label="batched product", needs_gradient=_any_needs([a, b]))
        length, size = self.job.sequence_length, ELEMENT_BYTES[a.format]
        product = Matmul(
            m=length,
            n=cols / heads.query,
            k=a.cols / heads.query,
            batch=self.job.sequences * heads.query,
            format=a.format,
            element_bytes=size,
            out_bytes=size,
        )
        gradients: list[tuple[Tensor, Passing]] = [(a, "new"), (b, "new")]
        self.write(Op("bmm", [a, b], [y], keeps=[a, b], gradients=gradients, forward=[product], backward=[product, product]))
        return y

    # -- pointwise --------------------------------------------------------------------------------------------------

    def activation(self, x: Tensor, kind: Literal["gelu", "silu", "relu2", "sigmoid"]) -> Tensor:
        """One kernel that keeps its input or output; the squared ReLU is two, the power in FP32 under autocast."""
        if kind != "relu2":
            return self._unary(kind, x, keep="output" if kind == "sigmoid" else "input")
        u = self._full(self._unary("relu", x, keep="output"))
        return self._unary("pow", u, keep="input", backward_workspaces=[u.bytes, u.bytes])

    def _unary(
        self,
        name: str,
        x: Tensor,
        *,
        keep: Literal["input", "output", "nothing"],
        rows: Number | None = None,
        cols: Number | None = None,
        backward_workspaces: tuple[Number, ...] | list[Number] = (),
    ) -> Tensor:
        """A function of one tensor, and what its derivative needs."""
        y = Tensor(
            x.rows if rows is None else rows,
            x.cols if cols is None else cols,
            x.format,
            label=name,
            needs_gradient=x.needs_gradient,
        )
        keeps = {"input": [x], "output": [y], "nothing": []}[keep]
        self.write(Op(name, [x], [y], keeps=keeps, gradients=[(x, "new")], backward_workspaces=backward_workspaces))
        return y

    def plus(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A sum in the wider format: its gradient is passed on as it is where shape and format are the sum's."""
        y = Tensor(a.rows, a.cols, _wider(a, b), label="sum", needs_gradient=_any_needs([a, b]))
        first: Passing = "same" if a.format == y.format else "new"
        second: Passing = "same" if b.format == y.format and not broadcast else "new"
        self.write(Op("add", [a, b], [y], gradients=[(a, first), (b, second)]))
        return y

    def times(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A product: each factor is kept for the other; a smaller factor's gradient is a full product, then summed."""
        y = Tensor(a.rows, a.cols, _wider(a, b), label="product", needs_gradient=_any_needs([a, b]))
        keeps = [x for x, other in ((a, b), (b, a)) if other.needs_gradient]
        full = [y.bytes] if broadcast and b.needs_gradient else []
        self.write(Op("mul", [a, b], [y], keeps=keeps, gradients=[(a, "new"), (b, "new")], backward_workspaces=full))
        return y

    def scaled_by(self, x: Tensor, factor: Tensor) -> Tensor:
        """A product with a tensor of no dimensions, which does not widen the format; *x* is kept for its gradient."""
        y = Tensor(x.rows, x.cols, x.format, label="product", needs_gradient=_any_needs([x, factor]))
        keeps = [x] if factor.needs_gradient else []
        full = [y.bytes] if factor.needs_gradient else []
        gradients: list[tuple[Tensor, Passing]] = [(x, "new"), (factor, "new")]
        self.write(Op("mul", [x, factor], [y], keeps=keeps, gradients=gradients, backward_workspaces=full))
        return y

    def gated(self, x: Tensor, gate: Tensor, heads: Number) -> Tensor:  # noqa: ARG002  broadcast over a head's columns
        """A product with a gate for each head, broadcast over its columns."""
        return self.times(x, gate, broadcast=True)

    def next_to(self, x: Tensor, gate: Tensor) -> Tensor:
        """Slices one token apart, their gated sum, and a concatenation."""
        before = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        after = Tensor(x.rows, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient)
        self.write(Op("slice", [x], [before], gradients=[(x, "new")], forward=[]))
        self.write(Op("slice", [x], [after], gradients=[(x, "new")], forward=[]))
        mixed = self.plus(after, self.times(before, gate, broadcast=True))
        y = Tensor(x.rows, x.cols, x.format, label="concatenation", needs_gradient=x.needs_gradient)
        self.write(Op("cat", [mixed], [y], gradients=[(mixed, "new")]))
        return y

    # -- loss -------------------------------------------------------------------------------------------------------

    def loss(self, x: Tensor, head: Tensor, *, softcap: bool) -> None:
        """
        ``F.cross_entropy`` on FP32 logits, at once or in pieces that are recomputed.

        The script's variables hold the final norm's output, and ``logits`` until it is bound to their capped form.
        """
        x.storage.to_the_end = True
        pieces = self.job.loss_chunks
        if pieces == 1:
            self._losses.append(self._piece_of_loss(x, head, softcap=softcap))
            return
        shares = [
            Tensor(x.rows / pieces, x.cols, x.format, storage=x.storage, needs_gradient=x.needs_gradient) for _ in range(pieces)
        ]
        self.write(Op("split", [x], shares, gradients=[(x, "new")], forward=[]))
        for share in shares:
            with self.region("loss"):
                self._losses.append(self._piece_of_loss(share, head, softcap=softcap))

    def _piece_of_loss(self, x: Tensor, head: Tensor, *, softcap: bool) -> Tensor:
        z = self.cast(self.product(x, head), "fp32")
        if softcap:
            capped = self._unary("tanh", self._unary("scale", z, keep="nothing"), keep="output")
            logits, z = z, self._unary("scale", capped, keep="nothing")
            self._last().inputs.append(logits)  # the name still holds the uncapped logits while these are made
        log_probabilities = self._unary("log_softmax", z, keep="output")
        return self._unary("nll_loss", log_probabilities, keep="nothing", rows=1.0, cols=1.0)

    def _last(self) -> Op:
        items = self._items
        last = items[-1]
        if isinstance(last, Region):
            msg = "the last item is a region"
            raise TypeError(msg)
        return last


def _any_needs(tensors: list[Tensor]) -> bool:
    return any(t.needs_gradient for t in tensors)


def _wider(a: Tensor, b: Tensor) -> str:
    return a.format if ELEMENT_BYTES[a.format] >= ELEMENT_BYTES[b.format] else b.format
