"""
What most decoders share: tokens' rows, blocks of attention and a gated feed-forward, a norm, a head.

A family derives from :class:`Decoder` and says what is its own: the defaults of its configuration, where it has biases,
how it norms. What no default fits it overrides: a block is a few lines.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import attrs

from llmplan.architectures.architecture import Architecture, Reader, Shape, aligned, wide
from llmplan.program.emit import FUNCTIONS, Emitter, Function, Heads, Rotation, Scaled, Windows
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class DecoderShape(Shape):
    """
    Numbers of a decoder.

    Attributes:
        num_attention_heads, num_key_value_heads: Heads of queries; of keys and values.
        head_dim: Columns of a head.
        intermediate_size: Columns between the matrices of a feed-forward half.
        rotary_dim: Columns of a head that are rotated.
        window: Tokens that a query may look back in a layer with a window; 0 where there is none.
        grouped: Whether a key-value head serves several query heads.
        multi_query: Whether there is one, and it serves all.
        aligned, aligned_to_four: Whether a head's columns are a multiple of eight; of four.
        wide: Whether a head has more than 256 columns.
        partial: Whether only some of a head's columns are rotated.
        tied: Whether the head is the embedding's table.
        attention_bias, output_bias, mlp_bias: Whether queries, keys and values have biases; the attention's output; the
            feed-forward half.
        function: The activation.
        attention_dropout, hidden_dropout, embedding_dropout: Shares that are dropped of attention's probabilities; of what
            each half adds to the stream; of the embedding.
        softcap, logit_softcap: Whether a hyperbolic tangent caps attention's scores; the logits.
    """

    num_attention_heads: Number
    num_key_value_heads: Number
    head_dim: Number
    intermediate_size: Number
    rotary_dim: Number
    window: Number
    grouped: bool
    aligned: bool
    aligned_to_four: bool = True
    wide: bool = False
    multi_query: bool = False
    partial: bool
    tied: bool
    attention_bias: bool
    output_bias: bool
    mlp_bias: bool
    function: Function
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    embedding_dropout: float = 0.0
    softcap: bool = False
    logit_softcap: bool = False

    def heads(self, *, windowed: bool = False) -> Heads:
        """The heads of a layer's attention."""
        return Heads(
            query=self.num_attention_heads,
            kv=self.num_key_value_heads,
            grouped=self.grouped,
            multi_query=self.multi_query,
            aligned=self.aligned,
            aligned_to_four=self.aligned_to_four,
            wide=self.wide,
            softcap=self.softcap,
            dropout=self.attention_dropout,
            window=self.window if windowed else None,
        )


OwnT = TypeVar("OwnT", bound=DecoderShape)


def own(kind: type[OwnT], s: DecoderShape) -> OwnT:
    """The shape as the family's own *kind*, which its architecture made it."""
    if not isinstance(s, kind):
        msg = f"expected a {kind.__name__}, got a {type(s).__name__}"
        raise TypeError(msg)
    return s


