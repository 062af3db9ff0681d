"""OLMoE: narrow experts in every layer, queries and keys normed over all heads at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.qwen2_moe import SparseStepMixture
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


class Olmoe(SparseStepMixture):
    """The decoder of Muennighoff et al., "OLMoE", arXiv 2409.02060."""

    name = "olmoe"
    dropouts = ("attention_dropout",)
    width_key = "intermediate_size"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 50304,
        "hidden_size": 2048,
        "intermediate_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "max_position_embeddings": 4096,
        "num_experts_per_tok": 8,
        "num_experts": 64,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if config.get("clip_qkv") is not None:
            raise UnsupportedError("clip_qkv", "clamping queries, keys and values is not modelled")
        return super()._choices(read, config)

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """Queries and keys are normed before they are cut into heads."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q = self.norm(e, e.linear(h, heads * s.head_dim, name="q_proj", bias=bias), "q_norm")
        k = self.norm(e, e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias), "k_norm")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias)
        q, k = self.rotated(e, s, q, k)
        a = e.attention(q, k, v, s.heads(windowed=windowed))
        return e.linear(a, s.hidden_size, name="o_proj", bias=s.output_bias)


OLMOE = Olmoe()
