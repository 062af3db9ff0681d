"""
nanochat: rotary positions, norms without weights, QK-norm, squared ReLU, soft-capped logits, an untied head.

Two generations, read from the repository karpathy/nanochat: that of 2025 (``nanochat/gpt.py`` at commit 16788ee, the
one that d32 was trained with) and that of 2026 (commit 92d63d4: value embeddings on alternate layers, sliding windows,
residual scalars, a smeared embedding and a layer that is taken out again).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs

from llmplan.architectures.architecture import Architecture, Reader, Shape, aligned, wide
from llmplan.errors import JobError
from llmplan.nouns.model import Model
from llmplan.program.emit import Emitter, Heads
from llmplan.program.op import Tensor
from llmplan.program.size import Number, ceil, minimum
from llmplan.sources import Source

#: Columns of the stream that a value embedding's gate and the smear's gate look at (gpt.py, 2026).
_GATE_COLUMNS, _SMEAR_COLUMNS = 12.0, 24.0


@attrs.frozen(kw_only=True)
class NanochatShape(Shape):
    """
    Numbers of a nanochat.

    Attributes:
        num_attention_heads, num_key_value_heads: Heads of queries; of keys and values.
        head_dim: Columns of a head.
        mlp_size: Columns between the two matrices of a feed-forward half.
        sequence_len: Tokens of the longest sequence, which windows are shares of.
        grouped: Whether a key-value head serves several query heads.
        aligned, aligned_to_four: Whether a head's columns are a multiple of eight; of four.
        wide: Whether a head has more than 256 columns.
    """

    num_attention_heads: Number
    num_key_value_heads: Number
    head_dim: Number
    mlp_size: Number
    sequence_len: Number
    grouped: bool
    aligned: bool
    aligned_to_four: bool
    wide: bool

    def heads(self, window: Number | None = None) -> Heads:
        """The heads of a layer's attention."""
        return Heads(
            query=self.num_attention_heads,
            kv=self.num_key_value_heads,
            grouped=self.grouped,
            aligned=self.aligned,
            aligned_to_four=self.aligned_to_four,
            wide=self.wide,
            window=window,
        )


