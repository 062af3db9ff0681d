"""StarCoder 2: layer norms and matrices with biases, grouped heads, a window, an ungated feed-forward half."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder


class Starcoder2(Decoder):
    """The decoder of Lozhkov et al., "StarCoder 2 and The Stack v2", arXiv 2402.19173."""

    name = "starcoder2"
    dropouts = ("attention_dropout", "residual_dropout", "embedding_dropout")
    functions = ("gelu_pytorch_tanh", "gelu", "gelu_new", "relu", "silu")
    hidden_dropout_key = "residual_dropout"
    embedding_dropout_key = "embedding_dropout"
    norm_kind = "layer"
    gated = False
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 49152,
        "hidden_size": 3072,
        "intermediate_size": 12288,
        "num_hidden_layers": 30,
        "num_attention_heads": 24,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "use_bias": True,
        "tie_word_embeddings": True,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("use_bias", default=True)
        return super()._choices(read, config) | {"attention_bias": bias, "output_bias": bias, "mlp_bias": bias}


STARCODER2 = Starcoder2()
