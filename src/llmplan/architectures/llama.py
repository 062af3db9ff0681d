"""Llama: rotary positions, RMS norms, grouped query heads, SwiGLU, a head of its own or the embedding's table."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs

from llmplan.architectures.architecture import Architecture, Reader, Shape, aligned
from llmplan.program.emit import Emitter, Heads
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class LlamaShape(Shape):
    """
    Numbers of a Llama.

    Attributes:
        num_attention_heads, num_key_value_heads: Heads of queries; of keys and values.
        head_dim: Columns of a head.
        intermediate_size: Columns between the matrices of a feed-forward half.
        grouped: Whether a key-value head serves several query heads.
        aligned: Whether a head's columns are a multiple of eight.
        tied: Whether the head is the embedding's table.
        attention_bias, mlp_bias: Whether the matrices of the two halves have biases.
    """

    num_attention_heads: Number
    num_key_value_heads: Number
    head_dim: Number
    intermediate_size: Number
    grouped: bool
    aligned: bool
    tied: bool
    attention_bias: bool
    mlp_bias: bool


class Llama(Architecture[LlamaShape]):
    """
    The decoder of Touvron et al., "LLaMA", arXiv 2302.13971, with grouped queries (arXiv 2307.09288).

    Example:
        >>> config = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        ...           "intermediate_size": 14336, "num_hidden_layers": 32}
        >>> Llama().shape(config).head_dim
        128
    """

    name = "llama"
    dropouts = ("attention_dropout",)

    def shape(self, config: Mapping[str, Any]) -> LlamaShape:
        """Read ``hidden_size``, ``num_attention_heads``, ``num_key_value_heads``, ``head_dim`` and the like."""
        read = Reader(config, self.name)
        width, heads = read.count("hidden_size"), read.count("num_attention_heads")
        kv_heads = read.count("num_key_value_heads", heads)
        if "head_dim" not in config:
            read.must("num_attention_heads", width % heads == 0, f"{heads} heads do not divide hidden_size {width}")
        read.must("num_key_value_heads", heads % kv_heads == 0, f"{kv_heads} do not divide {heads} query heads")
        head_dim = read.count("head_dim", max(width // heads, 1))
        read.must("head_dim", head_dim % 2 == 0, f"rotary positions need an even width, got {head_dim}")
        read.count("num_hidden_layers")
        read.choice("hidden_act", ["silu"], "silu")
        shape = LlamaShape(
            hidden_size=width,
            vocab_size=read.count("vocab_size"),
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=head_dim,
            intermediate_size=read.count("intermediate_size"),
            grouped=kv_heads != heads,
            aligned=aligned(head_dim),
            tied=read.flag("tie_word_embeddings", default=False),
            attention_bias=read.flag("attention_bias", default=False),
            mlp_bias=read.flag("mlp_bias", default=False),
        )
        read.done()
        return shape

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(config, self.name).count("num_hidden_layers")

    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """``max_position_embeddings``."""
        return Reader(config, self.name).count("max_position_embeddings", 2048)

    def embed(self, e: Emitter, s: LlamaShape) -> Tensor:
        """Tokens' rows."""
        e.rotary_table(s.head_dim)
        return e.embedding(e.token_table(s))

    def block(self, e: Emitter, s: LlamaShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Attention and feed-forward, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self._attention(e, s, e.norm(x, "rms", weighted=True, name="input_layernorm"))
            x = e.plus(x, a)
            h = e.norm(x, "rms", weighted=True, name="post_attention_layernorm")
            gate = e.activation(e.linear(h, s.intermediate_size, name="gate_proj", bias=s.mlp_bias), "silu")
            h = e.times(gate, e.linear(h, s.intermediate_size, name="up_proj", bias=s.mlp_bias))
            return e.plus(x, e.linear(h, s.hidden_size, name="down_proj", bias=s.mlp_bias))

    def _attention(self, e: Emitter, s: LlamaShape, h: Tensor) -> Tensor:
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q = e.linear(h, heads * s.head_dim, name="q_proj", bias=bias)
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias)
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias)
        q, k = e.rotary(q), e.rotary(k)
        a = e.attention(q, k, v, Heads(query=heads, kv=kv_heads, grouped=s.grouped, aligned=s.aligned))
        return e.linear(a, s.hidden_size, name="o_proj", bias=bias)

    def head(self, e: Emitter, s: LlamaShape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = e.norm(x, "rms", weighted=True, name="final norm")
        e.loss(x, e.head_weight(s, tied=s.tied), softcap=False)


LLAMA = Llama()
