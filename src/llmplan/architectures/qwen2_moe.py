"""Qwen 2's mixture: experts by a router, and one that every token goes through, weighted by a gate of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.architectures.qwen2 import Qwen2
from llmplan.program.emit import Emitter
from llmplan.program.experts import Router
from llmplan.program.op import Tensor


class SparseStepMixture(Mixture):
    """Mixtures in which every so many-th layer has experts, but for those that are named as dense."""

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"normalized": read.flag("norm_topk_prob", default=False)}

    def routed(self, config: Mapping[str, Any], count: int) -> Sequence[bool]:
        """Layers at ``decoder_sparse_step``, without those of ``mlp_only_layers``."""
        step = Reader(config, self.name).count("decoder_sparse_step", 1)
        dense = config.get("mlp_only_layers") or ()
        return [i not in dense and (i + 1) % step == 0 for i in range(count)]

    def router(self, s: MixtureShape) -> Router:
        """Scores of all experts, of which the highest are taken, cast back to the logits' format."""
        return Router(
            experts=s.num_experts, per_token=s.num_experts_per_tok, normalized=s.normalized, narrowed=True, name="mlp.gate"
        )


class SharedGateMixture(SparseStepMixture):
    """Mixtures with an expert that every token goes through, which a gate of its own weighs."""

    def shared_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002
        """``shared_expert_intermediate_size``."""
        return read.count("shared_expert_intermediate_size")

    def mixture(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The shared expert, the routed ones, and the sum of the two, the shared one times its gate."""
        shared = self.shared_expert(e, s, h)
        routed = super().mixture(e, s, h)
        gate = e.activation(e.linear(h, 1.0, name="shared_expert_gate"), "sigmoid")
        return e.plus(routed, e.times(shared, gate, broadcast=True))


class Qwen2Moe(SharedGateMixture, Qwen2):
    """The mixture of "Qwen2 Technical Report", arXiv 2407.10671, section 2.2.2, and of Qwen1.5-MoE."""

    name = "qwen2_moe"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
        "qkv_bias": True,
    }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {"attention_bias": read.flag("qkv_bias", default=True)}


class Qwen3Moe(SparseStepMixture, Decoder):
    """The mixture of "Qwen3 Technical Report", arXiv 2505.09388: normed queries and keys, no shared expert."""

    name = "qwen3_moe"
    dropouts = ("attention_dropout",)
    qk_norm = True
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
    }

    def window(self, config: Mapping[str, Any]) -> int | None:
        """``sliding_window``, where ``use_sliding_window`` says that it is used."""
        return super().window(config) if config.get("use_sliding_window") is True else None


QWEN2_MOE = Qwen2Moe()
QWEN3_MOE = Qwen3Moe()
