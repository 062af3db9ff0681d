"""Llama: rotary positions, RMS norms, grouped query heads, SwiGLU, a head of its own or the embedding's table."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder


class Llama(Decoder):
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
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048}


LLAMA = Llama()
