"""gpt-oss: attention with sinks and a window in every second layer, experts with biases and clamped gates."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.program.emit import Emitter
from llmplan.program.experts import Experts, Router
from llmplan.program.op import Tensor


class GptOss(Mixture):
    """The decoder of OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card", arXiv 2508.10925."""

    name = "gpt_oss"
    dropouts = ("attention_dropout",)
    experts_key = "num_local_experts"
    width_key = "intermediate_size"
    norm_wide = True
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 201088,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": 36,
        "head_dim": 64,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "sliding_window": 128,
        "max_position_embeddings": 131072,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "attention_bias": True,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("attention_bias", default=True)
        return super()._choices(read, config) | {"attention_bias": bias, "output_bias": bias}

    def windowed(self, config: Mapping[str, Any]) -> Sequence[bool]:
        """Every second layer, the first among them, unless config.json says otherwise."""
        return super().windowed(config) if config.get("layer_types") else [True, False]

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """Rotated halves, and scores beside which each head has a learned one that no value belongs to."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q = e.linear(h, heads * s.head_dim, name="q_proj", bias=bias)
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias)
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias)
        q, k = e.rotary_pairs(q, kind="halves"), e.rotary_pairs(k, kind="halves")
        sinks = e.weight(1.0, heads, role="scalar", name="sinks")
        a = e.sink_attention(q, k, v, s.heads(windowed=windowed), sinks=sinks)
        return e.linear(a, s.hidden_size, name="o_proj", bias=s.output_bias)

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, and tables of rotations for half of a head's columns."""
        x = e.embedding(e.token_table(s))
        e.half_rotary_table(s.head_dim)
        return x

    def router(self, s: MixtureShape) -> Router:
        """A softmax of the highest logits, in their own format."""
        return Router(experts=s.num_experts, per_token=s.num_experts_per_tok, chosen_first=True, bias=True, name="mlp.router")

    def experts(self, s: MixtureShape) -> Experts:
        """With biases, and a gate whose halves are clamped."""
        return Experts(
            intermediate_size=s.moe_intermediate_size, function="silu", gate="clamped-swiglu", bias=True, name="mlp.experts"
        )


GPT_OSS = GptOss()
