"""OLMo: Llama's decoder with layer norms that have no weights, and queries, keys and values that may be clipped."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape, own
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor

#: What the configuration classes of OLMo and OLMo 2 assume.
CORE: dict[str, Any] = {
    "vocab_size": 50304,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}


@attrs.frozen(kw_only=True)
class OlmoShape(DecoderShape):
    """
    Numbers of an OLMo.

    Attributes:
        clips: Whether queries, keys and values are clipped.
    """

    clips: bool


class Olmo(Decoder):
    """The decoder of Groeneveld et al., "OLMo: Accelerating the Science of Language Models", arXiv 2402.00838."""

    name = "olmo"
    shape_class = OlmoShape
    dropouts = ("attention_dropout",)
    norm_kind = "layer"
    norm_weighted = False
    norm_wide = True
    rotation = Rotation(narrowed=True)
    core: ClassVar[dict[str, Any]] = CORE
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048}

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"clips": config.get("clip_qkv") is not None}

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """As Llama's, each product clipped where the model does so."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        named = ((heads, "q_proj"), (kv_heads, "k_proj"), (kv_heads, "v_proj"))
        q, k, v = (e.linear(h, n * s.head_dim, name=name, bias=bias, split="column", joined="qkv") for n, name in named)
        if own(OlmoShape, s).clips:
            q, k, v = (e.clipped(t) for t in (q, k, v))
        q, k = self.rotated(e, s, q, k, windowed=windowed)
        a = e.attention(q, k, v, s.heads(windowed=windowed))
        return e.linear(a, s.hidden_size, name="o_proj", bias=s.output_bias, split="row")

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows; rotations' tables are in FP32."""
        x = e.embedding(e.token_table(s))
        e.rotary_table(s.rotary_dim, "fp32")
        return x


OLMO = Olmo()
