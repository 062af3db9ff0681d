"""Gemma 2: Gemma with norms before and after each half, windows in every other layer, capped scores and logits."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from llmplan.architectures.decoder import DecoderShape
from llmplan.architectures.gemma import Gemma
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor


class Gemma2(Gemma):
    """The decoder of "Gemma 2: Improving Open Language Models at a Practical Size", arXiv 2408.00118."""

    name = "gemma2"
    function_key = "hidden_activation"
    pattern: ClassVar[int] = 2  # each so-manieth layer sees all
    core: ClassVar[dict[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
    }
    defaults: ClassVar[dict[str, Any]] = {
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "sliding_window": 4096,
        "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0,
    }

    def windowed(self, config: Mapping[str, Any]) -> Sequence[bool]:
        """``layer_types``, or a window in all layers but each so-manieth."""
        if config.get("layer_types"):
            return super().windowed(config)
        every = config.get("sliding_window_pattern", self.pattern)
        return [(i + 1) % every != 0 for i in range(every)]

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  whether it has a window
        """Attention and feed-forward, each between two norms and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self.attention(e, s, self.norm(e, x, "input_layernorm"), windowed=layer)
                a = self.norm(e, a, "post_attention_layernorm")
            x = e.plus(x, a)
            m = self.feed_forward(e, s, self.norm(e, x, "pre_feedforward_layernorm"))
            return e.plus(x, self.norm(e, m, "post_feedforward_layernorm"))


GEMMA2 = Gemma2()
