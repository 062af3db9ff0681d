"""What a plan's table says, section by section and row by row, before anybody lays it out."""

from collections.abc import Iterable, Iterator

import attrs

from llmplan.evaluating.case import Case
from llmplan.planning.result import Plan
from llmplan.sources import Estimate
from llmplan.units import human

_SECONDS_A_DAY = 86400.0
_SHORTEST_IN_DAYS = 2.0


@attrs.frozen
class Row:
    """
    One line of a table.

    Attributes:
        label: What is told.
        likely: The value, or the likely one.
        interval: From low to high; empty for what is no interval.
        basis: What an answer rests on; empty for what is no answer.
        level: 0, or 1 for a part of the row above.
    """

    label: str
    likely: str
    interval: str = ""
    basis: str = ""
    level: int = 0


@attrs.frozen
class Section:
    """
    Rows under a heading.

    Attributes:
        title: The heading.
        rows: Lines with values.
        notes: Sentences.
    """

    title: str
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


def sections(plan: Plan) -> tuple[Section, ...]:
    """All sections of a *plan*'s table that have something to say."""
    found = (
        Section("Job", tuple(_job(plan))),
        Section("Memory of one device", tuple(_memory(plan))),
        Section("Time", tuple(_time(plan))),
        Section("Energy", tuple(_energy(plan))),
        Section("Money", tuple(_money(plan))),
        Section("Carbon", tuple(_carbon(plan))),
        Section("Assumptions", notes=tuple(str(a) for a in plan.assumptions)),
        Section("Warnings", notes=plan.warnings),
    )
    return tuple(section for section in found if section.rows or section.notes)


def title(plan: Plan) -> str:
    """What is planned, in one line."""
    return f"{plan.case.model.name} on {plan.case.machine.name}"


def verdict(plan: Plan) -> str:
    """Whether it fits, how sure that is, and what is needed against what can be had."""
    if plan.fit_probability is None:
        return "whether it fits is not known"
    word = "fits" if plan.fits else "does not fit"
    needed = "{} ({} to {})".format(*_three(plan.memory.needed))
    return f"{word} (probability {probability(plan.fit_probability)}): needs {needed} of {_one(plan.memory.usable)} a device"


def row(label: str, value: Estimate, *, level: int = 0) -> Row:
    """An estimate's row."""
    likely, _, interval = str(value).partition(" (")
    return Row(label, likely, interval.removesuffix(")"), value.basis, level)


def percent(label: str, value: Estimate) -> Row:
    """A share's row, in percent."""
    low, likely, high = (100.0 * x for x in value.si)
    interval = "" if low == high else f"{low:.1f} - {high:.1f}"
    return Row(label, f"{likely:.1f} %", interval, value.basis)


def money(label: str, amount: Estimate, *, level: int = 0) -> Row:
    """An amount's row; cents are left out where its interval is wider than they are."""
    low, likely, high = amount.si
    if high - low < 1.0:
        return row(label, amount, level=level)
    return Row(label, f"{likely:,.0f} {amount.unit}", f"{low:,.0f} - {high:,.0f}", amount.basis, level)


def _one(value: Estimate) -> str:
    return human(value.si[1], value.unit)


def _three(value: Estimate) -> tuple[str, str, str]:
    """The likely value with its unit, the low and the high one without."""
    likely, _, interval = str(value).partition(" (")
    low, _, high = interval.removesuffix(")").partition(" - ")
    return likely, low or likely, high or likely


def probability(p: float) -> str:
    """Two digits, and never 1.00 or 0.00 for what is not certain."""
    if p in (0.0, 1.0):
        return f"{p:.0f}"
    return f"{min(0.99, max(0.01, p)):.2f}"


# ---- the sections


def _job(plan: Plan) -> Iterator[Row]:
    case, counts = plan.case, plan.num_parameters
    yield Row("model", f"{case.model.name}, {counts['total']:,} parameters")
    if counts["trainable"] != counts["total"]:
        yield Row("trained", f"{counts['trainable']:,} parameters{_adapter(case)}")
    yield Row("machine", _machine(case))
    t = case.training
    yield Row("tokens", f"{t.tokens:,.0f} in sequences of {case.sequence_length:,}")
    yield Row("step", f"{case.tokens_per_step:,.0f} tokens: {_batch(case)}")
    yield Row("precision", case.precision.name + (f", frozen {case.frozen_format.name}" if case.frozen_format else ""))
    yield Row("optimizer", f"{case.optimizer.name}{_optimizer(case)}")
    yield Row("recompute, loss", f"{_recompute(case)}, {t.loss}" + (f" ({t.loss_chunks} chunks)" if t.loss == "chunked" else ""))
    yield Row("runtime", f"{case.runtime.name}, {case.runtime.attention} attention")
    if case.site is not None:
        yield Row("site", _site(case))


def _adapter(case: Case) -> str:
    adapter = case.training.adapter
    return f", adapters of rank {adapter.rank}" if adapter else ""


