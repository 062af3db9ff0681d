"""How a job treats the layers of its model: what runs again, what goes to the host, what is trained, what is dropped."""

import functools
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from llmplan.architectures.architecture import Architecture, Shape
from llmplan.evaluating.case import Case
from llmplan.evaluating.tracing import repeats, shortened
from llmplan.nouns._table import Table
from llmplan.nouns.model import Model
from llmplan.program.emit import Part
from llmplan.program.saving import Saves
from llmplan.program.stretch import Run, fold, treated

#: The part that a mode of recomputation is about.
_PARTS: Final[Mapping[str, Part | None]] = {
    "none": None,
    "full": "block",
    "attention": "attention",
    "attention-core": "attention-core",
    "pointwise": "block",
    "selective": "block",
    "offload": "block",
}
#: Whose results it keeps.
_SAVES: Final[Mapping[str, Saves]] = {"pointwise": "products", "selective": "every-second-product"}
#: Roles of the weights that are trained.
_TRAINS: Final[Mapping[str, frozenset[str] | None]] = {
    "all": None,
    "all-but-embedding": frozenset({"head", "matrix", "norm", "bias", "scalar", "router", "expert", "expert-bias"}),
    "head": frozenset({"head"}),
    "norms": frozenset({"norm"}),
    "biases": frozenset({"bias", "expert-bias"}),
}
#: What only the operations of plain PyTorch are known for.
_PLAIN_ONLY: Final = ("pointwise", "selective", "offload")
#: Longest period of unlike layers that is looked for.
_LONGEST_PERIOD: Final = 64


def treatment_of(case: Case) -> dict[str, Any]:
    """What a :class:`~llmplan.program.emit.Job` says of it."""
    what, training = case.recompute.what, case.training
    return {
        "recompute": _PARTS[what],
        "saves": _SAVES.get(what, "nothing"),
        "offloads": what == "offload",
        "loss": training.loss if training.loss in ("half", "fused") else "plain",
        "loss_chunks": training.loss_chunks if training.loss == "chunked" else 1,
        "trains": _TRAINS[training.trainable or "all"],
    }


def shape_of(case: Case) -> tuple[Shape, tuple[Run, ...], Mapping[str, float]]:
    """A case's shape and runs of layers as structure, and what the letters in them stand for."""
    training = case.training
    every = 1 if case.recompute.what == "none" else case.recompute.every
    return _in_letters(case.architecture, case.model, training.dropout, every, training.frozen_layers)


def layers_of(case: Case) -> tuple[Hashable, ...]:
    """Descriptions of a case's layers, as they are treated."""
    every = 1 if case.recompute.what == "none" else case.recompute.every
    return tuple(treated(case.architecture.layers(case.model.config), every, case.training.frozen_layers))


@functools.lru_cache(maxsize=1024)
def _in_letters(
    architecture: Architecture[Any], model: Model, dropout: float | None, every: int, frozen: int
) -> tuple[Shape, tuple[Run, ...], Mapping[str, float]]:
    config: Mapping[str, Any] = model.config
    if dropout is not None:
        config = {**config, **dict.fromkeys(architecture.dropouts, dropout)}
    shape: Shape = architecture.shape(config)
    layers = treated(architecture.layers(config), every, frozen)
    runs = tuple(fold(layers) if every == 1 else fold(layers, min(8 * every, _LONGEST_PERIOD)))
    return shape.in_letters(), shortened(runs), Table(shape.sizes() | repeats(runs))


def contradictions(case: Case) -> Iterator[str]:
    """What cannot be together."""
    training = case.training
    if training.adapter is not None and (training.trainable not in (None, "all") or training.frozen_layers):
        yield "an adapter is trained beside a model that stays as it is: leave trainable and frozen_layers out @ Training.adapter"
    if training.frozen_layers >= len(case.architecture.layers(case.model.config)) > 0 and training.frozen_layers:
        yield f"the model has no more than {training.frozen_layers} layers, and one must be trained @ Training.frozen_layers"
    if training.trainable == "head" and getattr(case.architecture.shape(case.model.config), "tied", False):
        yield "the head is the embedding's table, so that it cannot be trained alone @ Training.trainable"


def not_modelled(case: Case) -> Iterator[tuple[str, str]]:
    """What only the operations of plain PyTorch are known for."""
    if case.runtime.framework == "pytorch":
        return
    if case.recompute.what in _PLAIN_ONLY:
        yield f"recompute {case.recompute.what!r} in {case.runtime.framework}", "it is modelled in plain PyTorch"
    if case.training.loss == "half" or (case.training.loss == "fused" and case.runtime.framework != "megatron"):
        yield f"a {case.training.loss} loss in {case.runtime.framework}", "it is modelled in plain PyTorch"
