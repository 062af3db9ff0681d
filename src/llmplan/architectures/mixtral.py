"""Mixtral: Mistral's decoder with experts in every layer."""

from typing import Any, ClassVar

from llmplan.architectures.mistral import Mistral
from llmplan.architectures.mixture import Mixture


class Mixtral(Mixture, Mistral):
    """The decoder of Jiang et al., "Mixtral of Experts", arXiv 2401.04088."""

    name = "mixtral"
    experts_key = "num_local_experts"
    width_key = "intermediate_size"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "tie_word_embeddings": False,
    }


MIXTRAL = Mixtral()
