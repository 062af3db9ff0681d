"""Reports: the answers of a plan as its readers meet them, every number an interval with its unit."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from llmplan.billing.money import convert
from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.evaluate import Answers
from llmplan.evaluating.memory import Memory
from llmplan.evaluating.replaying import reserved
from llmplan.nouns._table import Table
from llmplan.nouns.site import ExchangeRate, Site
from llmplan.planning.later import later, made
from llmplan.sources import Estimate, Source

if TYPE_CHECKING:
    from llmplan.planning.memory_explaining import MemoryExplanation

_SECONDS_AN_HOUR = 3600.0


def _table(values: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """The same, never to be changed."""
    return Table(values)


#: How many parts of the peak a plan keeps by name.
_LARGEST = 12


@attrs.frozen(kw_only=True)
class MemoryReport:
    """
    Memory of one device.

    Attributes:
        peak: The most that PyTorch has allocated at once: exact arithmetic. [byte]
        first_step_peak: The same in the first step, before there are optimizer states. [byte]
        reserved: What the caching allocator holds. [byte]
        device: What the driver's tool shows: reserved, context, communication buffers, display. [byte]
        needed: What must be there for the job to run: the peak, workspaces, context, buffers, display. [byte]
        usable: What programs can have. [byte]
        terms: ``needed`` by what it is for: "parameters", "gradients", "optimizer", "activations", "temporary", "other",
            and what lies beside the tensors by name. [byte]
        phase: When the peak is: "forward", "release", "backward" or "optimizer".
        moment: What was made last then.
        saved_for_backward: Activations kept when the forward has ended, copies of weights among them. [byte]
        host: Kept in the host's memory. [byte]
        largest: The largest parts of the peak: label, category, bytes.
    """

    peak: Estimate
    first_step_peak: Estimate
    _reserved: Estimate
    _device: Estimate
    needed: Estimate
    usable: Estimate
    terms: Mapping[str, Estimate] = attrs.field(converter=_table)
    phase: str
    moment: str
    saved_for_backward: Estimate
    host: Estimate
    largest: tuple[tuple[str, str, float], ...]
    _case: Case | None = attrs.field(default=None, eq=False, repr=False, metadata={"said": False})

    def explain(self) -> "MemoryExplanation":
        """
        Why the peak is as high as it is: what lives then, its closed form in letters, and what each knob would save.

        Everything is computed when it is asked for: the savings are those of the same job with one thing changed.

        Raises:
            UnsupportedError: This report was not taken from a plan, so that nobody knows its job.

        Example:
            >>> import llmplan
            >>> job = llmplan.Training(tokens=1e9, sequence_length=1024, micro_batch_size=4, global_batch_size=64)
            >>> why = llmplan.plan("gpt2", "rtx-4090", job, precision="bf16").memory.explain()
            >>> why.parts[0].label, why.parts[0].place
            ('log_softmax', 'loss')
            >>> [(s.knob, s.after) for s in why.savings[:2]]
            [('Training.loss', 'chunked in 8'), ('Training.micro_batch_size', '2')]

        .. versionadded:: 0.1.0
        """
        from llmplan.planning.memory_explaining import explained

        if self._case is None:
            raise UnsupportedError("the explanation of a memory without its plan", "ask plan.memory.explain()")
        return explained(self._case)

    @property
    def reserved(self) -> Estimate:
        """What the caching allocator holds: it is replayed when this is first asked for. [byte]"""
        return made(self._reserved)

    @property
    def device(self) -> Estimate:
        """What the driver's tool shows: reserved, context, communication buffers, display. [byte]"""
        return made(self._device)


@attrs.frozen(kw_only=True)
class TimeReport:
    """
    Time of the run.

    Attributes:
        steps: Optimizer steps.
        step: One of them. [s]
        total: Wall clock of the run. [s]
        tokens_per_second: Of all devices. [token/s]
        mfu: Model FLOPs utilization: arithmetic of the model over the dense peak.
        hfu: Hardware FLOPs utilization: the same with what is recomputed.
        terms: Likely seconds of a step by what they go to. [s]
        bound_by: What most of a step waits for.
        conditions: Which unstated conditions the interval allows for.
        flops_per_token: Arithmetic of the model for one token, forward and backward, attention causal. [FLOP/token]
    """

    steps: int
    step: Estimate
    total: Estimate
    tokens_per_second: Estimate
    mfu: Estimate
    hfu: Estimate
    terms: Mapping[str, Estimate] = attrs.field(converter=_table)
    bound_by: str
    conditions: str
    flops_per_token: Estimate


@attrs.frozen(kw_only=True)
class EnergyReport:
    """
    Energy of the run.

    Attributes:
        device: All accelerators. [kWh]
        host: Everything else in the nodes. [kWh]
        site: What the meter counts: with losses of supplies and of the building. [kWh]
        board_power: Average of one accelerator. [W]
        site_power: Average at the meter. [W]
    """

    device: Estimate
    host: Estimate
    site: Estimate
    board_power: Estimate
    site_power: Estimate


@attrs.frozen(kw_only=True)
class CostReport:
    """
    Money; None where the site does not say.

    Attributes:
        electricity: What the job adds to the bills. [currency]
        bills: The whole bills of the time. [currency]
        rent: Of the accelerators. [currency]
        converted: The same at the site's dated rate, by name.
        exchange_rate: That rate in words; empty for none.
        warnings: What the bill should be read with.
    """

    electricity: Estimate | None = None
    bills: Estimate | None = None
    rent: Estimate | None = None
    converted: Mapping[str, Estimate] = attrs.field(factory=dict, converter=_table)
    exchange_rate: str = ""
    warnings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class CarbonReport:
    """
    Carbon, location based.

    Attributes:
        emitted: By the grid's own factor. [kg CO2e]
        life_cycle: With fuel supply, building and losses, where known; another basis, not to be added. [kg CO2e]
        basis: What the first counts.
    """

    emitted: Estimate
    life_cycle: Estimate | None
    basis: str


