"""Plan: the job, the answers, and what they rest on."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from llmplan.completing import Assumption
from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.evaluate import Answers
from llmplan.evaluating.memory import refusal
from llmplan.nouns._table import Table
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

if TYPE_CHECKING:
    from llmplan.planning.explaining import Explanation


def _table(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same, never to be changed."""
    return Table(values)


def _unanswered(case: Case, answers: Answers) -> Iterator[str]:
    """What is left out, and why."""
    if answers.memory is None:
        yield "memory is not modelled for such a job as compiled code: whether it fits is not known"
    if case.machine.host_power is None:
        yield f"the host power of {case.machine.name} is not known: energy, bills and carbon are of its accelerators alone"


@attrs.frozen(kw_only=True)
class Plan:
    """
    What a job needs, takes and costs, and how sure that is.

    It prints as a table, shows as one in a notebook, is equal to another by value, and can be pickled.

    Attributes:
        case: The job, complete: every noun that the answers rest on.
        memory: Of one device. Asking for it raises where it is not modelled.
        fits: Whether the likely need is within the usable memory; None where memory is not modelled.
        fit_probability: How likely it is, from 0 to 1; None where memory is not modelled.
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
    _memory: MemoryReport | None
    fits: bool | None
    fit_probability: float | None
    time: TimeReport
    energy: EnergyReport
    cost: CostReport | None
    carbon: CarbonReport | None
    num_parameters: Mapping[str, int] = attrs.field(converter=_table)
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]
    overhead_sources: Mapping[str, Source] = attrs.field(converter=_table)
    versions: Mapping[str, str] = attrs.field(converter=_table)

    @classmethod
    def of(cls, case: Case, answers: Answers, assumptions: tuple[Assumption, ...], versions: Mapping[str, str]) -> "Plan":
        """A plan of a complete *case* and its *answers*."""
        cost, fit = cost_report(answers, case.site), answers.fit
        return cls(
            case=case,
            memory=memory_report(answers, case),
            fits=fit.fits if fit else None,
            fit_probability=fit.probability if fit else None,
            time=time_report(answers, case.tokens_per_step, case.ranks),
            energy=energy_report(answers),
            cost=cost,
            carbon=carbon_report(answers),
            num_parameters=dict(answers.parameters.by_role)
            | {"total": answers.parameters.total, "trainable": answers.parameters.trainable},
            assumptions=assumptions,
            warnings=(*_unanswered(case, answers), *(cost.warnings if cost else ())),
            overhead_sources={o.name: o.source for o in answers.overheads} | ({"usable": fit.usable_source} if fit else {}),
            versions=versions,
        )

    @property
    def memory(self) -> MemoryReport:
        """
        Memory of one device.

        Raises:
            UnsupportedError: It is not modelled for such a job; ``fits`` is None then.
        """
        if self._memory is None:
            raise refusal(self.case) or UnsupportedError("the memory of this plan", "nothing is said of it")
        return attrs.evolve(self._memory, case=self.case)

    def __str__(self) -> str:
        """A table of at most 80 columns."""
        from llmplan.planning.text import text

        return text(self)

    def _repr_html_(self) -> str:
        """The same as an HTML table, which a notebook shows."""
        from llmplan.planning.html import html

        return html(self)

    def explain(self) -> "Explanation":
        """
        Every number of the plan: its formula, inputs, source and basis.

        Returns:
            An object that prints them all, is iterated over, and finds one by its name.

        Example:
            >>> import llmplan
            >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
            >>> plan.explain()["time.mfu"].formula
            'time.flops_per_token * time.tokens_per_second / (machine.count * hardware.peak_flops)'

        .. versionadded:: 0.1.0
        """
        from llmplan.planning.explaining import explanation

        return explanation(self)

    def to_dict(self) -> dict[str, Any]:
        """
        The plan as plain data, ready for JSON: every number with its unit, every noun with its sources.

        It holds a ``schema_version`` and the versions of llmplan and of every package that an item came from; the
        documentation has its JSON schema. :meth:`from_dict` reads it back equal.

        Example:
            >>> import llmplan
            >>> data = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4)).to_dict()
            >>> data["schema_version"], data["memory"]["peak"]["unit"]
            (1, 'byte')

        .. versionadded:: 0.1.0
        """
        from llmplan.planning.serial import plan_to_dict

        return plan_to_dict(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """
        :meth:`to_dict` as JSON text.

        Args:
            indent: Blanks a level; None for one line.

        .. versionadded:: 0.1.0
        """
        from llmplan.planning.serial import plan_to_json

        return plan_to_json(self, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "<dict>") -> "Plan":
        """
        The plan that :meth:`to_dict` wrote.

        Args:
            data: What it gave, or what a JSON parser made of :meth:`to_json`.
            where: What to call the data in errors.

        Raises:
            SpecError: Another ``schema_version``, or whatever is wrong with the data, all of it at once, each fault
                with its path. An architecture is looked up by its name, and a name that no registry knows is a fault.

        Example:
            >>> import json, llmplan
            >>> plan = llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9, micro_batch_size=4))
            >>> llmplan.Plan.from_dict(json.loads(plan.to_json())) == plan
            True

        .. versionadded:: 0.1.0
        """
        from llmplan.planning.serial import plan_from_dict

        return plan_from_dict(data, cls, where=where)

    def __reduce__(self) -> tuple[Callable[..., "Plan"], tuple[Any, ...]]:
        from llmplan.planning.serial import rebuilt

        # An architecture is found again by its name: two of one name in one process would be two to every cache.
        job = {f.name: getattr(self.case, f.name) for f in attrs.fields(Case) if f.name != "architecture"}
        fields = {f.alias: getattr(self, f.name) for f in attrs.fields(type(self)) if f.name != "case"}
        return rebuilt, (type(self), fields, job)
