"""
Scans over tokens by the kernels that their authors give away, called one after another.

What each autograd function keeps is read from its source: ``causal_conv1d_fn`` of causal-conv1d 1.5 (input, weight,
bias: the activation is made again), ``selective_scan_fn`` and ``mamba_chunk_scan_combined`` of mamba-ssm 2.2
(``ops/selective_scan_interface.py``, ``ops/triton/ssd_combined.py``), ``chunk_gated_delta_rule`` of
flash-linear-attention (``ops/gated_delta_rule/chunk.py``). None of it is measured here.
"""

from llmplan.program.kernel import Kernel, Matmul
from llmplan.program.op import ELEMENT_BYTES, Op, Passing, Tensor
from llmplan.program.scanning import Delta, Scan
from llmplan.program.size import Number, ceil
from llmplan.runtimes.pytorch.casting import any_needs
from llmplan.runtimes.pytorch.norms import Norms
from llmplan.runtimes.pytorch.pointwise import PointwiseVerbs

#: Tokens after which the selective scan keeps its state.
_SCANNED_AT_ONCE = 2048.0
#: Tokens that the delta rule takes at once.
_DELTA_CHUNK = 64.0


class Scans(PointwiseVerbs, Norms):
    """Scans over tokens."""

    def causal_conv(self, x: Tensor, width: Number, *, bias: bool, name: str) -> Tensor:
        """``causal_conv1d_fn`` with its SiLU: keeps its input."""
        inputs = [x, self.weight(x.cols, width, role="conv", name=f"{name}.conv1d")]
        if bias:
            inputs.append(self.weight(1.0, x.cols, role="bias", name=f"{name}.conv1d.bias"))
        y = Tensor(x.rows, x.cols, x.format, label="convolution", needs_gradient=any_needs(inputs))
        self.write(Op("conv", inputs, [y], keeps=[x], gradients=[(i, "new") for i in inputs]))
        return y

    def selective_scan(self, x: Tensor, step: Tensor, b: Tensor, c: Tensor, gate: Tensor, *, name: str) -> Tensor:
        """``selective_scan_fn``: keeps all that it reads, its output before the gate, and a state every 2,048 tokens."""
        decay = self.weight(x.cols, b.cols, role="scan", name=f"{name}.A_log", format="fp32" if self._autocast else None)
        skip = self.weight(1.0, x.cols, role="scan", name=f"{name}.D")
        inputs = [x, step, b, c, gate, decay, skip]
        needs = any_needs(inputs)
        before = Tensor(x.rows, x.cols, x.format, label="scan", needs_gradient=False)
        y = Tensor(x.rows, x.cols, x.format, label="gated scan", needs_gradient=needs)
        chunks = self.job.sequences * ceil(self.job.sequence_length / _SCANNED_AT_ONCE)
        states = Tensor(chunks * x.cols, 2.0 * b.cols, "fp32", label="states", needs_gradient=False)
        gradients: list[tuple[Tensor, Passing]] = [(i, "new") for i in inputs]
        self.write(
            Op("selective_scan", inputs, [y, before, states], keeps=[x, step, b, c, gate, before, states], gradients=gradients)
        )
        return y

    def head_scan(self, x: Tensor, b: Tensor, c: Tensor, step: Tensor, scan: Scan) -> Tensor:
        """
        ``mamba_chunk_scan_combined``: keeps what it reads, its output, and the running sum of decays. Backward makes the
        chunks' states and their gradients, and the products of what is read with what was written, in FP32.
        """
        weights = [self.weight(1.0, scan.heads, role="scan", name=f"{scan.name}.{n}") for n in ("A_log", "D", "dt_bias")]
        inputs = [x, b, c, step, *weights]
        y = Tensor(x.rows, x.cols, x.format, label="scan", needs_gradient=any_needs(inputs))
        sums = Tensor(x.rows, scan.heads, "fp32", label="sums of decays", needs_gradient=False)
        states = 4.0 * self.job.sequences * ceil(self.job.sequence_length / scan.chunk) * x.cols * scan.state_size
        products = 4.0 * x.rows * scan.chunk * scan.groups
        gradients: list[tuple[Tensor, Passing]] = [(i, "new") for i in inputs]
        forward = self._scan_products(x, scan)
        self.write(
            Op(
                "head_scan",
                inputs,
                [y, sums],
                keeps=[x, b, c, step, y, sums],
                gradients=gradients,
                workspace=states + products + sums.bytes,
                backward_workspaces=[states, states, products, products, 2.0 * sums.bytes],
                forward=forward,
                backward=[*forward, *forward],
            )
        )
        return y

    def _scan_products(self, x: Tensor, scan: Scan) -> list[Kernel]:
        """What is read with what was written, within chunks; the chunks' states; and what is read from them."""
        head, chunks = x.cols / scan.heads, x.rows / scan.chunk
        size = ELEMENT_BYTES[x.format]
        length, width = scan.chunk, scan.state_size

        def product(m: Number, n: Number, k: Number, batch: Number) -> Kernel:
            return Matmul(m=m, n=n, k=k, batch=batch, format=x.format, element_bytes=size, out_bytes=size)

        return [
            product(length, length, width, chunks * scan.groups),
            product(length, head, length, chunks * scan.heads),
            product(width, head, length, chunks * scan.heads),
            product(length, head, width, chunks * scan.heads),
        ]

    def gated_norm(self, x: Tensor, gate: Tensor, weights: Number, *, rows: Number, gate_first: bool, name: str) -> Tensor:
        """``RMSNormGated``: one kernel that keeps both inputs and the root of each row or group."""
        del gate_first  # one kernel either way
        weight = self.weight(1.0, weights, role="norm", name=name)
        inputs = [x, gate, weight]
        y = Tensor(x.rows, x.cols, x.format, label="gated norm", needs_gradient=any_needs(inputs))
        kept = Tensor(x.rows * rows, 1.0, "fp32", label="gated norm statistics", needs_gradient=False)
        self.write(Op("gated_norm", inputs, [y, kept], keeps=[x, gate, kept], gradients=[(i, "new") for i in inputs]))
        return y

    def delta_rule(self, q: Tensor, k: Tensor, v: Tensor, decay: Tensor, beta: Tensor, *, delta: Delta) -> Tensor:
        """
        ``chunk_gated_delta_rule``: keeps normed queries and keys and their roots, values, running sums of decays, and a
        triangle for each chunk of 64 tokens. Backward makes states, and values and keys as they are written, again.
        """
        weights = [self.weight(1.0, delta.value_heads, role="scan", name=f"{delta.name}.{n}") for n in ("A_log", "dt_bias")]
        written = self._unary("sigmoid", beta, keep="output")
        inputs = [q, k, v, decay, written, *weights]
        y = Tensor(v.rows, v.cols, v.format, label="delta rule", needs_gradient=any_needs(inputs))
        normed = [Tensor(t.rows, t.cols, t.format, label="normed heads", needs_gradient=False) for t in (q, k)]
        roots = [Tensor(t.rows, delta.key_heads, "fp32", label="roots", needs_gradient=False) for t in (q, k)]
        sums = Tensor(v.rows, delta.value_heads, "fp32", label="sums of decays", needs_gradient=False)
        triangles = Tensor(v.rows, delta.value_heads * _DELTA_CHUNK, v.format, label="triangles", needs_gradient=False)
        kept = [*normed, *roots, v, decay, written, sums, triangles]
        states = v.rows / _DELTA_CHUNK * v.cols * q.cols / delta.key_heads * ELEMENT_BYTES[v.format]
        spread = v.rows * delta.value_heads * q.cols / delta.key_heads * ELEMENT_BYTES[v.format]
        gradients: list[tuple[Tensor, Passing]] = [(i, "new") for i in inputs]
        self.write(
            Op(
                "delta_rule",
                inputs,
                [y, *normed, *roots, sums, triangles],
                keeps=kept,
                gradients=gradients,
                workspace=states + 2.0 * v.bytes + spread,
                backward_workspaces=[states, states, v.bytes, v.bytes, v.bytes, spread, spread],
            )
        )
        return y
