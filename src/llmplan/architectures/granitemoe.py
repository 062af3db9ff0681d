"""Granite's mixtures: experts in every layer, chosen before scores are made of their logits; some with a shared one."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.granite import Granite
from llmplan.architectures.mixture import Mixture, MixtureShape
from llmplan.program.emit import Emitter
from llmplan.program.experts import Router
from llmplan.program.op import Tensor


class GraniteMoe(Mixture, Granite):
    """The mixtures of "Granite 3.0 Language Models" (IBM, 2024)."""

    name = "granitemoe"
    experts_key = "num_local_experts"
    width_key = "intermediate_size"
    defaults: ClassVar[dict[str, Any]] = {
        **Granite.core,
        **Granite.defaults,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    }

    def router(self, s: MixtureShape) -> Router:
        """A softmax of the highest logits, cast to the input's format."""
        return Router(experts=s.num_experts, per_token=s.num_experts_per_tok, chosen_first=True, narrowed=True, name="router")


class GraniteMoeShared(GraniteMoe):
    """The same with an expert that every token goes through."""

    name = "granitemoeshared"

    def shared_size(self, read: Reader, config: Mapping[str, Any]) -> int:  # noqa: ARG002
        """``shared_intermediate_size``."""
        return read.count("shared_intermediate_size", 0, least=0)

    def mixture(self, e: Emitter, s: MixtureShape, h: Tensor) -> Tensor:
        """The sum of the routed experts and the shared one, whose two halves are one matrix."""
        routed = super().mixture(e, s, h)
        if not s.with_shared:
            return routed
        gate, up = e.split(e.linear(h, 2.0 * s.shared_intermediate_size, name="shared_mlp.input_linear"), 2)
        shared = e.times(e.activation(gate, s.function), up)
        return e.plus(routed, e.linear(shared, s.hidden_size, name="shared_mlp.output_linear"))


GRANITE_MOE = GraniteMoe()
GRANITE_MOE_SHARED = GraniteMoeShared()
