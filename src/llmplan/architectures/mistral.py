"""Mistral: Llama's decoder with a sliding window in every layer or in none."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder


class Mistral(Decoder):
    """The decoder of Jiang et al., "Mistral 7B", arXiv 2310.06825."""

    name = "mistral"
    dropouts = ("attention_dropout",)
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
    }

    def completed(self, config: Any) -> dict[str, Any]:  # noqa: ANN401  a mapping
        """A window that is null is none, though the class has a default."""
        found = super().completed(config)
        if "sliding_window" in config and config["sliding_window"] is None:
            found.pop("sliding_window", None)
        return found


MISTRAL = Mistral()
