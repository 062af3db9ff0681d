"""Gemma 3's language model: Gemma 2 with normed queries and keys, five windows to a full layer, rotations of their own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.gemma2 import Gemma2
from llmplan.program.emit import Emitter, Rotation
from llmplan.program.op import Tensor


class Gemma3Text(Gemma2):
    """The decoder of "Gemma 3 Technical Report", arXiv 2503.19786."""

    name = "gemma3_text"
    pattern = 6
    qk_norm = True
    core: ClassVar[dict[str, Any]] = {**Gemma2.core, "vocab_size": 262208}
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": True,
        "sliding_window": 4096,
    }

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, scaled; tables of rotations for layers that see all, and for those with a window."""
        x = e.embedding(e.token_table(s), scaled="rows")
        for name in ("full", "windowed"):
            e.rotary_table(s.rotary_dim, name=name)
        return x

    def rotation_of(self, *, windowed: bool) -> Rotation:
        """By the layer's own table."""
        return Rotation(table="windowed" if windowed else "full")

    def _rotary_dim(self, config: Mapping[str, Any], head_dim: int) -> int:  # noqa: ARG002  its tables are by kind of layer
        return head_dim

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        read.must(
            "use_bidirectional_attention",
            not read.flag("use_bidirectional_attention", default=False),
            "attention that looks ahead is no language model's",
        )
        return super()._choices(read, config)


GEMMA3_TEXT = Gemma3Text()