def _machine(case: Case) -> str:
    machine, name = case.machine, case.hardware.name
    nodes = f" in {machine.nodes:,} nodes of {machine.gpus_per_node}" if machine.nodes > 1 else ""
    return f"{machine.count:,} x {name}{nodes} ({case.hardware.vendor} {case.hardware.family}, {machine.kind})"


def _batch(case: Case) -> str:
    parts = (
        (case.micro_batch_size, "sequence"),
        (case.micro_batches, "micro-batch"),
        (case.ranks, "rank"),
    )
    sharding = case.parallelism.shard
    return " x ".join(_counted(n, what) for n, what in parts) + (f", ZeRO-{sharding}" if sharding else "")


def _counted(n: int, what: str) -> str:
    plural = what + ("es" if what.endswith("ch") else "s")
    return f"{n:,} {what if n == 1 else plural}"


def _optimizer(case: Case) -> str:
    o = case.optimizer
    notes = (", in backward" if o.when == "backward" else "", ", states on the host" if o.states_on == "host" else "")
    return "".join(notes)


def _recompute(case: Case) -> str:
    what = case.recompute
    return what.what if what.every == 1 else f"{what.what} in every {what.every}th block"


def _site(case: Case) -> str:
    site = case.site
    assert site is not None  # noqa: S101  # the caller asked
    named = ((kind, getattr(case, kind)) for kind in ("tariff", "grid", "price"))
    parts = [f"{kind} {noun.name}" for kind, noun in named if noun is not None]
    if case.tariff is not None:
        parts.append(f"from {site.start}" if site.start else "from any month's first day")
    if site.baseline_kwh_per_month:
        parts.append(f"beside {site.baseline_kwh_per_month:,g} kWh a month")
    return ", ".join([*parts, f"PUE {site.pue:g}"])


def _memory(plan: Plan) -> Iterator[Row]:
    if plan.fits is None:
        return
    m = plan.memory
    yield row("needed", m.needed)
    yield from (row(name, size, level=1) for name, size in _largest_first(m.terms.items()))
    yield row("usable", m.usable)
    yield row("allocated at the peak", m.peak)
    yield row("allocated in the first step", m.first_step_peak)
    yield row("kept for backward", m.saved_for_backward)
    yield row("reserved by the allocator", m.reserved)
    yield row("seen by the driver's tool", m.device)
    if any(m.host.si):
        yield row("in the host's memory", m.host)
    yield Row("peak in", f"{m.phase}, {m.moment}")


def _largest_first(terms: Iterable[tuple[str, Estimate]]) -> list[tuple[str, Estimate]]:
    return sorted(((name, value) for name, value in terms if any(value.si)), key=lambda item: -item[1].si[1])


def _time(plan: Plan) -> Iterator[Row]:
    t = plan.time
    yield row("step", t.step)
    yield from (row(_WAITS.get(name, name), value, level=1) for name, value in _largest_first(t.terms.items()))
    yield Row("steps", f"{t.steps:,}", "", "exact")
    yield row("total", t.total)
    yield from _both_ways(t.total)
    yield row("tokens per second", t.tokens_per_second)
    yield percent("MFU", t.mfu)
    if t.hfu != t.mfu:
        yield percent("HFU, with recomputation", t.hfu)
    yield Row("arithmetic of a token", f"{t.flops_per_token.si[1] / 1e9:,.3g} GFLOP", "", t.flops_per_token.basis)
    yield Row("bound by", t.bound_by)


_WAITS = {
    "launch": "waiting for launches",
    "exposed": "messages on the path",
    "communication": "messages not hidden",
    "bubble": "pipeline bubble",
    "fixed": "loop around a step",
}


def _both_ways(total: Estimate) -> Iterator[Row]:
    """Days in hours too."""
    if total.to("s").si[1] >= _SHORTEST_IN_DAYS * _SECONDS_A_DAY:
        low, likely, high = total.to("h").si
        yield Row("in hours", f"{likely:,.0f} h", f"{low:,.0f} - {high:,.0f}", total.basis, 1)


def _energy(plan: Plan) -> Iterator[Row]:
    e = plan.energy
    yield row("at the meter", e.site)
    yield row("accelerators", e.device, level=1)
    yield row("hosts", e.host, level=1)
    yield row("power of one accelerator", e.board_power)
    yield row("power at the meter", e.site_power)


def _money(plan: Plan) -> Iterator[Row]:
    c = plan.cost
    if c is None:
        return
    labels = {"electricity": "electricity the job adds", "bills": "whole bills of the time", "rent": "rent"}
    for name, label in labels.items():
        amount: Estimate | None = getattr(c, name)
        if amount is not None:
            yield money(label, amount)
        if name in c.converted:
            yield money(f"at {c.exchange_rate.split(' on ')[0]}", c.converted[name], level=1)


def _carbon(plan: Plan) -> Iterator[Row]:
    c = plan.carbon
    if c is None:
        return
    yield row("emitted (CO2e)", c.emitted)
    if c.life_cycle is not None:
        yield row("life cycle, counted apart", c.life_cycle)
    yield Row("basis", c.basis)
