"""
Layers that carry a state from token to token: Mamba's, Mamba-2's, and the gated delta rule's, as decoders share them.

A family's shape has the numbers of its layer beside its own; the functions here say the layer to an emitter.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from llmplan.architectures.architecture import Reader, Shape
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.scanning import Delta, Scan
from llmplan.program.size import Number


@attrs.frozen(kw_only=True, slots=False)
class SelectiveShape(Shape):
    """
    Numbers of Mamba's layer.

    Attributes:
        inner_size: Columns that are scanned.
        state_size: Elements of each column's state.
        conv_kernel: Tokens that the convolution looks at.
        time_step_rank: Columns that steps are made of.
        conv_bias, proj_bias: Whether the convolution has a bias; the matrices in and out.
    """

    inner_size: Number
    state_size: Number
    conv_kernel: Number
    time_step_rank: Number
    conv_bias: bool
    proj_bias: bool


@attrs.frozen(kw_only=True, slots=False)
class HeadScanShape(Shape):
    """
    Numbers of Mamba-2's layer.

    Attributes:
        inner_size: Columns that are scanned.
        state_size: Columns of a head's state beside those of the head.
        mamba_heads: Heads.
        mamba_groups: Groups of heads that share what is written and read.
        conv_kernel: Tokens that the convolution looks at.
        chunk_size: Tokens that are taken at once.
        norm_groups: Groups of columns that the gated norm goes over one by one.
        conv_bias, proj_bias, out_bias: Whether the convolution has a bias; the matrix in; the matrix out.
        gated_normed: Whether a norm follows, with a gate.
    """

    inner_size: Number
    state_size: Number
    mamba_heads: Number
    mamba_groups: Number
    conv_kernel: Number
    chunk_size: Number
    norm_groups: Number
    conv_bias: bool
    proj_bias: bool
    out_bias: bool
    gated_normed: bool = True


def selective_layer(e: Emitter, s: SelectiveShape, h: Tensor, *, norms: str = "") -> Tensor:
    """
    Mamba's layer (arXiv 2312.00752, section 3.4).

    Args:
        e: Whom it is said to.
        s: Its numbers.
        h: What it reads.
        norms: Of steps, what is written and what is read: "weighted", "bare" (after steps have been widened) or "".
    """
    x, gate = e.split(e.linear(h, 2.0 * s.inner_size, name="in_proj", bias=s.proj_bias), 2)
    x = e.causal_conv(x, s.conv_kernel, bias=s.conv_bias, name="mixer")
    three = e.linear(x, s.time_step_rank + 2.0 * s.state_size, name="x_proj")
    step, b, c = e.split(three, [s.time_step_rank, s.state_size, s.state_size])
    if norms == "weighted":
        step = e.norm(step, "rms", weighted=True, name="dt_layernorm")
    if norms:
        weighted = norms == "weighted"
        b = e.norm(b, "rms", weighted=weighted, name="b_layernorm")
        c = e.norm(c, "rms", weighted=weighted, name="c_layernorm")
    step = e.linear(step, s.inner_size, name="dt_proj", bias=True)
    if norms == "bare":
        step = e.norm(step, "rms", weighted=False, name="dt_layernorm")
    y = e.selective_scan(x, step, b, c, gate, name="mixer")
    return e.linear(y, s.hidden_size, name="out_proj", bias=s.proj_bias)


def head_scan_layer(e: Emitter, s: HeadScanShape, h: Tensor, *, gate_first: bool = True) -> Tensor:
    """
    Mamba-2's layer (arXiv 2405.21060, section 7): one matrix makes the gate, what is convolved, and the steps.

    Args:
        e: Whom it is said to.
        s: Its numbers.
        h: What it reads.
        gate_first: Whether the gate comes before the norm.
    """
    shared = s.mamba_groups * s.state_size
    convolved = s.inner_size + 2.0 * shared
    whole = e.linear(h, s.inner_size + convolved + s.mamba_heads, name="in_proj", bias=s.proj_bias)
    gate, x, step = e.split(whole, [s.inner_size, convolved, s.mamba_heads])
    x = e.causal_conv(x, s.conv_kernel, bias=s.conv_bias, name="mixer")
    x, b, c = e.split(x, [s.inner_size, shared, shared])
    scan = Scan(heads=s.mamba_heads, state_size=s.state_size, groups=s.mamba_groups, chunk=s.chunk_size)
    y = e.head_scan(x, b, c, step, scan)
    if s.gated_normed:
        y = e.gated_norm(y, gate, s.inner_size, rows=s.norm_groups, gate_first=gate_first, name="mixer.norm")
    else:
        y = e.times(y, e.activation(gate, "silu"))
    return e.linear(y, s.hidden_size, name="out_proj", bias=s.out_bias)


@attrs.frozen(kw_only=True, slots=False)
class DeltaShape(Shape):
    """
    Numbers of a layer with the gated delta rule.

    Attributes:
        delta_key_heads, delta_value_heads: Heads of queries and keys; of values.
        delta_key_dim, delta_value_dim: Columns of a head of them.
        conv_kernel: Tokens that the convolution looks at.
    """

    delta_key_heads: Number
    delta_value_heads: Number
    delta_key_dim: Number
    delta_value_dim: Number
    conv_kernel: Number


def delta_layer(e: Emitter, s: DeltaShape, h: Tensor) -> Tensor:
    """A gated delta net (arXiv 2412.06464, section 3.4)."""
    keys, values = s.delta_key_heads * s.delta_key_dim, s.delta_value_heads * s.delta_value_dim
    mixed, gate = e.split(e.linear(h, 2.0 * keys + 2.0 * values, name="in_proj_qkvz"), [2.0 * keys + values, values])
    beta, decay = e.split(e.linear(h, 2.0 * s.delta_value_heads, name="in_proj_ba"), 2)
    mixed = e.causal_conv(mixed, s.conv_kernel, bias=False, name="linear_attn")
    q, k, v = e.split(mixed, [keys, keys, values])
    y = e.delta_rule(q, k, v, decay, beta, delta=Delta(key_heads=s.delta_key_heads, value_heads=s.delta_value_heads))
    y = e.gated_norm(y, gate, s.delta_value_dim, rows=s.delta_value_heads, gate_first=False, name="linear_attn.norm")
    return e.linear(y, s.hidden_size, name="out_proj")


def selective_numbers(read: Reader, config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """
    Mamba's numbers of a configuration.

    Args:
        read: Reads it and gathers its faults.
        config: It.
        prefix: What a hybrid's configuration puts before the names; then the state and the convolution are called
            ``d_state`` and ``d_conv``.
    """
    width = read.count("hidden_size")
    rank = config.get(f"{prefix}dt_rank" if prefix else "time_step_rank", "auto")
    key = f"{prefix}dt_rank" if prefix else "time_step_rank"
    inner = "intermediate_size" if not prefix and config.get("intermediate_size") is not None else None
    return {
        "inner_size": read.count(inner) if inner else read.count(f"{prefix}expand") * width,
        "state_size": read.count(f"{prefix}d_state" if prefix else "state_size"),
        "conv_kernel": read.count(f"{prefix}d_conv" if prefix else "conv_kernel"),
        "time_step_rank": -(-width // 16) if rank == "auto" else read.count(key),
        "conv_bias": read.flag(f"{prefix}conv_bias" if prefix else "use_conv_bias", default=True),
        "proj_bias": read.flag(f"{prefix}proj_bias" if prefix else "use_bias", default=False),
    }


def head_scan_numbers(read: Reader, prefix: str, *, inner: int, groups: str, heads: str) -> dict[str, Any]:
    """
    Mamba-2's numbers of a hybrid's configuration.

    Args:
        read: Reads it and gathers its faults.
        prefix: What it puts before the names of the state and the convolution.
        inner: Columns that are scanned.
        groups, heads: Where it has the number of groups; of heads.
    """
    return {
        "inner_size": inner,
        "state_size": read.count(f"{prefix}d_state"),
        "conv_kernel": read.count(f"{prefix}d_conv"),
        "mamba_heads": read.count(heads),
        "mamba_groups": read.count(groups),
        "norm_groups": read.count(groups),
    }
