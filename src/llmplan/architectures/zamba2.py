"""Zamba2: Mamba-2's layers, before some of which a shared block of attention and feed-forward looks at the embedding too."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.architectures.scanning import HeadScanShape, head_scan_layer, head_scan_numbers
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.size import Number

#: Where Zamba2's own configuration class puts hybrid layers.
_HYBRID = (6, 12, 18, 24, 30, 36, 42, 47, 51)


@attrs.frozen(kw_only=True)
class Zamba2Shape(DecoderShape, HeadScanShape):
    """
    Numbers of a Zamba2: a decoder's and Mamba-2's.

    Attributes:
        adapter_rank: Columns between the matrices that each use of a shared block has of its own.
        rotated: Whether the shared block rotates queries and keys.
    """

    adapter_rank: Number
    rotated: bool


class Zamba2(Decoder):
    """The decoder of Glorioso et al., "The Zamba2 Suite", arXiv 2411.15242."""

    name = "zamba2"
    dropouts = ("attention_dropout",)
    cut = ()
    streams_alone = False
    shape_class: ClassVar[type[Zamba2Shape]] = Zamba2Shape
    functions = ("gelu", "silu")
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 2560,
        "num_hidden_layers": 54,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
        "mamba_d_state": 64,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_ngroups": 1,
        "n_mamba_heads": 8,
        "chunk_size": 256,
        "num_mem_blocks": 1,
        "adapter_rank": 128,
        "tie_word_embeddings": True,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Widths that follow from the stream's: of a head, twice its share; of the feed-forward half, four times."""
        found = super().completed(config)
        width, heads = found.get("hidden_size"), found.get("num_attention_heads")
        if isinstance(width, int) and isinstance(heads, int) and heads > 0:
            found.setdefault("intermediate_size", 4 * width)
            found["head_dim"] = found.get("attention_head_dim") or 2 * width // heads
        return found

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if config.get("use_shared_attention_adapter"):
            raise UnsupportedError("adapters of a shared attention", "use_shared_attention_adapter is not modelled")
        inner = read.count("mamba_expand") * read.count("hidden_size")
        found = head_scan_numbers(read, "mamba_", inner=inner, groups="mamba_ngroups", heads="n_mamba_heads")
        rest = {"chunk_size": read.count("chunk_size"), "adapter_rank": read.count("adapter_rank")}
        return super()._numbers(read, config) | found | rest

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("add_bias_linear", default=False)
        return super()._choices(read, config) | {
            "mlp_bias": bias,
            "conv_bias": True,
            "proj_bias": bias,
            "out_bias": bias,
            "rotated": read.flag("use_mem_rope", default=False),
        }

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """For each layer which shared block comes before it, or -1 for none."""
        config = self.completed(config)
        read = Reader(config, self.name)
        count, blocks = read.count("num_hidden_layers"), read.count("num_mem_blocks")
        types = config.get("layers_block_type") or config.get("layer_types")
        hybrid = [t == "hybrid" for t in types] if types else [i in _HYBRID for i in range(count)]
        return [sum(hybrid[:i]) % blocks if hybrid[i] else -1 for i in range(len(hybrid))]

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, which the shared blocks look at too."""
        x = super().embed(e, s) if isinstance(s, Zamba2Shape) and s.rotated else e.embedding(e.token_table(s))
        e.remember("embedding", x)
        return x

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a shared block or -1
        """A scan after a norm, added to the stream; what a shared block makes is added to what is scanned."""
        if not isinstance(s, Zamba2Shape):
            raise TypeError(type(s))
        with e.region("block"):
            h = x
            if layer >= 0:
                h = e.plus(x, e.linear(self._shared(e, s, x, f"block {layer}"), s.hidden_size, name="linear"))
            return e.plus(x, head_scan_layer(e, s, self.norm(e, h, "mamba.input_layernorm")))

    def _shared(self, e: Emitter, s: Zamba2Shape, x: Tensor, block: str) -> Tensor:
        """Attention to the stream and the embedding side by side, and a gated feed-forward half with an adapter."""
        heads, kv_heads = s.num_attention_heads, s.num_key_value_heads
        with e.shared_weights(block):
            h = self.norm(e, e.beside(x, e.recall("embedding")), "input_layernorm")
            q = e.linear(h, heads * s.head_dim, name="q_proj")
            k = e.linear(h, kv_heads * s.head_dim, name="k_proj")
            v = e.linear(h, kv_heads * s.head_dim, name="v_proj")
            if s.rotated:
                q, k = self.rotated(e, s, q, k)
            h = e.linear(e.attention(q, k, v, s.heads()), s.hidden_size, name="o_proj")
            h = self.norm(e, h, "pre_ff_layernorm")
            both = e.linear(h, 2.0 * s.intermediate_size, name="gate_up_proj", bias=s.mlp_bias)
        own = e.linear(e.linear(h, s.adapter_rank, name="adapter.0"), 2.0 * s.intermediate_size, name="adapter.1")
        gate, up = e.split(e.plus(both, own), 2)
        with e.shared_weights(block):
            return e.linear(e.times(e.activation(gate, s.function), up), s.hidden_size, name="down_proj", bias=s.mlp_bias)


ZAMBA2 = Zamba2()
