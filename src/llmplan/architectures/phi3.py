"""Phi 3 and 4: Llama's decoder with one matrix for queries, keys and values, and one for the gate and what it multiplies."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class Phi3(Decoder):
    """The decoder of "Phi-3 Technical Report", arXiv 2404.14219, and of Phi-4 (arXiv 2412.08905)."""

    name = "phi3"
    dropouts = ("attention_dropout", "resid_pdrop")
    hidden_dropout_key = "resid_pdrop"
    rotation = Rotation(cut=True)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 32064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 4096}

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """Queries, keys and values are slices of one product."""
        wide, narrow = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
        qkv = e.linear(h, wide + 2.0 * narrow, name="qkv_proj", split="column")
        q, k, v = (e.columns(qkv, width) for width in (wide, narrow, narrow))
        q, k = self.rotated(e, s, q, k, windowed=windowed)
        a = e.attention(q, k, v, s.heads(windowed=windowed))
        return e.linear(a, s.hidden_size, name="o_proj", split="row")

    def feed_forward(self, e: Emitter, s: DecoderShape, h: Tensor) -> Tensor:
        """Gate and what it multiplies are halves of one product."""
        gate, up = e.split(e.linear(h, 2.0 * s.intermediate_size, name="gate_up_proj", split="column"), 2)
        h = e.times(up, e.activation(gate, s.function))
        return e.linear(h, s.hidden_size, name="down_proj", split="row")


PHI3 = Phi3()
