"""plan(): names become nouns, open knobs are completed, the case is evaluated, and a Plan comes out."""

from collections.abc import Mapping  # noqa: TC003  read at run time by the documentation
from os import PathLike  # noqa: TC003
from typing import Any, Final

from llmplan.completing import Assumption, complete
from llmplan.errors import SpecError, UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.evaluate import evaluate
from llmplan.nouns.calibration import Calibration
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.precision import Precision
from llmplan.nouns.recompute import Recompute
from llmplan.nouns.runtime import Runtime
from llmplan.nouns.serving import Serving
from llmplan.nouns.site import Site
from llmplan.nouns.training import Training
from llmplan.planning.origins import versions
from llmplan.planning.result import Plan
from llmplan.registry import resolve

DEFAULTS: Final = {"precision": "bf16-autocast", "optimizer": "adamw", "runtime": "pytorch", "calibration": "default"}
"""Registry names that stand where none is given."""

_NO_RECOMPUTE: Final = "none"


def plan(
    model: "str | PathLike[str] | Mapping[str, Any] | Model",
    machine: str | Hardware | Machine,
    workload: Training | Serving,
    *,
    precision: str | Precision | None = None,
    parallelism: Parallelism | None = None,
    runtime: str | Runtime | None = None,
    site: Site | None = None,
    calibration: str | Calibration | None = None,
) -> Plan:
    """
    Plan a job: will it fit, how long, how much energy, money and carbon, and how sure is that.

    Args:
        model: A registry name, a Model, or a config.json as a path or a dict.
        machine: A registry name, "8x h100-sxm", a Hardware or a Machine.
        workload: What is to be done. What it leaves open takes a stated default.
        precision: A registry name or a Precision; "bf16-autocast" where left out.
        parallelism: How the work is divided; one data-parallel rank a device where left out.
        runtime: A registry name or a Runtime; "pytorch" where left out.
        site: Where it runs; no bill and no carbon where left out.
        calibration: Constants of the time model; our own where left out.

    Returns:
        The plan. ``plan.assumptions`` lists every default that was taken.

    Raises:
        UnknownNameError: A name that no registry knows.
        PluginError: A name whose plugin is broken.
        SpecError: A noun or a configuration with faults.
        JobError: A job that contradicts itself.
        UnsupportedError: A job that is not modelled yet.

    Example:
        >>> import llmplan
        >>> plan = llmplan.plan("nanochat-d20", "8x h100-sxm", llmplan.Training(tokens=11.2e9))
        >>> plan.num_parameters["total"]
        560988160
        >>> plan.case.training.micro_batch_size, plan.fits
        (8, True)

    .. versionadded:: 0.1.0
    """
    case, named = resolved_case(
        model,
        machine,
        workload,
        precision=precision,
        parallelism=parallelism,
        runtime=runtime,
        site=site,
        calibration=calibration,
    )
    case, completed = complete(case)
    return Plan.of(case, evaluate(case), (*named, *completed), versions(case))


def resolved_case(
    model: "str | PathLike[str] | Mapping[str, Any] | Model",
    machine: str | Hardware | Machine,
    workload: Training | Serving,
    *,
    precision: str | Precision | None = None,
    parallelism: Parallelism | None = None,
    runtime: str | Runtime | None = None,
    site: Site | None = None,
    calibration: str | Calibration | None = None,
) -> tuple[Case, tuple[Assumption, ...]]:
    """
    The nouns that a job names, its numbers still open.

    Returns:
        The case, and which names were taken because none was given.

    Raises:
        UnknownNameError, PluginError, SpecError, UnsupportedError: As of :func:`plan`.
    """
    _check_workload(workload)
    if not isinstance(parallelism, Parallelism | None):
        raise SpecError("plan()", (f"expected a Parallelism, got {parallelism!r:.80} @ parallelism",))
    assert isinstance(workload, Training)  # noqa: S101
    given = {
        "precision": precision,
        "optimizer": workload.optimizer,
        "runtime": runtime,
        "calibration": calibration,
    }
    taken = {kind: DEFAULTS[kind] if value is None else value for kind, value in given.items()}
    nouns = {kind: resolve(kind, value) for kind, value in taken.items()}
    where: Machine = resolve("machine", machine)
    which: Model = resolve("model", model)
    frozen = nouns["precision"].frozen_weights
    recompute = workload.recompute or _NO_RECOMPUTE
    case = Case(
        model=which,
        architecture=resolve_architecture(which),
        hardware=where.hardware,  # type: ignore[arg-type]  # resolve() put the noun there
        machine=where,
        training=workload,
        optimizer=nouns["optimizer"],
        recompute=Recompute(what=recompute) if isinstance(recompute, str) else recompute,  # type: ignore[arg-type]  # the noun refuses other texts
        precision=nouns["precision"],
        frozen_format=None if frozen is None else resolve("format", frozen),
        parallelism=parallelism or Parallelism(),
        runtime=nouns["runtime"],
        calibration=nouns["calibration"],
        site=site,
        **_of_site(site),
    )
    notes = [_default(kind, DEFAULTS[kind]) for kind, value in given.items() if value is None]
    if workload.recompute is None:
        notes.append(Assumption(knob="Training.recompute", value=_NO_RECOMPUTE, why="nothing is recomputed where nothing is said"))
    return case, tuple(notes)


def resolve_architecture(model: Model) -> Any:  # noqa: ANN401  an Architecture of any shape
    """
    The architecture that a *model* names.

    Raises:
        UnknownNameError: No registry knows it; the message lists those that are known.
    """
    from llmplan.registry import architectures

    return architectures[model.architecture]


def _check_workload(workload: object) -> None:
    if isinstance(workload, Serving):
        raise UnsupportedError("serving", "only training is planned so far")
    if not isinstance(workload, Training):
        raise SpecError("plan()", (f"expected a Training, got {workload!r:.80} @ workload",))


def _of_site(site: Site | None) -> dict[str, Any]:
    """The nouns that a site names."""
    if site is None:
        return {}
    if not isinstance(site, Site):
        raise SpecError("plan()", (f"expected a Site, got {site!r:.80} @ site",))
    return {kind: resolve(kind, value) for kind in ("tariff", "grid", "price") if (value := getattr(site, kind)) is not None}


def _default(kind: str, name: str) -> Assumption:
    knob = "Training.optimizer" if kind == "optimizer" else kind
    return Assumption(knob=knob, value=name, why="the default where nothing is said")
