"""OPT: learned positions, layer norms with biases before or after each half, scaled queries, ReLU."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape, own
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.size import Number

#: Rows of the table of positions before the first position's.
_OFFSET = 2


@attrs.frozen(kw_only=True)
class OptShape(DecoderShape):
    """
    Numbers of an OPT.

    Attributes:
        num_positions: Rows of the table of positions.
        embedding_dim: Columns of the embedding, where they are not those of the stream.
        projected: Whether they are not.
        norm_first: Whether a half norms what it reads, or what it has added to.
    """

    num_positions: Number
    embedding_dim: Number
    projected: bool
    norm_first: bool

    def table(self) -> "OptShape":
        """The same with the embedding's columns as those of the stream."""
        return attrs.evolve(self, hidden_size=self.embedding_dim)


class Opt(Decoder):
    """The decoder of Zhang et al., "OPT: Open Pre-trained Transformer Language Models", arXiv 2205.01068."""

    name = "opt"
    shape_class = OptShape
    dropouts = ("attention_dropout", "dropout")
    functions = ("relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu")
    function_key = "activation_function"
    hidden_dropout_key = "dropout"
    norm_kind = "layer"
    groups = False
    gated = False
    spellings: ClassVar[dict[str, str]] = {"ffn_dim": "intermediate_size"}
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "max_position_embeddings": 2048,
        "dropout": 0.1,
        "do_layer_norm_before": True,
        "enable_bias": True,
        "tie_word_embeddings": True,
        "activation_function": "relu",
    }

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._numbers(read, config)
        columns = read.count("word_embed_proj_dim", found["hidden_size"])
        return found | {
            "num_positions": read.count("max_position_embeddings") + _OFFSET,
            "embedding_dim": columns,
            "projected": columns != found["hidden_size"],
        }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("enable_bias", default=True)
        read.must(
            "layer_norm_elementwise_affine",
            read.flag("layer_norm_elementwise_affine", default=True),
            "norms without weights are in no released model",
        )
        return super()._choices(read, config) | {
            "attention_bias": bias,
            "output_bias": bias,
            "mlp_bias": bias,
            "norm_first": read.flag("do_layer_norm_before", default=True),
        }

    def position_limit(self, config: Mapping[str, Any]) -> int | None:
        """As many tokens as there are positions."""
        return self.sequence_length(config)

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, brought to the stream's columns, plus positions' rows, counted in each sequence."""
        s = own(OptShape, s)
        x = e.embedding(e.token_table(s.table()))
        table = e.weight(s.num_positions, s.hidden_size, role="position", name="embed_positions")
        positions = e.positions(table, counted=True)
        if s.projected:
            x = e.linear(x, s.hidden_size, name="project_in")
        return e.plus(x, positions)

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Attention and feed-forward, each normed before it or after it was added to the stream."""
        s = own(OptShape, s)
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "self_attn_layer_norm") if s.norm_first else x
                a = self.added(e, s, self.attention(e, s, h, windowed=False))
            x = e.plus(x, a)
            if not s.norm_first:
                x = self.norm(e, x, "self_attn_layer_norm")
            h = self.norm(e, x, "final_layer_norm") if s.norm_first else x
            x = e.plus(x, self.added(e, s, self.feed_forward(e, s, h)))
            return x if s.norm_first else self.norm(e, x, "final_layer_norm")

    def rotated(self, e: Emitter, s: DecoderShape, q: Tensor, k: Tensor, *, windowed: bool = False) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """No positions here, but queries are scaled before they meet the keys."""
        return e.scale(q), k

    def head(self, e: Emitter, s: DecoderShape, x: Tensor) -> None:
        """A norm where blocks norm first, the way back to the embedding's columns, and logits."""
        s = own(OptShape, s)
        if s.norm_first:
            x = self.norm(e, x, "final_layer_norm")
        if s.projected:
            x = e.linear(x, s.embedding_dim, name="project_out")
        e.loss(x, e.head_weight(s.table(), tied=s.tied), softcap=False)


OPT = Opt()
