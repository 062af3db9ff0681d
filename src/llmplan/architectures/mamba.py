"""Mamba and Mamba-2: layers that scan, and nothing else; Falcon-Mamba: the same with norms inside."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Architecture, Reader
from llmplan.architectures.scanning import HeadScanShape, SelectiveShape, head_scan_layer, selective_layer, selective_numbers
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


@attrs.frozen(kw_only=True)
class MambaShape(SelectiveShape):
    """
    Numbers of a Mamba.

    Attributes:
        tied: Whether the head is the embedding's table.
    """

    tied: bool


class Mamba(Architecture[MambaShape]):
    """
    The decoder of Gu and Dao, "Mamba", arXiv 2312.00752.

    Attributes:
        norms: Of what a layer makes for its scan.
        defaults: What its configuration class assumes where config.json says nothing.
    """

    name = "mamba"
    norms: ClassVar[str] = ""
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 50280,
        "hidden_size": 768,
        "state_size": 16,
        "num_hidden_layers": 32,
        "expand": 2,
        "conv_kernel": 4,
        "time_step_rank": "auto",
        "tie_word_embeddings": True,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with what its class assumes."""
        return {**self.defaults, **{k: v for k, v in config.items() if v is not None}}

    def shape(self, config: Mapping[str, Any]) -> MambaShape:
        """Read ``hidden_size``, ``state_size``, ``expand`` or ``intermediate_size``, ``time_step_rank`` and the like."""
        config = self.completed(config)
        read = Reader(config, self.name)
        read.count("num_hidden_layers")
        found = MambaShape(
            hidden_size=read.count("hidden_size"),
            vocab_size=read.count("vocab_size"),
            tied=read.flag("tie_word_embeddings", default=True),
            **selective_numbers(read, config),
        )
        read.done()
        return found

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(self.completed(config), self.name).count("num_hidden_layers")

    def sequence_length(self, config: Mapping[str, Any]) -> int:  # noqa: ARG002  no configuration says it
        """2,048 tokens, which the published models were trained on (arXiv 2312.00752, appendix E.2)."""
        return 2048

    def embed(self, e: Emitter, s: MambaShape) -> Tensor:
        """Tokens' rows."""
        return e.embedding(e.token_table(s))

    def block(self, e: Emitter, s: MambaShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """A scan after a norm, added to the stream."""
        with e.region("block"):
            return e.plus(x, selective_layer(e, s, e.norm(x, "rms", weighted=True, name="norm"), norms=self.norms))

    def head(self, e: Emitter, s: MambaShape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = e.norm(x, "rms", weighted=True, name="norm_f")
        e.loss(x, e.head_weight(s, tied=s.tied), softcap=False)


class FalconMamba(Mamba):
    """The decoder of Zuo et al., "Falcon Mamba", arXiv 2410.05355: norms without weights on steps and what they write and read."""

    name = "falcon_mamba"
    norms = "bare"


@attrs.frozen(kw_only=True)
class Mamba2Shape(HeadScanShape):
    """
    Numbers of a Mamba-2.

    Attributes:
        tied: Whether the head is the embedding's table.
    """

    tied: bool


class Mamba2(Architecture[Mamba2Shape]):
    """
    The decoder of Dao and Gu, arXiv 2405.21060.

    Attributes:
        defaults: What its configuration class assumes where config.json says nothing.
    """

    name = "mamba2"
    defaults: ClassVar[dict[str, Any]] = {
        "num_heads": 128,
        "head_dim": 64,
        "vocab_size": 32768,
        "hidden_size": 4096,
        "state_size": 128,
        "num_hidden_layers": 64,
        "expand": 2,
        "conv_kernel": 4,
        "n_groups": 8,
        "chunk_size": 256,
        "tie_word_embeddings": False,
    }

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with what its class assumes."""
        return {**self.defaults, **{k: v for k, v in config.items() if v is not None}}

    def shape(self, config: Mapping[str, Any]) -> Mamba2Shape:
        """Read ``hidden_size``, ``num_heads``, ``head_dim``, ``state_size``, ``n_groups``, ``expand`` and the like."""
        config = self.completed(config)
        read = Reader(config, self.name)
        read.count("num_hidden_layers")
        inner = read.count("expand") * read.count("hidden_size")
        heads, head = read.count("num_heads"), read.count("head_dim")
        read.must("num_heads", heads * head == inner, f"{heads} heads of {head} columns are not the {inner} that are scanned")
        bias = read.flag("use_bias", default=False)
        found = Mamba2Shape(
            hidden_size=read.count("hidden_size"),
            vocab_size=read.count("vocab_size"),
            inner_size=inner,
            state_size=read.count("state_size"),
            mamba_heads=heads,
            mamba_groups=read.count("n_groups"),
            conv_kernel=read.count("conv_kernel"),
            chunk_size=read.count("chunk_size"),
            norm_groups=1.0,
            conv_bias=read.flag("use_conv_bias", default=True),
            proj_bias=bias,
            out_bias=bias,
            tied=read.flag("tie_word_embeddings", default=False),
        )
        read.done()
        return found

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(self.completed(config), self.name).count("num_hidden_layers")

    def sequence_length(self, config: Mapping[str, Any]) -> int:  # noqa: ARG002  no configuration says it
        """2,048 tokens, which the published models were trained on (arXiv 2405.21060, appendix D)."""
        return 2048

    def embed(self, e: Emitter, s: Mamba2Shape) -> Tensor:
        """Tokens' rows."""
        return e.embedding(e.token_table(s))

    def block(self, e: Emitter, s: Mamba2Shape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """A scan after a norm, added to the stream."""
        with e.region("block"):
            return e.plus(x, head_scan_layer(e, s, e.norm(x, "rms", weighted=True, name="norm")))

    def head(self, e: Emitter, s: Mamba2Shape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = e.norm(x, "rms", weighted=True, name="norm_f")
        e.loss(x, e.head_weight(s, tied=s.tied), softcap=False)


MAMBA = Mamba()
FALCON_MAMBA = FalconMamba()
MAMBA2 = Mamba2()
