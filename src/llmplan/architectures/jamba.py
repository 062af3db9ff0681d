"""Jamba: Mamba's layers with attention in every eighth, and experts in every second; no positions."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.architectures.scanning import SelectiveShape, selective_layer, selective_numbers
from llmplan.program.emit import Emitter
from llmplan.program.experts import Router
from llmplan.program.op import Tensor


@attrs.frozen(kw_only=True)
class JambaShape(MixtureShape, SelectiveShape):
    """Numbers of a Jamba: a mixture's and Mamba's."""


@attrs.frozen(kw_only=True)
class JambaLayer:
    """
    A layer.

    Attributes:
        attends: Whether it has attention; otherwise it scans.
        routed: Whether it has experts; otherwise its feed-forward half is dense.
    """

    attends: bool
    routed: bool


class Jamba(Mixture):
    """The decoder of Lieber et al., "Jamba", arXiv 2403.19887."""

    name = "jamba"
    shape_class: ClassVar[type[JambaShape]] = JambaShape
    width_key = "intermediate_size"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 65536,
        "tie_word_embeddings": False,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 262144,
        "num_experts_per_tok": 2,
        "num_experts": 16,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_dt_rank": "auto",
    }

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._numbers(read, config) | selective_numbers(read, config, "mamba_")

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"normalized": False}

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """Attention and experts by their periods and offsets."""
        config = self.completed(config)
        read = Reader(config, self.name)
        several = read.count(self.experts_key) > 1

        def every(kind: str, i: int) -> bool:
            return i % read.count(f"{kind}_layer_period") == read.count(f"{kind}_layer_offset", least=0)

        return [
            JambaLayer(attends=every("attn", i), routed=several and every("expert", i))
            for i in range(read.count("num_hidden_layers"))
        ]

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows."""
        return e.embedding(e.token_table(s))

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a JambaLayer
        """Attention or a scan, then a feed-forward half or experts, each after a norm and added to the stream."""
        if not isinstance(s, JambaShape):
            raise TypeError(type(s))
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                a = self.attention(e, s, h, windowed=False) if layer.attends else selective_layer(e, s, h, norms="weighted")
            x = e.plus(x, a)
            h = self.norm(e, x, "pre_ff_layernorm")
            return e.plus(x, self.mixture(e, s, h) if layer.routed else self.feed_forward(e, s, h))

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Without positions."""
        heads, kv_heads = s.num_attention_heads, s.num_key_value_heads
        q = e.linear(h, heads * s.head_dim, name="q_proj")
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj")
        return e.linear(e.attention(q, k, v, s.heads()), s.hidden_size, name="o_proj")

    def router(self, s: MixtureShape) -> Router:
        """A linear layer like others; scores of all experts, of which the highest are taken."""
        return Router(experts=s.num_experts, per_token=s.num_experts_per_tok, linear=True, narrowed=True, name="router")


JAMBA = Jamba()
