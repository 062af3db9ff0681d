"""Ministral 3: Llama's decoder with heads of a width of their own, and queries scaled by their position."""

from typing import Any, ClassVar

from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


class Ministral3(Decoder):
    """The decoder of "Ministral 3", arXiv 2601.08584."""

    name = "ministral3"
    dropouts = ("attention_dropout",)
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 131072,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 34,
        "num_attention_heads": 32,
    }
    defaults: ClassVar[dict[str, Any]] = {"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144}

    def rotated(self, e: Emitter, s: DecoderShape, q: Tensor, k: Tensor, *, windowed: bool = False) -> tuple[Tensor, Tensor]:
        """Rotated; queries times a number that grows with their position."""
        q, k = super().rotated(e, s, q, k, windowed=windowed)
        return e.scaled_by_position(q, s.num_attention_heads), k


MINISTRAL3 = Ministral3()
