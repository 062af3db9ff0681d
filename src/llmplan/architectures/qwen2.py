"""Qwen 2 and 2.5: Llama's decoder with biases on queries, keys and values."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder


class Qwen2(Decoder):
    """The dense decoder of "Qwen2 Technical Report", arXiv 2407.10671."""

    name = "qwen2"
    dropouts = ("attention_dropout",)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 22016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 32,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"attention_bias": True, "output_bias": False}

    def window(self, config: Mapping[str, Any]) -> int | None:
        """``sliding_window``, where ``use_sliding_window`` says that it is used."""
        return super().window(config) if self.completed(config).get("use_sliding_window") is True else None

    def windowed(self, config: Mapping[str, Any]) -> Sequence[bool]:
        """Layers from ``max_window_layers`` on."""
        if self.window(config) is None:
            return [False]
        if config.get("layer_types"):
            return super().windowed(config)
        read = Reader(self.completed(config), self.name)
        count, first = read.count("num_hidden_layers"), read.count("max_window_layers", least=0)
        return [i >= first for i in range(count)]


QWEN2 = Qwen2()
