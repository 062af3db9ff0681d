"""GPT-NeoX: one matrix for queries, keys and values, partly rotated heads, attention and feed-forward side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class GptNeox(Decoder):
    """The decoder of Black et al., "GPT-NeoX-20B", arXiv 2204.06745, and of Pythia (arXiv 2304.01373)."""

    name = "gpt_neox"
    dropouts = ("attention_dropout", "hidden_dropout")
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 50432,
        "hidden_size": 6144,
        "intermediate_size": 24576,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
    }
    functions = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu")
    norm_kind = "layer"
    groups = False
    gated = False
    hidden_dropout_key = "hidden_dropout"
    embedding_dropout_key = "hidden_dropout"
    rotation = Rotation(cut=True)
    defaults: ClassVar[dict[str, Any]] = {
        "max_position_embeddings": 2048,
        "use_parallel_residual": True,
        "attention_bias": True,
        "rotary_pct": 0.25,
    }

    def _rotary_dim(self, config: Mapping[str, Any], head_dim: int) -> int:
        columns = super()._rotary_dim({"partial_rotary_factor": config["rotary_pct"], **config}, head_dim)
        return columns + columns % 2  # an angle for each pair, the last one begun

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"mlp_bias": True}

    def layers(self, config: Mapping[str, Any]) -> list[bool]:
        """For each layer whether its halves stand side by side."""
        config = self.completed(config)
        read = Reader(config, self.name)
        return [read.flag("use_parallel_residual", default=True)] * read.count("num_hidden_layers")

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether side by side
        """Both halves normed on their own and added to the stream, side by side or one after the other."""
        with e.region("block"):
            with e.region("attention"):
                a = self.called(e, self.norm(e, x, "input_layernorm"), lambda h: self.attention(e, s, h, windowed=False))
                a = e.dropout(a, s.hidden_dropout)
            if not layer:
                x = a = e.plus(a, x)
            m = self.called(e, self.norm(e, x, "post_attention_layernorm"), lambda h: self.feed_forward(e, s, h))
            m = e.dropout(m, s.hidden_dropout)
            return e.plus(e.plus(m, a), x) if layer else e.plus(m, a)

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Each head's query, key and value lie beside one another in one product."""
        width = s.num_attention_heads * s.head_dim
        qkv = e.linear(h, 3.0 * width, name="query_key_value", bias=s.attention_bias, split="column")
        q, k, v = e.split(qkv, 3)
        q, k = self.rotated(e, s, q, k)
        a = e.attention(q, k, v, s.heads())
        return e.linear(a, s.hidden_size, name="dense", bias=s.output_bias, split="row")


GPT_NEOX = GptNeox()
