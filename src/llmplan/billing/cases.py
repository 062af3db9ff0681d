"""
Bill cases: predict the bills of a case from its inputs alone, in the words of the case's own ``expected``.

A document of cases (format ``llmplan-bill-cases/1``) holds tariffs by key and cases that name one; a case's inputs are
its tariff, time zone, load, baseline and bill periods.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmplan.billing.bill import Bill
from llmplan.billing.job import JobBill, PeriodBill, bill_job
from llmplan.billing.load import Baseline
from llmplan.errors import SpecError, UnknownNameError
from llmplan.nouns.tariff import Tariff

FORMAT = "llmplan-bill-cases/1"
_INPUTS = ("time_zone", "load", "baseline", "bill_periods")


def case_inputs(document: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    """
    What a prediction may see of a case: its inputs with the tariff itself, and neither its name nor its result.

    Raises:
        UnknownNameError: The case names a tariff that the document does not have.
        SpecError: An input is missing.
    """
    missing = tuple(f"required field missing @ case.{name}" for name in ("tariff", *_INPUTS) if name not in case)
    if missing:
        raise SpecError("bill case", missing)
    tariffs = document.get("tariffs", {})
    tariff = case["tariff"]
    if not isinstance(tariff, Mapping):
        if tariff not in tariffs:
            raise UnknownNameError("tariff", str(tariff), tuple(tariffs))
        tariff = tariffs[tariff]
    return {"tariff": tariff, **{name: case[name] for name in _INPUTS}}


def predict(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    The bills of a case.

    Args:
        inputs: ``tariff`` (a URDB record with ``x``), ``time_zone``, ``load`` (start, hours, watts), ``baseline`` (one
            of kwh_per_month, kwh_by_month, watts, hourly_watts) and ``bill_periods``; see :func:`case_inputs`.

    Returns:
        ``whole_bill``, ``without_job``, ``job_adds``, ``job_kwh``, ``job_adds_per_kwh`` and ``periods``, as in a
        case's ``expected``.

    Raises:
        LlmplanError: A case that is not well-formed, or that cannot be billed.

    Example:
        >>> answer = predict({
        ...     "tariff": {"name": "flat", "energyratestructure": [[{"rate": 0.25}]]}, "time_zone": "America/New_York",
        ...     "load": {"start": "2026-05-01T00:00", "hours": 10, "watts": 1000}, "baseline": {"kwh_per_month": 100},
        ...     "bill_periods": [["2026-05-01", "2026-06-01"]]})
        >>> answer["whole_bill"], answer["without_job"], answer["job_adds"]
        (27.5, 25.0, 2.5)

    .. versionadded:: 0.1.0
    """
    load = _load(inputs["load"])
    made = bill_job(
        Tariff.from_urdb(inputs["tariff"]),
        watts=load["watts"],
        hours=load["hours"],
        start=load["start"],
        time_zone=inputs["time_zone"],
        baseline=baseline_of(inputs["baseline"]),
        bill_periods=inputs["bill_periods"],
    )
    return _told(made)


def _load(load: object) -> Mapping[str, Any]:
    if not isinstance(load, Mapping):
        raise SpecError("bill case", (f"expected a table, got {load!r:.80} @ load",))
    missing = tuple(f"required field missing @ load.{name}" for name in ("start", "hours", "watts") if name not in load)
    if missing:
        raise SpecError("bill case", missing)
    return load


def baseline_of(stated: Mapping[str, Any]) -> Baseline:
    """The baseline that a case states in one of its four forms."""
    makers: dict[str, Callable[[Any], Baseline]] = {
        "kwh_per_month": Baseline.even,
        "kwh_by_month": Baseline.monthly,
        "watts": Baseline.constant,
        "hourly_watts": Baseline.hourly,
    }
    if not isinstance(stated, Mapping) or len(stated) != 1 or next(iter(stated)) not in makers:
        raise SpecError("bill case", (f"expected one of {', '.join(makers)}, got {stated!r:.80} @ baseline",))
    ((form, amount),) = stated.items()
    return makers[form](amount)


def _told(made: JobBill) -> dict[str, Any]:
    return {
        "job_kwh": made.kwh,
        "whole_bill": made.whole,
        "without_job": made.without_job,
        "job_adds": made.job_adds,
        "job_adds_per_kwh": made.job_adds_per_kwh,
        "periods": [_period(period) for period in made.periods],
        "warnings": list(made.warnings),
    }


def _period(period: PeriodBill) -> dict[str, Any]:
    return {
        "from": period.start,
        "to": period.end,
        "with_job": _amounts(period.with_job) | {"energy_lines": _lines(period.with_job), "tax_lines": _taxes(period.with_job)},
        "without_job": _amounts(period.without_job),
        "job_adds": period.job_adds,
    }


def _amounts(bill: Bill) -> dict[str, float]:
    amounts = {
        "kwh": bill.kwh,
        "energy": bill.energy,
        "demand": bill.demand,
        "fixed": bill.fixed,
        "minimum_topup": bill.minimum_topup,
        "tax": bill.tax,
        "total": bill.total,
        "peak_kw": bill.peak_kw,
        "billed_kw": bill.billed_kw,
    }
    return {name: float(amount) for name, amount in amounts.items() if amount is not None}


def _lines(bill: Bill) -> Sequence[dict[str, float]]:
    return [
        {
            "period": line.period,
            "tier": line.tier,
            "kwh": float(line.kwh),
            "price": float(line.price),
            "amount": float(line.amount),
        }
        for line in bill.energy_lines
    ]


def _taxes(bill: Bill) -> dict[str, float]:
    return {name: float(amount) for name, amount in bill.tax_lines.items()}