def memory_report(a: Answers, case: Case) -> MemoryReport | None:
    """The memory of *a*, the answers about a *case*, or None where it is not modelled."""
    held = a.memory
    if held is None or a.fit is None:
        return None
    held_by_allocator = later(functools.partial(reserved, case, held.peak))
    beside = [o for o in a.overheads if not o.counted]
    terms: dict[str, Estimate] = {str(c): _exact(b) for c, b in held.split().items()}
    terms |= _by_the_compiler(held) | {o.name: o.size for o in a.overheads}
    return MemoryReport(
        peak=_spread(held.peak, held),
        first_step_peak=_spread(held.first_step_peak, held),
        reserved=held_by_allocator,
        device=later(functools.partial(_on_device, held_by_allocator, [o.size for o in beside])),
        needed=a.fit.needed,
        usable=_as_known(a.fit.usable, a.fit.usable_source),
        terms=terms,
        phase=held.phase,
        moment=held.moment,
        saved_for_backward=_exact(held.saved_for_backward + held.saved_weight_casts),
        host=_exact(held.host),
        largest=tuple((p.label, p.category, p.bytes) for p in held.parts[:_LARGEST]),
    )


def _on_device(held: Estimate, beside: Sequence[Estimate]) -> Estimate:
    """What the allocator holds and what lies *beside* it. [byte]"""
    low, likely, high = (made(held).si[i] + sum(size.si[i] for size in beside) for i in range(3))
    return Estimate(low, likely, high, "byte")


def time_report(a: Answers, tokens_per_step: float, ranks: int) -> TimeReport:
    """The time of *a*."""
    t = a.timing
    flops = a.work.model_flops * ranks / tokens_per_step
    return TimeReport(
        steps=t.steps,
        step=Estimate.of(t.step, "s"),
        total=Estimate.of(t.total, "s"),
        tokens_per_second=Estimate.of(t.tokens_per_second, "token/s"),
        mfu=Estimate.of(t.mfu, ""),
        hfu=Estimate.of(t.hfu, ""),
        terms={name: Estimate(s, s, s, "s", basis="calibrated") for name, s in t.terms.items()},
        bound_by=t.bound_by,
        conditions=t.conditions,
        flops_per_token=Estimate.exact(flops, "FLOP/token"),
    )


def energy_report(a: Answers) -> EnergyReport:
    """The energy of *a*."""
    t = a.timing
    return EnergyReport(
        device=Estimate.of(t.device_kwh, "kWh"),
        host=Estimate.of(t.host_kwh, "kWh", "assumed"),
        site=Estimate.of(t.site_kwh, "kWh"),
        board_power=Estimate.of(t.board_power, "W"),
        site_power=Estimate.of(t.site_kwh * 1000.0 / (t.total / _SECONDS_AN_HOUR), "W"),
    )


def cost_report(a: Answers, site: Site | None) -> CostReport | None:
    """The money of *a*, and the same at the site's dated rate; None where the site names neither tariff nor price."""
    c, rate = a.cost, site.exchange if site else None
    found = {"electricity": c.electricity, "bills": c.bills, "rent": c.rent}
    amounts = {name: amount for name, amount in found.items() if amount is not None}
    if not amounts:
        return None
    others = {name: _converted(amount, rate) for name, amount in amounts.items()} if rate else {}
    converted = {name: other for name, other in others.items() if other is not None}
    return CostReport(
        electricity=c.electricity,
        bills=c.bills,
        rent=c.rent,
        converted=converted,
        exchange_rate=(site.exchange_rate or "") if site else "",
        warnings=c.warnings,
    )


def carbon_report(a: Answers) -> CarbonReport | None:
    """The carbon of *a*, or None where no grid is named."""
    if a.carbon is None:
        return None
    return CarbonReport(emitted=a.carbon.emitted, life_cycle=a.carbon.life_cycle, basis=a.carbon.basis)


def _converted(amount: Estimate, rate: ExchangeRate) -> Estimate | None:
    """An amount in the rate's other currency; None where the rate is about two others."""
    if amount.unit not in (rate.base, rate.quote):
        return None
    low, likely, high = (convert(x, amount.unit, rate) for x in amount.si)
    return Estimate(low.amount, likely.amount, high.amount, likely.currency, basis=amount.basis)


def _as_known(size: float, source: Source) -> Estimate:
    """A size that a source states. [byte]"""
    return Estimate(size, size, size, "byte", basis="assumed" if source.kind == "assumption" else "measured")


def _spread(size: float, held: Memory) -> Estimate:
    """A peak: arithmetic where operations run one by one; for compiled code as far off as it was measured to be. [byte]"""
    low, likely, high = held.spread
    if low == high:
        return _exact(size)
    return Estimate(low=low * size, likely=likely * size, high=high * size, unit="byte", basis="calibrated")


def _by_the_compiler(held: Memory) -> dict[str, Estimate]:
    """What a compiler's choice of buffers may add or take, where there is one. [byte]"""
    low, likely, high = ((share - 1.0) * held.peak for share in held.spread)
    if low == high:
        return {}
    return {"compiler": Estimate(low=low, likely=likely, high=high, unit="byte", basis="calibrated")}


def _exact(size: float) -> Estimate:
    return Estimate.exact(size, "byte")