class _Nanochat(Architecture[NanochatShape]):
    """What the two generations share."""

    _vocabulary_multiple = 1

    def shape(self, config: Mapping[str, Any]) -> NanochatShape:
        """Read ``n_embd``, ``n_head``, ``n_kv_head``, ``vocab_size``, ``sequence_len``."""
        read = Reader(config, self.name)
        width, heads = read.count("n_embd"), read.count("n_head")
        kv_heads = read.count("n_kv_head", heads)
        read.must("n_head", width % heads == 0, f"{heads} heads do not divide n_embd {width}")
        read.must("n_kv_head", heads % kv_heads == 0, f"{kv_heads} do not divide {heads} query heads")
        read.must("n_embd", width // heads % 2 == 0, f"rotary positions need heads of even width, got {width / heads:g}")
        read.count("n_layer")
        words, multiple = read.count("vocab_size"), self._vocabulary_multiple
        shape = NanochatShape(
            hidden_size=width,
            vocab_size=-(-words // multiple) * multiple,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=width // heads,
            mlp_size=4 * width,
            sequence_len=read.count("sequence_len", 2048),
            grouped=heads != kv_heads,
            aligned=aligned(width / heads),
            aligned_to_four=aligned(width / heads, 4),
            wide=wide(width / heads),
        )
        self._windows(config, read)
        read.done()
        return shape

    def _windows(self, config: Mapping[str, Any], read: Reader) -> None:
        """Check what the generation has beside the numbers."""

    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """``sequence_len``."""
        return Reader(config, self.name).count("sequence_len", 2048)

    def embed(self, e: Emitter, s: NanochatShape) -> Tensor:
        """Tokens' rows, normed. The table and the rotary tables are BF16 where the script mixes precisions."""
        half = _half(e)
        e.rotary_table(s.head_dim, half)
        x = e.embedding(e.token_table(s, half))
        return e.norm(x, "rms", weighted=False)

    def _feed_forward(self, e: Emitter, s: NanochatShape, x: Tensor) -> Tensor:
        h = e.norm(x, "rms", weighted=False)
        with e.module(h):
            h = e.activation(e.linear(h, s.mlp_size, name="mlp.c_fc", split="column"), "relu2")
            m = e.linear(h, s.hidden_size, name="mlp.c_proj", split="row")
        return e.plus(x, m)

    def head(self, e: Emitter, s: NanochatShape, x: Tensor) -> None:
        """A norm, and logits that a hyperbolic tangent caps."""
        x = e.norm(x, "rms", weighted=False)
        e.loss(x, e.head_weight(s, tied=False), softcap=True)


class Nanochat2025(_Nanochat):
    """The generation of 2025."""

    name = "nanochat-2025"
    cut = ("num_attention_heads", "num_key_value_heads", "mlp_size")

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(config, self.name).count("n_layer")

    def block(self, e: Emitter, s: NanochatShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Attention and feed-forward, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                h = e.norm(x, "rms", weighted=False)
                with e.module(h):
                    a = self._attention(e, s, h)
            return self._feed_forward(e, s, e.plus(x, a))

    def _attention(self, e: Emitter, s: NanochatShape, h: Tensor) -> Tensor:
        heads, kv_heads = s.num_attention_heads, s.num_key_value_heads
        q = e.linear(h, heads * s.head_dim, name="c_q", split="column", joined="qkv")
        k = e.linear(h, kv_heads * s.head_dim, name="c_k", split="column", joined="qkv")
        v = e.linear(h, kv_heads * s.head_dim, name="c_v", split="column", joined="qkv")
        q, k = e.rotary(q, heads), e.rotary(k, kv_heads)
        q, k = e.head_norm(q, heads, weighted=False), e.head_norm(k, kv_heads, weighted=False)
        a = e.attention(q, k, v, s.heads())
        return e.linear(a, s.hidden_size, name="attn.c_proj", split="row")


@attrs.frozen
class _Layer2026:
    """A layer of 2026: whether its window is short, whether it has a value embedding, whether it is taken out."""

    short: bool
    value_embedding: bool
    backed_out: bool


class Nanochat2026(_Nanochat):
    """The generation of 2026."""

    name = "nanochat-2026"
    streams_alone = False  # each block mixes in the embedding's output
    _vocabulary_multiple = 64  # gpt.py pads the vocabulary to it

    def _windows(self, config: Mapping[str, Any], read: Reader) -> None:
        pattern = config.get("window_pattern", "SSSL")
        good = isinstance(pattern, str) and pattern != "" and set(pattern.upper()) <= {"S", "L"}
        read.must("window_pattern", good, f"expected letters S and L, got {pattern!r}")

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """Windows by the pattern, the last long; a value embedding on every second, the last among them."""
        n = Reader(config, self.name).count("n_layer")
        pattern = str(config.get("window_pattern", "SSSL")).upper()
        return [
            _Layer2026(
                short=pattern[i % len(pattern)] == "S" and i != n - 1,
                value_embedding=i % 2 == (n - 1) % 2,
                backed_out=i == n // 2,
            )
            for i in range(n)
        ]

    def embed(self, e: Emitter, s: NanochatShape) -> Tensor:
        """Normed rows, each mixed with the row of the token before it."""
        x = super().embed(e, s)
        first = e.first_columns(x, _SMEAR_COLUMNS, from_second_token=True)
        logit = e.product(first, e.weight(1.0, _SMEAR_COLUMNS, role="scalar", name="smear"))
        gate = e.scaled_by(e.activation(logit, "sigmoid"), e.weight(1.0, 1.0, role="scalar", name="smear_lambda"))
        x = e.next_to(x, gate)
        e.remember("first", x)
        return x

    def block(self, e: Emitter, s: NanochatShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a _Layer2026
        """The stream mixed with its beginning, then attention and feed-forward."""
        first = e.scaled_by(e.recall("first"), e.weight(1.0, 1.0, role="scalar", name="x0_lambda"))
        x = e.plus(e.scaled_by(x, e.weight(1.0, 1.0, role="scalar", name="resid_lambda")), first)
        values = self._value_embedding(e, s) if layer.value_embedding else None
        with e.region("block"):
            with e.region("attention"):
                h = e.norm(x, "rms", weighted=False)
                with e.module(h):
                    a = self._attention(e, s, h, values, short=layer.short)
            x = self._feed_forward(e, s, e.plus(x, a))
        if layer.backed_out:
            e.remember("backed out", x)
        return x

    def _value_embedding(self, e: Emitter, s: NanochatShape) -> Tensor:
        cols = s.num_key_value_heads * s.head_dim
        table = e.weight(s.vocab_size, cols, role="value-embedding", name="value embedding", format=_half(e))
        return e.embedding(table)

    def _attention(self, e: Emitter, s: NanochatShape, h: Tensor, values: Tensor | None, *, short: bool) -> Tensor:
        heads, kv_heads = s.num_attention_heads, s.num_key_value_heads
        q = e.linear(h, heads * s.head_dim, name="c_q")
        k = e.linear(h, kv_heads * s.head_dim, name="c_k")
        v = e.linear(h, kv_heads * s.head_dim, name="c_v")
        if values is not None:
            gate = e.activation(e.linear(e.first_columns(h, _GATE_COLUMNS), kv_heads, name="ve_gate"), "sigmoid")
            v = e.plus(v, e.gated(values, e.scale(gate), kv_heads))
        q, k = e.rotary(q, heads, negated_sines=True), e.rotary(k, kv_heads, negated_sines=True)
        q, k = e.head_norm(q, heads, weighted=False), e.head_norm(k, kv_heads, weighted=False)
        q, k = e.scale(q), e.scale(k)
        window = minimum(ceil(s.sequence_len / 4.0 / 128.0) * 128.0, s.sequence_len) if short else None
        a = e.attention(q, k, v, s.heads(window))
        return e.linear(a, s.hidden_size, name="attn.c_proj")

    def head(self, e: Emitter, s: NanochatShape, x: Tensor) -> None:
        """The middle layer's stream is subtracted before the norm."""
        middle = e.scaled_by(e.recall("backed out"), e.weight(1.0, 1.0, role="scalar", name="backout_lambda"))
        super().head(e, s, e.plus(x, middle))


def _half(e: Emitter) -> str | None:
    """The format of the tables that the script keeps in half precision when it mixes precisions."""
    return "bf16" if e.job.casts in ("autocast", "at-use") else None


NANOCHAT_2025 = Nanochat2025()
NANOCHAT_2026 = Nanochat2026()

_REPOSITORY = "https://github.com/karpathy/nanochat"

_SOURCES = {
    "nanochat-2025": Source(
        kind="secondary",
        title="nanochat scripts/base_train.py at its state of 2025-11",
        url=_REPOSITORY,
        accessed="2026-11-24",
    ),
    "nanochat-2026": Source(
        kind="secondary",
        title="nanochat scripts/base_train.py at commit 92d63d4",
        url=_REPOSITORY,
        accessed="2026-11-24",
    ),
}


def nanochat_2025(depth: int) -> Model:
    """
    The model of a depth by the rule of 2025: 64 columns a layer, ceil(width / 128) heads, a vocabulary of 65,536.

    Raises:
        JobError: For a depth whose width is no multiple of its heads, naming the nearest that are.

    Example:
        >>> nanochat_2025(32)["n_head"]
        16
        >>> nanochat_2025(21)
        Traceback (most recent call last):
        ...
        llmplan.errors.JobError: nanochat-2025-d21 cannot be built: 11 heads do not divide its width 1344; the nearest \
depths that can are 20 and 22
    """
    width, heads = _rule_2025(depth)
    if not _builds(depth):
        what = f"nanochat-2025-d{depth} cannot be built: {heads} heads do not divide its width {width}"
        near = _near(depth)
        can = f"nearest depths that can are {near[0]} and {near[1]}" if len(near) > 1 else f"nearest depth that can is {near[0]}"
        raise JobError((f"{what}; the {can}",))
    return _model("nanochat-2025", depth, width, heads, 65536)


def nanochat_2026(depth: int) -> Model:
    """
    The model of a depth by the rule of 2026: 64 columns a layer, rounded up to whole heads of 128, 32,768 words.

    Example:
        >>> nanochat_2026(21)["n_embd"]
        1408
    """
    heads = -(-depth * 64 // 128)
    return _model("nanochat-2026", depth, heads * 128, heads, 32768)


def _rule_2025(depth: int) -> tuple[int, int]:
    width = depth * 64
    return width, max(1, -(-width // 128))


def _builds(depth: int) -> bool:
    width, heads = _rule_2025(depth)
    return depth > 0 and width % heads == 0 and width // heads % 2 == 0


def _near(depth: int) -> list[int]:
    """The nearest smaller and larger depths that can be built, where there are such."""
    smaller = next((d for d in range(depth - 1, 0, -1) if _builds(d)), None)
    larger = next(d for d in range(max(depth, 0) + 1, max(depth, 0) + 100) if _builds(d))
    return [larger] if smaller is None else [smaller, larger]


def _model(architecture: str, depth: int, width: int, heads: int, words: int) -> Model:
    config: dict[str, Any] = {
        "sequence_len": 2048,
        "vocab_size": words,
        "n_layer": depth,
        "n_head": heads,
        "n_kv_head": heads,
        "n_embd": width,
    }
    if architecture == "nanochat-2026":
        config["window_pattern"] = "SSSL"
    return Model(name=f"{architecture}-d{depth}", architecture=architecture, config=config, source=_SOURCES[architecture])
