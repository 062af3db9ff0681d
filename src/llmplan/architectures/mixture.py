"""
What mixtures of experts share: a decoder whose feed-forward half is, in some layers or in all, a router and experts.

A family says how its router chooses, how wide its experts are, which layers have them, and whether experts that every
token goes through stand beside them.
"""

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import attrs

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder, DecoderShape
from llmplan.program.emit import Emitter
from llmplan.program.experts import Experts, Router
from llmplan.program.op import Tensor
from llmplan.program.size import Number

#: Names of the same number in the configurations of different families.
_EXPERTS_KEYS = ("num_local_experts", "num_experts", "n_routed_experts")


@attrs.frozen(kw_only=True)
class MixtureShape(DecoderShape):
    """
    Numbers of a mixture of experts.

    Attributes:
        num_experts: Experts of a layer that are routed to.
        num_experts_per_tok: How many of them a token goes through.
        moe_intermediate_size: Columns between an expert's matrices.
        shared_intermediate_size: The same of the experts that every token goes through; 0 where there are none.
        normalized: Whether a token's scores are divided by their sum.
        scaled: Whether they are multiplied by a number.
        with_shared: Whether there are experts that every token goes through.
    """

    num_experts: Number
    num_experts_per_tok: Number
    moe_intermediate_size: Number
    shared_intermediate_size: Number
    normalized: bool
    scaled: bool
    with_shared: bool


@attrs.frozen(kw_only=True)
class MixtureLayer:
    """
    A layer.

    Attributes:
        windowed: Whether its attention has a window.
        routed: Whether it has experts; otherwise its feed-forward half is dense.
    """

    windowed: bool
    routed: bool


class Mixture(Decoder):
    """
    A family of mixtures, by what it does its own way.

    Attributes:
        experts_key: Where its configuration has the number of experts; other families' names for it are read too.
        width_key: Where it has the width of an expert.
    """

    cut = ()  # how experts' own matrices are cut among the ranks of a layer is not said
    shape_class: ClassVar[type[MixtureShape]] = MixtureShape
    experts_key: ClassVar[str] = "num_experts"
    width_key: ClassVar[str] = "moe_intermediate_size"

    def completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The number of experts under the family's own name, whichever it stands under."""
        said = dict(config)
        for key in _EXPERTS_KEYS:
            if said.get(key) is not None:
                said.setdefault(self.experts_key, said[key])
        return super().completed(said)

    def _numbers(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        experts, per_token = read.count(self.experts_key), read.count("num_experts_per_tok")
        read.must("num_experts_per_tok", per_token <= experts, f"{per_token} are more than the {experts} experts")
        return super()._numbers(read, config) | {
            "num_experts": experts,
            "num_experts_per_tok": per_token,
            "moe_intermediate_size": read.count(self.width_key),
            "shared_intermediate_size": self.shared_size(read, config),
        }

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return super()._choices(read, config) | {
            "normalized": True,
            "scaled": False,
            "with_shared": bool(self.shared_size(read, config)),
        }

    def active_share(self, config: Mapping[str, Any]) -> Fraction:
        """``num_experts_per_tok`` of the experts."""
        read = Reader(self.completed(config), self.name)
        return Fraction(read.count("num_experts_per_tok"), read.count(self.experts_key))

    def shared_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002  some families have them
        """Columns between the matrices of the experts that every token goes through; 0 where there are none."""
        return 0

    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """Which layers have a window, and which have experts."""
        windowed = super().layers(config)
        routed = self.routed(self.completed(config), len(windowed))
        return [MixtureLayer(windowed=bool(w), routed=r) for w, r in zip(windowed, routed, strict=True)]

    def routed(self, config: Mapping[str, Any], count: int) -> Sequence[bool]:  # noqa: ARG002  some families look at it
        """For each of *count* layers whether it has experts."""
        return [True] * count

    def block(self, e: Emitter, s: DecoderShape, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  a MixtureLayer
        """Attention, and a feed-forward half or experts, each after a norm and added to the stream."""
        with e.region("block"):
            with e.region("attention"):
                a = self.attention(e, s, self.norm(e, x, "input_layernorm"), windowed=layer.windowed)
                a = self.added(e, s, a)
            x = e.plus(x, a)
            h = self.norm(e, x, "post_attention_layernorm")
            m = self.mixture(e, s, h) if layer.routed and isinstance(s, MixtureShape) else self.feed_forward(e, s, h)
            return e.plus(x, self.added(e, s, m))

    def mixture(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The routed experts; families with shared ones add them."""
        return e.experts(h, e.route(h, self.router(s)), self.experts(s))

    def shared_expert(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The expert that every token goes through: a feed-forward half of its own width."""
        return self.feed_forward(e, attrs.evolve(s, intermediate_size=s.shared_intermediate_size), h)

    def router(self, s: MixtureShape) -> Router:
        """How experts are chosen."""
        return Router(
            experts=s.num_experts, per_token=s.num_experts_per_tok, normalized=s.normalized, scaled=s.scaled, name="mlp.gate"
        )

    def experts(self, s: MixtureShape) -> Experts:
        """What the experts are."""
        return Experts(intermediate_size=s.moe_intermediate_size, function=s.function, name="mlp.experts")
