"""Nemotron-H: layers of one half each, a scan, attention, a feed-forward half or experts, and no positions."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.architectures.scanning import HeadScanShape, head_scan_layer
from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter
from llmplan.program.experts import Experts, Router
from llmplan.program.op import Tensor

#: Letters of ``hybrid_override_pattern``, and older names of the kinds of layers.
_KINDS = {
    "M": "linear_attention",
    "*": "full_attention",
    "-": "mlp",
    "E": "moe",
    "mamba": "linear_attention",
    "attention": "full_attention",
}


@attrs.frozen(kw_only=True)
class NemotronHShape(MixtureShape, HeadScanShape):
    """Numbers of a Nemotron-H: a mixture's and Mamba-2's."""


class NemotronH(Mixture):
    """The decoder of NVIDIA, "Nemotron-H", arXiv 2504.03624, and of Nemotron 3, arXiv 2512.20856."""

    name = "nemotron_h"
    dropouts = ("attention_dropout",)
    shape_class: ClassVar[type[NemotronHShape]] = NemotronHShape
    experts_key = "n_routed_experts"
    gated = False
    functions = ("relu2", "silu", "gelu")
    function_key = "mlp_hidden_act"
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 131072,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 4096,
        "intermediate_size": 21504,
        "ssm_state_size": 128,
        "mamba_num_heads": 128,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "conv_kernel": 4,
        "chunk_size": 128,
        "n_routed_experts": 8,
        "moe_intermediate_size": 7688,
        "moe_shared_expert_intermediate_size": 7688,
        "num_experts_per_tok": 2,
        "norm_topk_prob": True,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """As many layers as their kinds say."""
        found = super().completed(config)
        found["num_hidden_layers"] = len(_kinds(found))
        return found

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        if config.get("moe_latent_size") is not None:
            raise UnsupportedError("experts on a latent", "moe_latent_size is not modelled")
        groups = read.count("n_groups")
        return super()._numbers(read, config) | {
            "inner_size": read.count("mamba_num_heads") * read.count("mamba_head_dim"),
            "state_size": read.count("ssm_state_size"),
            "mamba_heads": read.count("mamba_num_heads"),
            "mamba_groups": groups,
            "norm_groups": groups,
            "conv_kernel": read.count("conv_kernel"),
            "chunk_size": read.count("chunk_size"),
        }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("use_bias", default=False)
        return super()._choices(read, config) | {
            "normalized": read.flag("norm_topk_prob", default=True),
            "scaled": True,
            "attention_bias": False,
            "output_bias": False,
            "conv_bias": read.flag("use_conv_bias", default=True),
            "proj_bias": bias,
            "out_bias": bias,
        }

    def shared_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002
        """``moe_shared_expert_intermediate_size``."""
        return read.count("moe_shared_expert_intermediate_size")

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """Kinds of layers: ``layers_block_type``, or the letters of ``hybrid_override_pattern``."""
        return _kinds(self.completed(config))

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows."""
        return e.embedding(e.token_table(s))

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a kind
        """One half after a norm, added to the stream."""
        if not isinstance(s, NemotronHShape):
            raise TypeError(type(s))
        with e.region("block"):
            h = self.norm(e, x, "norm")
            if layer == "linear_attention":
                return e.plus(x, head_scan_layer(e, s, h))
            if layer == "full_attention":
                return e.plus(x, self.attention(e, s, h, windowed=False))
            return e.plus(x, self.mixture(e, s, h) if layer == "moe" else self.feed_forward(e, s, h))

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:  # noqa: ARG002
        """Without positions."""
        heads, kv_heads = s.num_attention_heads, s.num_key_value_heads
        q = e.linear(h, heads * s.head_dim, name="q_proj")
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj")
        return e.linear(e.attention(q, k, v, s.heads()), s.hidden_size, name="o_proj")

    def mixture(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The routed experts, and the sum of them and the shared one."""
        return e.plus(super().mixture(e, s, h), self.shared_expert(e, s, h))

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
            name="mixer.gate",
        )

    def experts(self, s: MixtureShape) -> Experts:
        """Up, activation, down."""
        return Experts(intermediate_size=s.moe_intermediate_size, function=s.function, gated=False, name="mixer.experts")


def _kinds(config: Mapping[str, Any]) -> list[str]:
    """The kind of each layer, under one name."""
    said = config.get("layers_block_type") or config.get("layer_types") or config.get("hybrid_override_pattern")
    return [_KINDS.get(kind, kind) for kind in said or ("linear_attention", "moe", "full_attention", "mlp")]


NEMOTRON_H = NemotronH()
