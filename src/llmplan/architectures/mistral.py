"""Mistral: Llama's decoder with a sliding window in every layer or in none."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder


class Mistral(Decoder):
    """The decoder of Jiang et al., "Mistral 7B", arXiv 2310.06825."""

    name = "mistral"
    dropouts = ("attention_dropout",)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
    }


MISTRAL = Mistral()
