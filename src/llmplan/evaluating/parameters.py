"""Parameters: how many a model has, by role, counted on the program that it becomes."""

import functools
from collections.abc import Mapping
from typing import Any, Final

import attrs

from llmplan.architectures.architecture import Architecture
from llmplan.evaluating.case import Case
from llmplan.evaluating.setup import shape_and_runs
from llmplan.evaluating.tracing import RANK, SEQUENCE, TOKENS, Structure, emit, repeats, shortened
from llmplan.nouns.model import Model
from llmplan.program.emit import Job
from llmplan.program.layer import Adapter
from llmplan.program.op import Tensor
from llmplan.program.size import Number, evaluate
from llmplan.runtimes import emitter_of

#: Roles of the parameters of experts that a router chooses among.
ROUTED: Final = ("expert", "expert-bias")


@attrs.frozen(kw_only=True)
class Parameters:
    """
    Numbers of parameters.

    Attributes:
        total: All of the model, each tensor once.
        by_role: The same by what they are for.
        routed: Those of experts that a router chooses among.
        active: Those that a token goes through: all but the routed experts that it is not sent to.
        trainable: Those that a job trains, adapters included.
    """

    total: int
    routed: int
    active: int
    by_role: Mapping[str, int]
    trainable: int


def parameters(case: Case) -> Parameters:
    """Those of a *case*'s model and adapter."""
    adapter = case.training.adapter
    base = count_parameters(case.architecture, case.model, 0)
    if adapter is None:
        return base
    adapted = count_parameters(case.architecture, case.model, adapter.rank, adapter.names)
    return attrs.evolve(base, trainable=adapted.trainable)


@functools.lru_cache(maxsize=1024)
def count_parameters(
    architecture: Architecture[Any], model: Model, rank: int = 0, targets: tuple[str, ...] | None = None
) -> Parameters:
    """
    Count the parameters of a *model*, exactly.

    Args:
        architecture: The one that the model names.
        model: The model.
        rank: Of adapters on its linear layers; 0 for none.
        targets: Names of the layers that have one; None for all.

    Raises:
        SpecError: The configuration describes no model.
    """
    shape, runs = shape_and_runs(architecture, model)
    structure = Structure(
        architecture=architecture,
        emitter=emitter_of("pytorch"),  # which framework does not matter to the count
        shape=shape.in_letters(),
        runs=shortened(runs),
        job=Job(tokens=TOKENS, sequence_length=SEQUENCE, adapters_only=rank > 0),
        adapter=Adapter(rank=RANK, targets=targets) if rank else None,
    )
    weights = emit_weights(structure)
    values = {**shape.sizes(), **repeats(runs), str(TOKENS): 1.0, str(SEQUENCE): 1.0, str(RANK): float(rank)}
    counts = evaluate([w.elements * n for w, n in weights], values)
    by_role: dict[str, int] = {}
    trainable = 0
    for (w, _), count in zip(weights, counts, strict=True):
        role = w.weight.role if w.weight else ""
        by_role[role] = by_role.get(role, 0) + round(float(count))
        trainable += round(float(count)) if w.needs_gradient else 0
    total = sum(by_role.values()) - by_role.get("adapter", 0)
    routed = sum(by_role.get(role, 0) for role in ROUTED)
    share = architecture.active_share(model.config)
    return Parameters(
        total=total, routed=routed, active=total - routed + round(routed * share), by_role=by_role, trainable=trainable
    )


@functools.lru_cache(maxsize=1024)
def emit_weights(structure: Structure) -> tuple[tuple[Tensor, Number], ...]:
    """The weights of a structure, and how many like each there are."""
    return tuple(emit(structure).weights())
