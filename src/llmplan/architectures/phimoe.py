"""Phi-3.5-MoE: layer norms, and two experts a token that are chosen one after the other."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.program.experts import Router


class Phimoe(Mixture):
    """The mixture of Abdin et al., "Phi-3 Technical Report", arXiv 2404.14219; its router is arXiv 2409.12136's."""

    name = "phimoe"
    dropouts = ("attention_dropout",)
    norm_kind = "layer"
    experts_key = "num_local_experts"
    width_key = "intermediate_size"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32064,
        "hidden_size": 4096,
        "intermediate_size": 6400,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "num_experts_per_tok": 2,
        "num_local_experts": 16,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        read.must("num_experts_per_tok", config["num_experts_per_tok"] == 2, "its router chooses two experts")  # noqa: PLR2004
        read.must("lm_head_bias", config.get("lm_head_bias") in (None, False), "a head with a bias is not modelled")
        return super()._choices(read, config)

    def router(self, s: MixtureShape) -> Router:
        """One expert after the other, each with a gradient of its own."""
        return Router(experts=s.num_experts, per_token=s.num_experts_per_tok, choice="sparse-mixer", linear=True, name="router")


PHIMOE = Phimoe()
