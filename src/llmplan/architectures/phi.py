"""Phi 1, 1.5 and 2: attention and feed-forward side by side after one layer norm, partly rotated heads, a biased head."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class Phi(Decoder):
    """The decoder of Li et al., "Textbooks Are All You Need II: phi-1.5", arXiv 2309.05463."""

    name = "phi"
    dropouts = ("attention_dropout", "resid_pdrop", "embd_pdrop")
    functions = ("gelu_new", "gelu", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu")
    hidden_dropout_key = "resid_pdrop"
    embedding_dropout_key = "embd_pdrop"
    norm_kind = "layer"
    gated = False
    head_bias = True
    rotation = Rotation(cut=True)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 51200,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048, "partial_rotary_factor": 0.5}

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if read.flag("qk_layernorm", default=False):
            raise UnsupportedError("layer norms of queries and keys", "no released Phi has them @ qk_layernorm")
        return super()._choices(read, config) | {"attention_bias": True, "output_bias": True, "mlp_bias": True}

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it has a window
        """Both halves of the same norm."""
        return self.side_by_side(e, s, x, windowed=layer)


PHI = Phi()
