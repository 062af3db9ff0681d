"""Bamba and Falcon-H1: Mamba-2's layers and attention, in turns or side by side, each before a feed-forward half."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.architectures.scanning import HeadScanShape, head_scan_layer, head_scan_numbers
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


@attrs.frozen(kw_only=True)
class BambaShape(DecoderShape, HeadScanShape):
    """Numbers of a Bamba: a decoder's and Mamba-2's."""


class Bamba(Decoder):
    """The decoder of IBM, Princeton, CMU and UIUC, "Bamba: Inference-Efficient Hybrid Mamba2 Model", 2024."""

    name = "bamba"
    dropouts = ("attention_dropout",)
    cut = ()
    shape_class: ClassVar[type[BambaShape]] = BambaShape
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 128000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 262144,
        "mamba_n_heads": 128,
        "mamba_n_groups": 1,
        "mamba_d_state": 256,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_chunk_size": 256,
        "partial_rotary_factor": 0.5,
    }

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        inner = self.inner_size(read, config)
        found = head_scan_numbers(read, "mamba_", inner=inner, groups="mamba_n_groups", heads="mamba_n_heads")
        return super()._numbers(read, config) | found | {"norm_groups": 1, "chunk_size": read.count("mamba_chunk_size")}

    def inner_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002  others look at it
        """Columns that are scanned."""
        return read.count("mamba_expand") * read.count("hidden_size")

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("mamba_proj_bias", default=False)
        return super()._choices(read, config) | {
            "conv_bias": read.flag("mamba_conv_bias", default=True),
            "proj_bias": bias,
            "out_bias": bias,
        }

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """For each layer whether it attends: ``layer_types``, or those of ``attn_layer_indices``."""
        config = self.completed(config)
        types = config.get("layers_block_type") or config.get("layer_types")
        if types:
            return [t in ("full_attention", "attention") for t in types]
        attending = config.get("attn_layer_indices") or ()
        return [i in attending for i in range(Reader(config, self.name).count("num_hidden_layers"))]

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it attends
        """Attention or a scan, then a feed-forward half, each after a norm and added to the stream."""
        if not isinstance(s, BambaShape):
            raise TypeError(type(s))
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                a = self.attention(e, s, h, windowed=False) if layer else head_scan_layer(e, s, h)
            x = e.plus(x, a)
            return e.plus(x, self.feed_forward(e, s, self.norm(e, x, "pre_ff_layernorm")))


class FalconH1(Bamba):
    """The decoder of Zuo et al., "Falcon-H1", arXiv 2507.22448: a scan and attention side by side in every layer."""

    name = "falcon_h1"
    scaled_embedding = "stream"
    scaled_logits = True
    defaults: ClassVar[dict[str, Any]] = {
        **{k: v for k, v in Bamba.defaults.items() if k != "partial_rotary_factor"},
        "max_position_embeddings": 8192,
        "mamba_d_ssm": 1024,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A null ``mamba_d_ssm`` leaves it to ``mamba_expand``."""
        found = super().completed(config)
        if "mamba_d_ssm" in config and config["mamba_d_ssm"] is None:
            found.pop("mamba_d_ssm", None)
        return found

    def inner_size(self, read: Reader, config: Mapping[str, Any]) -> int:
        """``mamba_d_ssm``, or a multiple of the stream's width."""
        return read.count("mamba_d_ssm") if "mamba_d_ssm" in config else super().inner_size(read, config)

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {
            "gated_normed": read.flag("mamba_rms_norm", default=False),
            "out_bias": read.flag("projectors_bias", default=False),
        }

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["both"] * Reader(self.completed(config), self.name).count("num_hidden_layers")

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """A scan and attention of the same norm, both scaled and added, then a feed-forward half."""
        if not isinstance(s, BambaShape):
            raise TypeError(type(s))
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                scanned = e.scale(head_scan_layer(e, s, e.scale(h), gate_first=False))
                attended = e.scale(self.attention(e, s, e.scale(h), windowed=False))
                a = e.plus(scanned, attended)
            x = e.plus(x, a)
            return e.plus(x, self.feed_forward(e, s, self.norm(e, x, "pre_ff_layernorm")))


BAMBA = Bamba()
FALCON_H1 = FalconH1()
