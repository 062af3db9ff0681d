"""Real plans of many kinds: what a plan may hold, one of each."""

import attrs
import pytest

import llmplan
from llmplan import LoRA, Parallelism, Plan, Site, Training
from llmplan.sources import Source, Sourced

_HOME = Site(
    tariff="tw-residential",
    grid="tw",
    price=llmplan.prices["aws-p5-48xlarge"].evolve(name="a neighbour's", hardware="rtx-4070"),
    baseline_kwh_per_month=345,
    start="2026-12-01",
    exchange_rate="31.828 TWD/USD on 2026-03-10",
)
_NOTES = Source.assumption("a <b>bold</b> guess & more")


def _renamed() -> Plan:
    """A model, a card and a machine of one's own, with names that want escaping."""
    card = llmplan.hardwares["rtx-4090"].evolve(name="<my> & card", tdp=Sourced("400 W", _NOTES))
    model = llmplan.models["gpt2"].evolve(name='<script>alert("x")</script>', source=_NOTES)
    return llmplan.plan(model, card, Training(tokens=1e8, micro_batch_size=2))


_PLANS = {
    "least": lambda: llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9)),
    "not-fitting": lambda: llmplan.plan("nanochat-d32", "rtx-4070", Training(tokens=38e9)),
    "site": lambda: llmplan.plan("nanochat-d20", "rtx-4070", Training(tokens=1e9, micro_batch_size=1), site=_HOME),
    "any-start": lambda: llmplan.plan("gpt2", "rtx-4070", Training(tokens=1e9), site=Site(tariff="us-residential-avg", grid="us")),
    "rent": lambda: llmplan.plan("gpt2", "8x h100-sxm", Training(tokens=1e10), site=Site(price="aws-p5-48xlarge")),
    "cluster": lambda: llmplan.plan(
        "llama-3.1-8b", "16x8 h100-sxm", Training(tokens=1e11, recompute="full"), parallelism=Parallelism(shard=3), precision="bf16"
    ),
    "in-backward": lambda: llmplan.plan(
        "gpt2",
        "rtx-4070",
        Training(tokens=1e9, optimizer=llmplan.optimizers["adamw"].evolve(when="backward"), loss="chunked"),
        precision="bf16",
    ),
    "on-host": lambda: llmplan.plan(
        "gpt2", "rtx-4070", Training(tokens=1e9, optimizer=llmplan.optimizers["adamw"].evolve(states_on="host"))
    ),
    "adapter": lambda: llmplan.plan(
        "llama-3.1-8b",
        "rtx-4090",
        llmplan.FineTuning(tokens=1e7, adapter=LoRA(rank=16), micro_batch_size=1),
        precision="qlora-nf4",
    ),
    "compiled": lambda: llmplan.plan("gpt2", "rtx-4090", Training(tokens=1e9), runtime="pytorch-compiled"),
    "unknown": lambda: llmplan.plan(
        "gpt2",
        "8x h100-sxm",
        Training(tokens=1e9),
        runtime="pytorch-compiled",
        parallelism=llmplan.Parallelism(shard=3),
    ),
    "renamed": _renamed,
}


@pytest.fixture(scope="session")
def plans() -> dict[str, Plan]:
    """All of them, by name."""
    return {name: make() for name, make in _PLANS.items()}


@pytest.fixture(params=sorted(_PLANS))
def plan(request, plans) -> Plan:
    """Each of them in its turn."""
    return plans[request.param]


@pytest.fixture
def numbers():
    """Every estimate and counted number in a plan, by the path to it."""
    return lambda plan: dict(_numbers(plan))


def _numbers(plan):
    for role, count in plan.num_parameters.items():
        yield f"num_parameters.{role}", float(count)
    if plan.fit_probability is not None:
        yield "fit_probability", plan.fit_probability
    for name in ("memory", "time", "energy", "cost", "carbon"):
        report = getattr(plan, "_memory" if name == "memory" else name)
        if report is not None:
            yield from _of_report(report, name)


def _of_report(report, path):
    for field in attrs.fields(type(report)):
        value = getattr(report, field.alias, None)  # a report keeps its case to itself
        here = f"{path}.{field.alias}"
        if isinstance(value, llmplan.Estimate):
            yield here, value
        elif isinstance(value, int):
            yield here, float(value)
        elif field.name == "largest":
            yield from ((f"{here}.{place}", size) for place, (_, _, size) in enumerate(value))
        elif hasattr(value, "items"):
            yield from ((f"{here}.{key}", item) for key, item in value.items())
