"""DeepSeek V3.2: V3's decoder whose queries look at the keys that a lighter attention beside it picks."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.deepseek import DeepseekV3
from llmplan.architectures.latent import LatentShape
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class IndexedShape(LatentShape):
    """
    Numbers of a decoder whose keys are picked.

    Attributes:
        index_n_heads: Heads of what picks them.
        index_head_dim: Columns of such a head.
    """

    index_n_heads: Number
    index_head_dim: Number


class DeepseekV32(DeepseekV3):
    """The decoder of DeepSeek-AI, "DeepSeek-V3.2", arXiv 2512.02556, with its sparse attention's indexer."""

    name = "deepseek_v32"
    shape_class: ClassVar[type[IndexedShape]] = IndexedShape
    defaults: ClassVar[dict[str, Any]] = {
        **DeepseekV3.defaults,
        "max_position_embeddings": 163840,
        "index_head_dim": 128,
        "index_n_heads": 64,
    }

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._numbers(read, config) | {
            "index_n_heads": read.count("index_n_heads"),
            "index_head_dim": read.count("index_head_dim"),
        }

    def queries(self, e: Emitter, s: LatentShape, h: Tensor) -> Tensor:
        """V3's, and the indexer, which looks at their latent and is not trained by the loss."""
        if not isinstance(s, IndexedShape):
            raise TypeError(type(s))
        latent = self.norm(e, e.linear(h, s.q_lora_rank, name="q_a_proj", bias=s.attention_bias), "q_a_layernorm")
        e.pick_keys(h, latent, heads=s.index_n_heads, head_dim=s.index_head_dim)
        return e.linear(latent, s.num_attention_heads * s.head_dim, name="q_b_proj")


DEEPSEEK_V32 = DeepseekV32()
