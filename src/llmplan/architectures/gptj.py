"""GPT-J: attention and feed-forward side by side after one layer norm, neighbouring columns rotated, a biased head."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape, own
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class GptJShape(DecoderShape):
    """
    Numbers of a GPT-J.

    Attributes:
        num_positions: Positions that the tables of rotations are made for.
    """

    num_positions: Number


class GptJ(Decoder):
    """The decoder of Wang and Komatsuzaki, "GPT-J-6B", 2021 (mesh-transformer-jax)."""

    name = "gptj"
    shape_class = GptJShape
    dropouts = ("attn_pdrop", "resid_pdrop", "embd_pdrop")
    functions = ("gelu_new", "gelu", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu")
    function_key = "activation_function"
    attention_dropout_key = "attn_pdrop"
    hidden_dropout_key = "resid_pdrop"
    embedding_dropout_key = "embd_pdrop"
    norm_kind = "layer"
    groups = False
    gated = False
    head_bias = True
    rotation = Rotation(doubled=True)
    spellings: ClassVar[dict[str, str]] = {
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_inner": "intermediate_size",
        "n_positions": "max_position_embeddings",
    }
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 50400,
        "hidden_size": 4096,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    }
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048, "rotary_dim": 64}

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Four times the width between the two matrices, where nothing else is said."""
        found = super().completed(config)
        width = found.get("hidden_size")
        if found.get("intermediate_size") is None and isinstance(width, int):
            found["intermediate_size"] = 4 * width
        return found

    def _rotary_dim(self, config: Mapping[str, Any], head_dim: int) -> int:
        return Reader(config, self.name).count("rotary_dim", head_dim)

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"attention_bias": False, "output_bias": False, "mlp_bias": True}

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, some elements dropped; the tables of rotations stand for all positions."""
        x = e.embedding(e.token_table(s))
        e.rotary_table(s.rotary_dim, positions=own(GptJShape, s).num_positions)
        return e.dropout(x, s.embedding_dropout)

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._numbers(read, config) | {"num_positions": read.count("max_position_embeddings")}

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it has a window
        """Both halves of the same norm."""
        return self.side_by_side(e, s, x, windowed=layer)


GPTJ = GptJ()
