"""Qwen3-Next: three layers with the gated delta rule to one of gated attention, and narrow experts in each."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.mixture import MixtureShape
from llmplan.architectures.qwen2_moe import SharedGateMixture
from llmplan.architectures.scanning import DeltaShape, delta_layer
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


@attrs.frozen(kw_only=True)
class Qwen3NextShape(MixtureShape, DeltaShape):
    """Numbers of a Qwen3-Next: a mixture's and the delta rule's."""


@attrs.frozen(kw_only=True)
class Qwen3NextLayer:
    """
    A layer.

    Attributes:
        attends: Whether it has attention; otherwise the delta rule.
        routed: Whether it has experts; otherwise its feed-forward half is dense.
    """

    attends: bool
    routed: bool


class Qwen3Next(SharedGateMixture):
    """The decoder of Qwen3-Next-80B-A3B (Qwen, 2025), with Gated DeltaNet, arXiv 2412.06464."""

    name = "qwen3_next"
    shape_class: ClassVar[type[Qwen3NextShape]] = Qwen3NextShape
    norm_offset = True
    norm_wide = True
    qk_norm = True
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "partial_rotary_factor": 0.25,
        "head_dim": 256,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "num_experts_per_tok": 10,
        "num_experts": 512,
        "norm_topk_prob": True,
    }

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._numbers(read, config) | {
            "delta_key_heads": read.count("linear_num_key_heads"),
            "delta_value_heads": read.count("linear_num_value_heads"),
            "delta_key_dim": read.count("linear_key_head_dim"),
            "delta_value_dim": read.count("linear_value_head_dim"),
            "conv_kernel": read.count("linear_conv_kernel_dim"),
        }

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """By ``layer_types``, or attention in every fourth; experts by ``decoder_sparse_step``."""
        config = self.completed(config)
        count = Reader(config, self.name).count("num_hidden_layers")
        interval = Reader(config, self.name).count("full_attention_interval", 4)
        types = config.get("layer_types")
        attends = [t == "full_attention" for t in types] if types else [(i + 1) % interval == 0 for i in range(count)]
        routed = self.routed(config, count)
        return [Qwen3NextLayer(attends=a, routed=r) for a, r in zip(attends, routed, strict=False)]

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a Qwen3NextLayer
        """Attention or the delta rule, then experts, each after a norm and added to the stream."""
        if not isinstance(s, Qwen3NextShape):
            raise TypeError(type(s))
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                a = self.attention(e, s, h, windowed=False) if layer.attends else delta_layer(e, s, h)
            x = e.plus(x, a)
            h = self.norm(e, x, "post_attention_layernorm")
            return e.plus(x, self.mixture(e, s, h) if layer.routed else self.feed_forward(e, s, h))

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Queries and a gate for what comes out are one product, head by head."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q, gate = e.split(e.linear(h, 2.0 * heads * s.head_dim, name="q_proj", bias=bias), 2)
        q = self._head_norm(e, q, heads, "q_norm")
        k = self._head_norm(e, e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias), kv_heads, "k_norm")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias)
        q, k = self.rotated(e, s, q, k)
        a = e.times(e.attention(q, k, v, s.heads()), e.activation(gate, "sigmoid"))
        return e.linear(a, s.hidden_size, name="o_proj", bias=bias)


QWEN3_NEXT = Qwen3Next()
