"""GPT-2: learned positions, layer norms with biases, one matrix for queries, keys and values, GELU, a tied head."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import attrs

from llmplan.architectures.architecture import Architecture, Reader, Shape, aligned
from llmplan.program.emit import Emitter, Heads
from llmplan.program.op import Tensor
from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class Gpt2Shape(Shape):
    """
    Numbers of a GPT-2.

    Attributes:
        num_attention_heads: Heads.
        head_dim: Columns of a head.
        intermediate_size: Columns between the two matrices of a feed-forward half.
        num_positions: Rows of the table of positions.
        aligned: Whether a head's columns are a multiple of eight.
        tied: Whether the head is the embedding's table.
    """

    num_attention_heads: Number
    head_dim: Number
    intermediate_size: Number
    num_positions: Number
    aligned: bool
    tied: bool


class Gpt2(Architecture[Gpt2Shape]):
    """
    The decoder of Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    Example:
        >>> shape = Gpt2().shape({"n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257, "n_positions": 1024})
        >>> shape.intermediate_size
        3072
    """

    name = "gpt2"
    dropouts = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
    cut = ("num_attention_heads", "intermediate_size")

    def shape(self, config: Mapping[str, Any]) -> Gpt2Shape:
        """Read ``n_embd``, ``n_head``, ``n_inner``, ``n_positions``, ``vocab_size``, ``tie_word_embeddings``."""
        read = Reader(config, self.name)
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
            tied=read.flag("tie_word_embeddings", default=True),
        )
        read.choice("activation_function", ["gelu_new", "gelu", "gelu_pytorch_tanh"], "gelu_new")
        read.done()
        return shape

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """All alike."""
        return ["layer"] * Reader(config, self.name).count("n_layer")

    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """As many tokens as there are positions."""
        return Reader(config, self.name).count("n_positions", 1024)

    def position_limit(self, config: Mapping[str, Any]) -> int | None:
        """As many tokens as there are positions."""
        return self.sequence_length(config)

    def embed(self, e: Emitter, s: Gpt2Shape) -> Tensor:
        """Tokens' rows plus positions' rows."""
        x = e.embedding(e.token_table(s))
        positions = e.weight(s.num_positions, s.hidden_size, role="position", name="wpe")
        return e.plus(x, e.positions(positions), broadcast=True)

    def block(self, e: Emitter, s: Gpt2Shape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401, ARG002
        """Attention and feed-forward, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                h = e.norm(x, "layer", weighted=True, name="ln_1")
                heads = s.num_attention_heads
                q, k, v = e.split(e.linear(h, 3 * heads * s.head_dim, name="c_attn", bias=True, split="column"), 3)
                a = e.attention(q, k, v, Heads(query=heads, kv=heads, grouped=False, aligned=s.aligned))
                a = e.linear(a, s.hidden_size, name="attn.c_proj", bias=True, split="row")
            x = e.plus(x, a)
            h = e.norm(x, "layer", weighted=True, name="ln_2")
            h = e.activation(e.linear(h, s.intermediate_size, name="c_fc", bias=True, split="column"), "gelu")
            return e.plus(x, e.linear(h, s.hidden_size, name="mlp.c_proj", bias=True, split="row"))

    def head(self, e: Emitter, s: Gpt2Shape, x: Tensor) -> None:
        """A norm, and logits by the embedding's table or a head of their own."""
        x = e.norm(x, "layer", weighted=True, name="ln_f")
        e.loss(x, e.head_weight(s, tied=s.tied), softcap=False)


GPT2 = Gpt2()
