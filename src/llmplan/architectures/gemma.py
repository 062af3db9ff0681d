"""Gemma: scaled embeddings, RMS norms whose weights one is added to, GeGLU, the embedding's table as head."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder


class Gemma(Decoder):
    """The decoder of "Gemma: Open Models Based on Gemini Research and Technology", arXiv 2403.08295."""

    name = "gemma"
    dropouts = ("attention_dropout",)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 3072,
        "intermediate_size": 24576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    }
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
    scaled_embedding = "rows"


GEMMA = Gemma()
