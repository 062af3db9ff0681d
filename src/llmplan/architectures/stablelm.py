"""StableLM: Llama's decoder with layer norms and partly rotated heads; its halves may stand side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class StableLm(Decoder):
    """The decoder of "Stable LM 2 1.6B Technical Report", arXiv 2402.17834."""

    name = "stablelm"
    dropouts = ("attention_dropout", "hidden_dropout")
    norm_kind = "layer"
    rotation = Rotation(cut=True)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 50304,
        "intermediate_size": 6912,
        "hidden_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 32,
        "max_position_embeddings": 4096,
        "partial_rotary_factor": 0.25,
    }
    hidden_dropout_key = "hidden_dropout"

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if read.flag("qk_layernorm", default=False):
            raise UnsupportedError("a layer norm for each head", "StableLM 2 12B's are not modelled @ qk_layernorm")
        bias = read.flag("use_qkv_bias", default=False)
        return super()._choices(read, config) | {"attention_bias": bias, "output_bias": False, "mlp_bias": False}

    def layers(self, config: Mapping[str, Any]) -> list[bool]:
        """For each layer whether its halves stand side by side."""
        read = Reader(self.completed(config), self.name)
        return [read.flag("use_parallel_residual", default=False)] * read.count("num_hidden_layers")

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether side by side
        """Attention, and a feed-forward half that alone drops elements."""
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                a = self.attention(e, s, h, windowed=False)
            x = e.plus(x, a)
            if not layer:
                h = self.norm(e, x, "post_attention_layernorm")
            return e.plus(x, self.added(e, s, self.feed_forward(e, s, h)))


STABLELM = StableLm()