class Decoder(Architecture[DecoderShape]):
    """
    A family of decoders, by what it does its own way.

    Attributes:
        shape_class: What holds its numbers.
        defaults: What its configuration class assumes where config.json says nothing.
        functions: Activations that it is known with.
        function_key, hidden_dropout_key, embedding_dropout_key, attention_dropout_key: What its configuration calls them.
        norm_kind: Of its norms.
        norm_weighted: Whether they have weights.
        norm_offset: Whether one is added to the weights of its norms.
        norm_wide: Whether a norm is made in FP32 to the end, the product with its weights included.
        qk_norm: Whether queries and keys are normed, head by head.
        groups: Whether query heads may share heads of keys and values.
        gated: Whether the feed-forward half has a gate beside its activation's matrix.
        head_bias: Whether the head has a bias.
        scaled_embedding: What is multiplied by a number before the first layer, if anything.
        scaled_logits: Whether the logits are.
        rotation: How queries and keys are rotated.
    """

    cut: tuple[str, ...] = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
    defaults: ClassVar[Mapping[str, Any]] = {}
    shape_class: ClassVar[type[DecoderShape]] = DecoderShape
    functions: ClassVar[tuple[Function, ...]] = ("silu", *FUNCTIONS)
    function_key: ClassVar[str] = "hidden_act"
    attention_dropout_key: ClassVar[str] = "attention_dropout"
    hidden_dropout_key: ClassVar[str | None] = None
    embedding_dropout_key: ClassVar[str | None] = None
    norm_kind: ClassVar[Literal["rms", "layer"]] = "rms"
    norm_weighted: ClassVar[bool] = True
    norm_offset: ClassVar[bool] = False
    norm_wide: ClassVar[bool] = False
    qk_norm: ClassVar[bool] = False
    groups: ClassVar[bool] = True
    gated: ClassVar[bool] = True
    head_bias: ClassVar[bool] = False
    scaled_embedding: ClassVar[Scaled | None] = None
    scaled_logits: ClassVar[bool] = False
    rotation: ClassVar[Rotation] = Rotation()

    # -- reading ----------------------------------------------------------------------------------------------------

    def shape(self, config: Mapping[str, Any]) -> DecoderShape:
        """Read ``hidden_size``, ``num_attention_heads``, ``num_key_value_heads``, ``head_dim`` and the like."""
        config = self.completed(config)
        read = Reader(config, self.name)
        found = self.shape_class(**self._numbers(read, config), **self._choices(read, config))
        read.done()
        return found

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration under our names, with what its class assumes where it says nothing."""
        return {**self.defaults, **self.renamed(config)}

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        width, heads = read.count("hidden_size"), read.count("num_attention_heads")
        kv_heads = read.count("num_key_value_heads", heads) if self.groups else heads
        if config.get("head_dim") is None:
            read.must("num_attention_heads", width % heads == 0, f"{heads} heads do not divide hidden_size {width}")
        read.must("num_key_value_heads", heads % kv_heads == 0, f"{kv_heads} do not divide {heads} query heads")
        head_dim = read.count("head_dim", max(width // heads, 1))
        rotary_dim = self._rotary_dim(config, head_dim)
        read.must("head_dim", rotary_dim % 2 == 0, f"rotary positions need an even width, got {rotary_dim}")
        read.count("num_hidden_layers")
        return {
            "hidden_size": width,
            "vocab_size": read.count("vocab_size"),
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": head_dim,
            "intermediate_size": read.count("intermediate_size"),
            "rotary_dim": rotary_dim,
            "window": float(self.window(config) or 0),
            "grouped": kv_heads != heads,
            "multi_query": kv_heads == 1 != heads,
            "aligned": aligned(head_dim),
            "aligned_to_four": aligned(head_dim, 4),
            "wide": wide(head_dim),
            "partial": rotary_dim != head_dim,
        }

    def _rotary_dim(self, config: Mapping[str, Any], head_dim: int) -> int:
        """Columns of a head that are rotated: a share of them, which newer configurations keep beside the base."""
        parameters = config.get("rope_parameters") or {}
        share = parameters.get("partial_rotary_factor", config.get("partial_rotary_factor"))
        return int(head_dim * share) if isinstance(share, (int, float)) and not isinstance(share, bool) else head_dim

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        bias = read.flag("attention_bias", default=False)
        return {
            "tied": read.flag("tie_word_embeddings", default=False),
            "attention_bias": bias,
            "output_bias": bias,
            "mlp_bias": read.flag("mlp_bias", default=False),
            "function": read.choice(self.function_key, self.functions, self.functions[0]),
            "attention_dropout": read.rate(self.attention_dropout_key),
            "hidden_dropout": read.rate(self.hidden_dropout_key) if self.hidden_dropout_key else 0.0,
            "embedding_dropout": read.rate(self.embedding_dropout_key) if self.embedding_dropout_key else 0.0,
            "softcap": config.get("attn_logit_softcapping") is not None,
            "logit_softcap": config.get("final_logit_softcapping") is not None,
        }

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """Whether each layer's attention has a window."""
        config = self.completed(config)
        count = Reader(config, self.name).count("num_hidden_layers")
        windowed = self.windowed(config)
        return [bool(windowed[i % len(windowed)]) for i in range(count)]

    def windowed(self, config: Mapping[str, Any]) -> Sequence[bool]:
        """For each layer whether it has a window, as config.json's ``layer_types`` says, or all or none; may be a period."""
        types = config.get("layer_types")
        if isinstance(types, (list, tuple)) and types:
            return [t == "sliding_attention" for t in types]
        return [self.window(config) is not None]

    def window(self, config: Mapping[str, Any]) -> int | None:
        """``sliding_window``, where there is one."""
        window = self.completed(config).get("sliding_window")
        return int(window) if isinstance(window, (int, float)) and not isinstance(window, bool) else None

    def windows(self, config: Mapping[str, Any]) -> Windows:
        """Which layers have a window."""
        having = {bool(w) for w in self.windowed(self.completed(config))} if self.window(config) is not None else {False}
        return "some" if len(having) > 1 else "all" if having == {True} else "none"

    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """``max_position_embeddings``."""
        return Reader(self.completed(config), self.name).count("max_position_embeddings", 2048)

    # -- saying -----------------------------------------------------------------------------------------------------

    def embed(self, e: Emitter, s: DecoderShape) -> Tensor:
        """Tokens' rows, scaled where the family does so, some elements dropped."""
        x = e.embedding(e.token_table(s), scaled=self.scaled_embedding)
        e.rotary_table(s.rotary_dim)
        return e.dropout(x, s.embedding_dropout)

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it has a window
        """Attention and feed-forward, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self.called(e, self.norm(e, x, "input_layernorm"), lambda h: self.attention(e, s, h, windowed=layer))
                a = self.added(e, s, a)
            x = e.plus(x, a)
            m = self.called(e, self.norm(e, x, "post_attention_layernorm"), lambda h: self.feed_forward(e, s, h))
            return e.plus(x, self.added(e, s, m))

    def side_by_side(self, e: Emitter, s: DecoderShape, x: Tensor, *, windowed: bool) -> Tensor:
        """Attention and feed-forward of the same norm, both added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                h = self.norm(e, x, "input_layernorm")
                a = self.added(e, s, self.called(e, h, lambda h: self.attention(e, s, h, windowed=windowed)))
            m = self.added(e, s, self.called(e, h, lambda h: self.feed_forward(e, s, h)))
            return e.plus(e.plus(a, m), x)

    def called(self, e: Emitter, h: Tensor, half: Callable[[Tensor], Tensor]) -> Tensor:
        """A half of the layer is a module of its own."""
        with e.module(h):
            return half(h)

    def added(self, e: Emitter, s: DecoderShape, x: Tensor) -> Tensor:
        """What a half adds to the stream, some elements dropped."""
        return e.dropout(x, s.hidden_dropout)

    def norm(self, e: Emitter, x: Tensor, name: str) -> Tensor:
        """The family's norm."""
        return e.norm(x, self.norm_kind, weighted=self.norm_weighted, name=name, offset=self.norm_offset, wide=self.norm_wide)

    def attention(self, e: Emitter, s: DecoderShape, h: Tensor, *, windowed: bool) -> Tensor:
        """Queries, keys and values of their own matrices, rotated, and the output's matrix."""
        heads, kv_heads, bias = s.num_attention_heads, s.num_key_value_heads, s.attention_bias
        q = e.linear(h, heads * s.head_dim, name="q_proj", bias=bias, split="column", joined="qkv")
        if self.qk_norm:
            q = self._head_norm(e, q, heads, "q_norm")
        k = e.linear(h, kv_heads * s.head_dim, name="k_proj", bias=bias, split="column", joined="qkv")
        if self.qk_norm:
            k = self._head_norm(e, k, kv_heads, "k_norm")
        v = e.linear(h, kv_heads * s.head_dim, name="v_proj", bias=bias, split="column", joined="qkv")
        q, k = self.rotated(e, s, q, k, windowed=windowed)
        a = e.attention(q, k, v, s.heads(windowed=windowed))
        y = e.linear(a, s.hidden_size, name="o_proj", bias=s.output_bias, split="row")
        e.still_holds(h)  # until the half returns, its caller has its argument
        return y

    def rotated(self, e: Emitter, s: DecoderShape, q: Tensor, k: Tensor, *, windowed: bool = False) -> tuple[Tensor, Tensor]:
        """Queries and keys with their positions."""
        rotation = self.rotation_of(windowed=windowed)
        columns = s.rotary_dim if s.partial or rotation.cut else None
        return (
            e.rotary(q, s.num_attention_heads, columns=columns, rotation=rotation),
            e.rotary(k, s.num_key_value_heads, columns=columns, rotation=rotation),
        )

    def rotation_of(self, *, windowed: bool) -> Rotation:  # noqa: ARG002  a few families have several
        """How a layer's queries and keys are rotated."""
        return self.rotation

    def _head_norm(self, e: Emitter, x: Tensor, heads: Number, name: str) -> Tensor:
        return e.head_norm(x, heads, weighted=True, name=name, offset=self.norm_offset, wide=self.norm_wide)

    def feed_forward(self, e: Emitter, s: DecoderShape, h: Tensor) -> Tensor:
        """Up, activation and down; or a gate, whose activation times a second projection goes down (arXiv 2002.05202)."""
        if not self.gated:
            up = e.linear(h, s.intermediate_size, name="up_proj", bias=s.mlp_bias, split="column")
            return e.linear(e.activation(up, s.function), s.hidden_size, name="down_proj", bias=s.mlp_bias, split="row")
        gate = e.linear(h, s.intermediate_size, name="gate_proj", bias=s.mlp_bias, split="column", joined="gate")
        gate = e.activation(gate, s.function)
        up = e.linear(h, s.intermediate_size, name="up_proj", bias=s.mlp_bias, split="column", joined="gate")
        y = e.linear(e.times(gate, up), s.hidden_size, name="down_proj", bias=s.mlp_bias, split="row")
        e.still_holds(h)
        return y

    def head(self, e: Emitter, s: DecoderShape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = self.norm(e, x, "norm")
        head = e.head_weight(s, tied=s.tied)
        bias = e.weight(1.0, s.vocab_size, role="bias", name="head.bias") if self.head_bias else None
        e.loss(x, head, softcap=s.logit_softcap, bias=bias, scaled=self.scaled_logits)
