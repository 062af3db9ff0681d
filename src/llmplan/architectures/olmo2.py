"""OLMo 2: norms of what each half adds and none of what it reads, and of queries and keys over all heads at once."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.architectures.olmo import CORE
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class Olmo2(Decoder):
    """The decoder of "2 OLMo 2 Furious", arXiv 2501.00656."""

    name = "olmo2"
    dropouts = ("attention_dropout",)
    norm_wide = True
    rotation = Rotation(narrowed=True)
    core: ClassVar[dict[str, Any]] = CORE
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048}

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows; rotations' tables are in FP32."""
        x = e.embedding(e.token_table(s))
        e.rotary_table(s.rotary_dim, "fp32")
        return x

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it has a window
        """Attention and feed-forward, each normed before it is added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self.norm(e, self.attention(e, s, x, windowed=layer), "post_attention_layernorm")
            x = e.plus(x, a)
            return e.plus(x, self.norm(e, self.feed_forward(e, s, x), "post_feedforward_layernorm"))

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """As Llama's, with norms over all columns of queries and of keys."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q = e.linear(h, heads * s.head_dim, name="q_proj", bias=bias, split="column", joined="qkv")
        q = self.norm(e, q, "q_norm")
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias, split="column", joined="qkv")
        k = self.norm(e, k, "k_norm")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias, split="column", joined="qkv")
        q, k = self.rotated(e, s, q, k, windowed=windowed)
        a = e.attention(q, k, v, s.heads(windowed=windowed))
        return e.linear(a, s.hidden_size, name="o_proj", bias=s.output_bias, split="row")


OLMO2 = Olmo2()
