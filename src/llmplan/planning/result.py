"""Plan: the job, the answers, and what they rest on."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from llmplan.completing import Assumption
from llmplan.evaluating.case import Case
from llmplan.evaluating.evaluate import Answers
from llmplan.planning.reports import (
    CarbonReport,
    CostReport,
    EnergyReport,
    MemoryReport,
    TimeReport,
    carbon_report,
    cost_report,
    energy_report,
    memory_report,
    time_report,
)
from llmplan.sources import Source

#: Version of the form that :meth:`Plan.to_dict` writes.
SCHEMA_VERSION = 1


@attrs.frozen(kw_only=True)
class Plan:
    """
    What a job needs, takes and costs, and how sure that is.

    Attributes:
        case: The job, complete: every noun that the answers rest on.
        memory: Of one device.
        fits: Whether the likely need is within the usable memory.
        fit_probability: How likely it is, from 0 to 1.
        time: Of the run.
        energy: Of the run.
        cost: Electricity and rent, or None without a site that names them.
        carbon: What the energy emits, or None without a grid.
        num_parameters: Parameters of the model, by role, and their "total".
        assumptions: Knobs that were left open, and what they were set to.
        warnings: What the answers should be read with.
        overhead_sources: Where the figures of what lies beside the tensors come from, by name.
        versions: Of llmplan and of every package that something came from.

    Example:
        >>> import llmplan
        >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
        >>> plan.fits
        True
        >>> plan.memory.peak.basis
        'exact'
    """

    case: Case
    memory: MemoryReport
    fits: bool
    fit_probability: float
    time: TimeReport
    energy: EnergyReport
    cost: CostReport | None
    carbon: CarbonReport | None
    num_parameters: Mapping[str, int]
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]
    overhead_sources: Mapping[str, Source]
    versions: Mapping[str, str]

    @classmethod
    def of(cls, case: Case, answers: Answers, assumptions: tuple[Assumption, ...], versions: Mapping[str, str]) -> "Plan":
        """A plan of a complete *case* and its *answers*."""
        cost = cost_report(answers, case.site)
        return cls(
            case=case,
            memory=memory_report(answers),
            fits=answers.fit.fits,
            fit_probability=answers.fit.probability,
            time=time_report(answers, case.tokens_per_step, case.ranks),
            energy=energy_report(answers),
            cost=cost,
            carbon=carbon_report(answers),
            num_parameters=dict(answers.parameters.by_role)
            | {"total": answers.parameters.total, "trainable": answers.parameters.trainable},
            assumptions=assumptions,
            warnings=tuple(cost.warnings) if cost else (),
            overhead_sources={o.name: o.source for o in answers.overheads} | {"usable": answers.fit.usable_source},
            versions=versions,
        )
