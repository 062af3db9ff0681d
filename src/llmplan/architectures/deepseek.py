"""DeepSeek's second and third generation: latent attention, a few dense layers, then experts of which some are shared."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.latent import LatentDecoder, LatentShape
from llmplan.architectures.mixture import MixtureShape
from llmplan.program.experts import Router


class DeepseekV2(LatentDecoder):
    """The decoder of DeepSeek-AI, "DeepSeek-V2", arXiv 2405.04434."""

    name = "deepseek_v2"
    dropouts = ("attention_dropout",)
    complex_rotation = True
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 102400,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "first_k_dense_replace": 0,
        "kv_lora_rank": 512,
        "q_lora_rank": 1536,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "moe_intermediate_size": 1407,
        "topk_method": "greedy",
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        method = read.choice("topk_method", ["greedy", "group_limited_greedy"], "greedy")
        return super()._choices(read, config) | {"normalized": False, "scaled": True, "groups": method != "greedy"}

    def router(self, s: MixtureShape) -> Router:
        """A softmax in FP32; the highest of all, or of the groups whose best is highest."""
        return Router(
            experts=s.num_experts,
            per_token=s.num_experts_per_tok,
            scaled=True,
            wide=True,
            grouped=isinstance(s, LatentShape) and s.groups,
            name="mlp.gate",
        )


class DeepseekV3(LatentDecoder):
    """The decoder of DeepSeek-AI, "DeepSeek-V3", arXiv 2412.19437, and of R1; without its layers for further tokens."""

    name = "deepseek_v3"
    dropouts = ("attention_dropout",)
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 129280,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "n_shared_experts": 1,
        "n_routed_experts": 256,
        "kv_lora_rank": 512,
        "q_lora_rank": 1536,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "qk_nope_head_dim": 128,
        "num_experts_per_tok": 8,
        "first_k_dense_replace": 3,
        "norm_topk_prob": True,
        "max_position_embeddings": 4096,
        "rope_interleave": True,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        normalized = read.flag("norm_topk_prob", default=True)
        read.must("rope_interleave", config["rope_interleave"] is True, "only neighbouring columns are rotated here")
        return super()._choices(read, config) | {"normalized": normalized, "scaled": True, "groups": True}

    def router(self, s: MixtureShape) -> Router:
        """Sigmoids in FP32; a bias that is no parameter helps to choose, groups first."""
        return Router(
            experts=s.num_experts,
            per_token=s.num_experts_per_tok,
            score="sigmoid",
            normalized=s.normalized,
            scaled=True,
            wide=True,
            corrected=True,
            grouped=True,
            name="mlp.gate",
        )


DEEPSEEK_V2 = DeepseekV2()
DEEPSEEK_V3 = DeepseekV3()
