"""GPT-2: learned positions, layer norms with biases, one matrix for queries, keys and values, GELU, a tied head."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Architecture, Reader, Shape, aligned, wide
from llmplan.program.emit import Emitter, Function, Heads
from llmplan.program.op import Tensor
from llmplan.program.size import Number

_FUNCTIONS: tuple[Function, ...] = ("gelu_new", "gelu", "gelu_pytorch_tanh")


@attrs.frozen(kw_only=True)
class Gpt2Shape(Shape):
    """
    Numbers of a GPT-2.

    Attributes:
        num_attention_heads: Heads.
        head_dim: Columns of a head.
        intermediate_size: Columns between the two matrices of a feed-forward half.
        num_positions: Rows of the table of positions.
        aligned, aligned_to_four: Whether a head's columns are a multiple of eight; of four.
        wide: Whether a head has more than 256 columns.
        tied: Whether the head is the embedding's table.
        function: The activation.
        embd_pdrop, attn_pdrop, resid_pdrop: Shares that are dropped of the embedding, of attention's probabilities, and of
            what each half adds to the stream.
    """

    num_attention_heads: Number
    head_dim: Number
    intermediate_size: Number
    num_positions: Number
    aligned: bool
    aligned_to_four: bool
    wide: bool
    tied: bool
    function: Function
    embd_pdrop: float
    attn_pdrop: float
    resid_pdrop: float

    def heads(self) -> Heads:
        """The heads of a layer's attention."""
        heads = self.num_attention_heads
        return Heads(
            query=heads,
            kv=heads,
            grouped=False,
            aligned=self.aligned,
            aligned_to_four=self.aligned_to_four,
            wide=self.wide,
            narrow_softmax=True,
            dropout=self.attn_pdrop,
        )


class Gpt2(Architecture[Gpt2Shape]):
    """
    The decoder of Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    Example:
        >>> shape = Gpt2().shape({"n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257, "n_positions": 1024})
        >>> shape.intermediate_size
        3072
    """

    name = "gpt2"
    spellings: ClassVar[dict[str, str]] = {
        "hidden_size": "n_embd",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
        "max_position_embeddings": "n_positions",
    }
    core: ClassVar[dict[str, Any]] = {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12}
    dropouts = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
    cut = ("num_attention_heads", "intermediate_size")

    def shape(self, config: Mapping[str, Any]) -> Gpt2Shape:
        """Read ``n_embd``, ``n_head``, ``n_inner``, ``n_positions``, ``vocab_size``, ``tie_word_embeddings``."""
        read = Reader(self.renamed(config), self.name)
        width, heads = read.count("n_embd"), read.count("n_head")
        read.must("n_head", width % heads == 0, f"{heads} heads do not divide n_embd {width}")
        read.count("n_layer")
        shape = Gpt2Shape(
            hidden_size=width,
            vocab_size=read.count("vocab_size"),
            num_attention_heads=heads,
            head_dim=width // heads,
            intermediate_size=read.count("n_inner", 4 * width),
            num_positions=read.count("n_positions", 1024),
            aligned=aligned(width / heads),
            aligned_to_four=aligned(width / heads, 4),
            wide=wide(width / heads),
            tied=read.flag("tie_word_embeddings", default=True),
            function=read.choice("activation_function", _FUNCTIONS, "gelu_new"),
            embd_pdrop=read.rate("embd_pdrop", 0.1),
            attn_pdrop=read.rate("attn_pdrop", 0.1),
            resid_pdrop=read.rate("resid_pdrop", 0.1),
        )
        read.done()
        return shape

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(self.renamed(config), self.name).count("n_layer")

    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """As many tokens as there are positions."""
        return Reader(self.renamed(config), self.name).count("n_positions", 1024)

    def position_limit(self, config: Mapping[str, Any]) -> int | None:
        """As many tokens as there are positions."""
        return self.sequence_length(config)

    def embed(self, e: Emitter, s: Gpt2Shape) -> Tensor:
        """Tokens' rows plus positions' rows."""
        x = e.embedding(e.token_table(s))
        positions = e.weight(s.num_positions, s.hidden_size, role="position", name="wpe")
        return e.dropout(e.plus(x, e.positions(positions), broadcast=True), s.embd_pdrop)

    def block(self, e: Emitter, s: Gpt2Shape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Attention and feed-forward, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self._attention(e, s, e.norm(x, "layer", weighted=True, name="ln_1"))
            x = e.plus(x, a)
            return e.plus(x, self._feed_forward(e, s, e.norm(x, "layer", weighted=True, name="ln_2")))

    def _attention(self, e: Emitter, s: Gpt2Shape, h: Tensor) -> Tensor:
        with e.module(h):
            q, k, v = e.split(e.linear(h, 3 * s.num_attention_heads * s.head_dim, name="c_attn", bias=True, split="column"), 3)
            a = e.attention(q, k, v, s.heads())
            return e.dropout(e.linear(a, s.hidden_size, name="attn.c_proj", bias=True, split="row"), s.resid_pdrop)

    def _feed_forward(self, e: Emitter, s: Gpt2Shape, h: Tensor) -> Tensor:
        with e.module(h):
            h = e.activation(e.linear(h, s.intermediate_size, name="c_fc", bias=True, split="column"), s.function)
            h = e.linear(h, s.hidden_size, name="mlp.c_proj", bias=True, split="row")
            return e.dropout(h, s.resid_pdrop)

    def head(self, e: Emitter, s: Gpt2Shape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = e.norm(x, "layer", weighted=True, name="ln_f")
        e.loss(x, e.head_weight(s, tied=s.tied), softcap=False)


GPT2 = Gpt2()
