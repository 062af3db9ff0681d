"""Gemma: scaled embeddings, RMS norms whose weights one is added to, GeGLU, the embedding's table as head."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


class Gemma(Decoder):
    """The decoder of "Gemma: Open Models Based on Gemini Research and Technology", arXiv 2403.08295."""

    name = "gemma"
    dropouts = ("attention_dropout",)
    functions = ("gelu_pytorch_tanh", "gelu", "silu")
    norm_offset = True
    norm_wide = True
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 16,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "hidden_act": "gelu_pytorch_tanh",
    }

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, times the root of the width."""
        x = e.embedding(e.token_table(s))
        e.rotary_table(s.rotary_dim)
        return e.scale(x)


GEMMA = Gemma()
