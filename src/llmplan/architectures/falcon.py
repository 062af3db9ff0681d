"""Falcon: attention and feed-forward side by side, each group's keys and values beside its queries in one product."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape, own
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter, Heads
from llmplan.program.op import Tensor


@attrs.frozen(kw_only=True)
class FalconShape(DecoderShape):
    """
    Numbers of a Falcon.

    Attributes:
        parallel: Whether the halves stand side by side.
        two_norms: Whether each of them then has a norm of its own.
    """

    parallel: bool
    two_norms: bool

    def heads(self, *, windowed: bool = False) -> Heads:
        """The heads of a layer's attention: a group's keys and values lie beside its queries."""
        return attrs.evolve(super().heads(windowed=windowed), beside_queries=True, narrow_softmax=True)


class Falcon(Decoder):
    """The decoder of Almazrouei et al., "The Falcon Series of Open Language Models", arXiv 2311.16867."""

    name = "falcon"
    shape_class = FalconShape
    cut = ()  # one head of keys and values cannot be shared out
    dropouts = ("attention_dropout", "hidden_dropout")
    functions = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")
    function_key = "activation"
    hidden_dropout_key = "hidden_dropout"
    norm_kind = "layer"
    gated = False
    spellings: ClassVar[dict[str, str]] = {"ffn_hidden_size": "intermediate_size", "n_embed": "hidden_size"}
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 65024,
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "max_position_embeddings": 2048,
        "new_decoder_architecture": False,
        "multi_query": True,
        "parallel_attn": True,
        "tie_word_embeddings": True,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Heads of keys and values as the generation has them, and four times the width between the two matrices."""
        found = super().completed(config)
        heads, width = found.get("num_attention_heads"), found.get("hidden_size")
        grouped = found.get("num_kv_heads") if found.get("new_decoder_architecture") else None
        single = found.get("multi_query") and not found.get("new_decoder_architecture")
        found["num_key_value_heads"] = 1 if single else grouped or heads
        if found.get("intermediate_size") is None and isinstance(width, int):
            found["intermediate_size"] = 4 * width
        return found

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if read.flag("alibi", default=False):
            raise UnsupportedError("linear biases on the scores", "only rotary positions are modelled @ alibi")
        bias = read.flag("bias", default=False)
        newer, parallel = read.flag("new_decoder_architecture", default=False), read.flag("parallel_attn", default=True)
        norms = read.count("num_ln_in_parallel_attn", 2 if newer else 1)
        return super()._choices(read, config) | {
            "attention_bias": bias,
            "output_bias": bias,
            "mlp_bias": bias,
            "parallel": parallel,
            "two_norms": parallel and norms > 1,
        }

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Both halves normed together or each on its own, side by side or one after the other."""
        s = own(FalconShape, s)
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "ln_attn" if s.two_norms else "input_layernorm")
                a = self.attention(e, s, h, windowed=False)
            if s.two_norms:
                h = self.norm(e, x, "ln_mlp")
            if s.parallel:
                return e.plus(x, self.added(e, s, e.plus(self.feed_forward(e, s, h), a)))
            x = e.plus(x, e.dropout(a, s.attention_dropout))
            h = self.norm(e, x, "post_attention_layernorm")
            return e.plus(x, self.added(e, s, self.feed_forward(e, s, h)))

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Queries, keys and values are slices of one product."""
        wide, narrow = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
        qkv = e.linear(h, wide + 2.0 * narrow, name="query_key_value", bias=s.attention_bias)
        q, k, v = (e.columns(qkv, width) for width in (wide, narrow, narrow))
        q, k = self.rotated(e, s, q, k)
        return e.linear(e.attention(q, k, v, s.heads()), s.hidden_size, name="dense", bias=s.output_bias)


FALCON = Falcon()
