"""Granite 3: Llama's decoder with numbers that the embedding, what each half adds, the scores and the logits are multiplied by."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


class Granite(Decoder):
    """The dense decoder of "Granite 3.0 Language Models" (IBM, 2024)."""

    name = "granite"
    dropouts = ("attention_dropout",)
    scaled_embedding = "stream"
    scaled_logits = True
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {"max_position_embeddings": 2048}

    def added(self, e: Emitter, s: DecoderShape, x: Tensor) -> Tensor:  # noqa: ARG002  all do so
        """Multiplied by a number."""
        return e.scale(x)


GRANITE = Granite()
