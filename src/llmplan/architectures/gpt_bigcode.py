"""GPT-BigCode: GPT-2 whose query heads share one head of keys and values (StarCoder, SantaCoder)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape, own
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class BigCodeShape(DecoderShape):
    """
    Numbers of a GPT-BigCode.

    Attributes:
        num_positions: Rows of the table of positions.
    """

    num_positions: Number


class GptBigCode(Decoder):
    """The decoder of Ben Allal et al., "SantaCoder: don't reach for the stars!", arXiv 2301.03988."""

    name = "gpt_bigcode"
    shape_class = BigCodeShape
    cut = ()  # one head of keys and values cannot be shared out
    dropouts = ("attn_pdrop", "resid_pdrop", "embd_pdrop")
    functions = ("gelu_pytorch_tanh", "gelu", "gelu_new", "relu", "silu")
    function_key = "activation_function"
    attention_dropout_key = "attn_pdrop"
    hidden_dropout_key = "resid_pdrop"
    embedding_dropout_key = "embd_pdrop"
    norm_kind = "layer"
    gated = False
    spellings: ClassVar[dict[str, str]] = {
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_inner": "intermediate_size",
        "n_positions": "max_position_embeddings",
    }
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 50257,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "max_position_embeddings": 1024,
        "attn_pdrop": 0.1,
        "resid_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "multi_query": True,
        "tie_word_embeddings": True,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """One head of keys and values, and four times the width between the two matrices, where nothing else is said."""
        found = super().completed(config)
        width, heads = found.get("hidden_size"), found.get("num_attention_heads")
        found["num_key_value_heads"] = 1 if found.get("multi_query") else heads
        if found.get("intermediate_size") is None and isinstance(width, int):
            found["intermediate_size"] = 4 * width
        return found

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        read.must("add_cross_attention", not config.get("add_cross_attention"), "a decoder has no other sequence to look at")
        return super()._numbers(read, config) | {"num_positions": read.count("max_position_embeddings")}

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"attention_bias": True, "output_bias": True, "mlp_bias": True}

    def position_limit(self, config: Mapping[str, Any]) -> int | None:
        """As many tokens as there are positions."""
        return self.sequence_length(config)

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows plus positions' rows; a table of which token sees which stands all the time."""
        s = own(BigCodeShape, s)
        e.constant("causal mask", s.num_positions * s.num_positions)
        x = e.embedding(e.token_table(s))
        positions = e.weight(s.num_positions, s.hidden_size, role="position", name="wpe")
        return e.dropout(e.plus(x, e.positions(positions), broadcast=True), s.embedding_dropout)

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Queries, and the keys and values that they share, are columns of one product."""
        wide, narrow = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
        qkv = e.linear(h, wide + 2.0 * narrow, name="c_attn", bias=True, split="column")
        q, k, v = e.split(qkv, [wide, narrow, narrow])
        return e.linear(e.attention(q, k, v, s.heads()), s.hidden_size, name="c_proj", bias=True, split="row")


GPT_BIGCODE = GptBigCode()
