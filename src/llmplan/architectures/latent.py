"""
Multi-head latent attention: keys and values made of a narrow latent, and one rotated key that all heads share.

DeepSeek-AI, "DeepSeek-V2", arXiv 2405.04434, section 2.1. In training the latent is expanded to a key and a value for
each head, whose widths differ.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader, aligned
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.program.emit import Emitter, Heads
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class LatentShape(MixtureShape):
    """
    Numbers of a decoder with latent attention.

    Attributes:
        q_lora_rank, kv_lora_rank: Columns of the latent that queries are made of, 0 where there is none; of that of keys
            and values.
        qk_nope_head_dim, qk_rope_head_dim: Columns of a head of queries and keys that are not rotated; that are.
        v_head_dim: Columns of a head of values.
        queries_by_latent: Whether queries are made of a latent.
        uneven: Whether a head of values is not as wide as one of queries.
        groups: Whether the router chooses groups of experts first.
    """

    q_lora_rank: Number
    kv_lora_rank: Number
    qk_nope_head_dim: Number
    qk_rope_head_dim: Number
    v_head_dim: Number
    queries_by_latent: bool
    uneven: bool
    groups: bool

    def heads(self, *, windowed: bool = False) -> Heads:
        """The heads of a layer's attention: values are of a width of their own."""
        return attrs.evolve(super().heads(windowed=windowed), value_dim=self.v_head_dim if self.uneven else None)


class LatentDecoder(Mixture):
    """
    A mixture with latent attention.

    Attributes:
        complex_rotation: Whether neighbouring columns are rotated as complex numbers.
    """

    shape_class: ClassVar[type[LatentShape]] = LatentShape
    experts_key = "n_routed_experts"
    complex_rotation: ClassVar[bool] = False

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Queries have no latent where config.json says null; a head's width is that of its rotated part there."""
        found = super().completed(config)
        if "q_lora_rank" in config and config["q_lora_rank"] is None:
            found.pop("q_lora_rank", None)
        found["head_dim"] = found.get("qk_rope_head_dim")
        return found

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        nope, rope, value = (read.count(key) for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
        heads = read.count("num_attention_heads")
        return super()._numbers(read, config) | {
            "q_lora_rank": read.count("q_lora_rank", 0, least=0),
            "kv_lora_rank": read.count("kv_lora_rank"),
            "qk_nope_head_dim": nope,
            "qk_rope_head_dim": rope,
            "v_head_dim": value,
            "num_key_value_heads": heads,
            "rotary_dim": rope,
            "head_dim": nope + rope,
            "uneven": value != nope + rope,
            "grouped": False,
            "partial": False,
            "aligned": aligned(nope + rope) and aligned(value),
        }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"queries_by_latent": bool(config.get("q_lora_rank"))}

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, and the tables of rotations."""
        x = e.embedding(e.token_table(s))
        if self.complex_rotation:
            e.complex_rotary_table(s.rotary_dim)
        else:
            e.rotary_table(s.rotary_dim)
        return x

    def shared_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002
        """As wide as ``n_shared_experts`` experts side by side."""
        return read.count("moe_intermediate_size") * read.count("n_shared_experts", 0, least=0)

    def routed(self, config: Mapping[str, Any], count: int) -> list[bool]:
        """Layers from ``first_k_dense_replace`` on."""
        first = Reader(config, self.name).count("first_k_dense_replace", 0, least=0)
        return [i >= first for i in range(count)]

    def mixture(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The routed experts, and the sum of them and the shared ones."""
        routed = super().mixture(e, s, h)
        return e.plus(routed, self.shared_expert(e, s, h)) if s.with_shared else routed

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Queries and the key that heads share are rotated in part; keys and values are expanded from the latent."""
        if not isinstance(s, LatentShape):
            raise TypeError(type(s))
        heads = s.num_attention_heads
        q = self.queries(e, s, h)
        passed, turned = e.split_heads(q, heads, [s.qk_nope_head_dim, s.qk_rope_head_dim])
        both = e.linear(h, s.kv_lora_rank + s.qk_rope_head_dim, name="kv_a_proj_with_mqa", bias=s.attention_bias)
        latent, shared = e.split(both, [s.kv_lora_rank, s.qk_rope_head_dim])
        latent = self.norm(e, latent, "kv_a_layernorm")
        turned = e.rotary_pairs(turned, kind="complex" if self.complex_rotation else "neighbours")
        shared = e.rotary_pairs(shared, kind="complex" if self.complex_rotation else "neighbours")
        q = e.beside(passed, turned)
        expanded = e.linear(latent, heads * (s.qk_nope_head_dim + s.v_head_dim), name="kv_b_proj")
        k, v = e.split_heads(expanded, heads, [s.qk_nope_head_dim, s.v_head_dim])
        k = e.beside_shared(k, shared, heads)
        a = e.attention(q, k, v, s.heads())
        return e.linear(a, s.hidden_size, name="o_proj", bias=s.attention_bias)

    def queries(self, e: Emitter, s: LatentShape, h: Tensor) -> Tensor:
        """Queries of all heads, by way of a latent that is normed, or at once."""
        cols = s.num_attention_heads * s.head_dim
        if not s.queries_by_latent:
            return e.linear(h, cols, name="q_proj")
        latent = e.linear(h, s.q_lora_rank, name="q_a_proj", bias=s.attention_bias)
        return e.linear(self.norm(e, latent, "q_a_layernorm"), cols, name="q_b_proj")
