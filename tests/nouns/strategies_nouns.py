"""Hypothesis strategies for the nouns: physical ranges, made-up sources, every optional field given or left out."""

from typing import Any, get_args

import attrs
from hypothesis import strategies as st

from llmplan.nouns._noun import Noun
from llmplan.nouns.calibration import Calibration
from llmplan.nouns.constant import Constant
from llmplan.nouns.format import Format
from llmplan.nouns.grid import Grid
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.interconnect import Interconnect
from llmplan.nouns.lora import LoRA
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.precision import Precision
from llmplan.nouns.price import Price
from llmplan.nouns.recompute import Recompute
from llmplan.nouns.runtime import Runtime
from llmplan.nouns.serving import Serving
from llmplan.nouns.site import Site
from llmplan.nouns.training import Training
from llmplan.sources import Source, Sourced

letters = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
names = st.text(letters, min_size=1, max_size=20).filter(str.strip)
ids = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
dates = st.dates().map(lambda day: day.isoformat())
sources = st.builds(
    Source,
    kind=st.sampled_from(["datasheet", "paper", "measurement", "official", "secondary", "derived", "generated"]),
    title=names,
    url=st.sampled_from(["", "https://example.org/sheet"]),
    accessed=st.just("") | dates,
    note=texts,
)
positive = st.floats(1e-3, 1e6)
counts = st.integers(1, 10**6)


def sourced(*units: str, least: float = 1e-3, most: float = 1e6) -> st.SearchStrategy[Sourced]:
    """Quantities in one of *units*."""
    numbers = st.floats(least, most)
    return st.builds(lambda n, unit, source: Sourced(f"{n!r} {unit}", source), numbers, st.sampled_from(units), sources)


def given_or_left_out(cls: type[Noun], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nouns of *cls*: a field that has a default is sometimes left out."""
    with_default = {field.name for field in attrs.fields(cls) if field.default is not attrs.NOTHING}
    needed = {name: value for name, value in fields.items() if name not in with_default}
    optional = {name: value for name, value in fields.items() if name in with_default}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda chosen: cls(**chosen))


def choices(cls: type[Noun], field: str) -> st.SearchStrategy[Any]:
    """The choices that a field's Literal lists."""
    return st.sampled_from(get_args(getattr(attrs.fields(cls), field).type))


interconnects = given_or_left_out(Interconnect, name=names, bandwidth=sourced("GB/s", "Gbit/s"), switched=st.booleans())
hardwares = given_or_left_out(
    Hardware,
    name=ids,
    vendor=names,
    family=names,
    kind=choices(Hardware, "kind"),
    form=ids,
    year=st.integers(1990, 2100),
    memory_capacity=sourced("GB", "GiB", least=2.0, most=1e3),
    memory_usable=sourced("MiB", least=100.0, most=1500.0),
    memory_type=ids,
    memory_bandwidth=sourced("GB/s", "TB/s"),
    peak_flops=st.dictionaries(st.sampled_from(["bf16/fp32", "fp16/fp16", "fp8/fp32", "int8/int32"]), sourced("TFLOPS")),
    tdp=sourced("W", least=50.0, most=60.0),
    tdp_min=sourced("W", least=10.0, most=50.0),
    tdp_max=sourced("W", least=60.0, most=1e3),
    idle_power=sourced("W", least=0.0, most=40.0),
    nvlink_bandwidth=sourced("GB/s"),
    pcie_bandwidth=sourced("GB/s"),
    l2_cache=sourced("MiB"),
    sm_count=counts,
    boost_clock=sourced("MHz", "GHz"),
    display_reserved=sourced("MiB", least=0.0, most=1e3),
    notes=texts,
)
machines = given_or_left_out(
    Machine,
    name=ids,
    hardware=ids | hardwares,
    gpus_per_node=st.integers(1, 72),
    nodes=st.integers(1, 1000),
    interconnect=interconnects,
    fabric=interconnects,
    host_memory=sourced("GiB"),
    host_memory_bandwidth=sourced("GB/s"),
    disk_bandwidth=sourced("GB/s"),
    host_power=sourced("W"),
    kind=choices(Machine, "kind"),
)
_config_keys = ids.map(lambda key: f"said_{key}")
config_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_config_keys | texts, inner, max_size=3),
    max_leaves=8,
)
models = given_or_left_out(
    Model,
    name=ids,
    architecture=ids,
    config=st.fixed_dictionaries(
        {"hidden_size": counts, "num_hidden_layers": st.integers(1, 200)},
        optional={"auto_map": config_values, "rope_scaling": config_values, "sliding_window": st.none() | counts},
    ),
    num_parameters_published=st.integers(1, 10**15),
    source=sources,
)


def _with_scales(made: Format) -> Format:
    """Blocks have scales, scales have second ones, and what has blocks is not trained."""
    if made.block_elements is None:
        return made
    return made.evolve(scale_bits=8, second_block=256, second_scale_bits=32, trainable=False, reason="codes")


formats = given_or_left_out(
    Format,
    name=ids,
    element_bits=st.integers(1, 64),
    kind=choices(Format, "kind"),
    trainable=st.just(value=True),
    block_elements=st.sampled_from([16, 32, 64, 128]),
    offset_bits=st.integers(0, 64),
    table_bytes=st.integers(0, 2000),
    compute_format=ids,
    source=sources,
).map(_with_scales)
precisions = given_or_left_out(
    Precision,
    name=ids,
    weights=ids,
    gradients=ids,
    optimizer_states=ids,
    master_weights=ids,
    activations=ids,
    compute=ids,
    kv_cache=ids,
    casts=choices(Precision, "casts"),
    frozen_weights=ids,
    source=sources,
)
runtimes = given_or_left_out(
    Runtime,
    name=ids,
    framework=ids,
    mode=choices(Runtime, "mode"),
    attention=choices(Runtime, "attention"),
    expandable_segments=st.booleans(),
    gpu_memory_utilization=st.floats(0.1, 1.0),
    block_size=counts,
    source=sources,
)


def optimizers_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Optimizer]:
    """Optimizers of one library, with *fields* that go together."""
    return st.builds(Optimizer, name=ids, master=st.booleans(), when=choices(Optimizer, "when"), source=sources, **fields)


optimizers = st.one_of(
    optimizers_of(
        algorithm=st.sampled_from(["adamw", "sgd-momentum", "muon"]),
        implementation=st.sampled_from(["fused", "foreach", "loop"]),
        state_format=st.sampled_from(["parameter", "fp32"]),
        states_on=st.sampled_from(["device", "host"]),
    ),
    optimizers_of(
        algorithm=st.sampled_from(["adamw", "lion"]),
        implementation=st.just("bitsandbytes"),
        state_format=st.just("8bit-block"),
        embedding_states=choices(Optimizer, "embedding_states"),
        states_on=choices(Optimizer, "states_on"),
    ),
    optimizers_of(
        algorithm=st.just("adamw"),
        implementation=st.just("torchao"),
        state_format=st.sampled_from(["8bit-block", "4bit-block", "fp8-block"]),
    ),
)
recomputes = given_or_left_out(Recompute, name=texts, what=choices(Recompute, "what"), every=st.integers(1, 10))
loras = given_or_left_out(
    LoRA, rank=counts, alpha=positive, targets=st.just("all-linear") | st.lists(names, min_size=1, max_size=3).map(tuple)
)
trainings = given_or_left_out(
    Training,
    tokens=st.floats(1.0, 1e15),
    sequence_length=counts,
    micro_batch_size=st.integers(1, 64),
    global_batch_size=st.integers(64, 10**5),
    optimizer=ids | optimizers,
    recompute=ids | recomputes,
    loss=st.sampled_from(["plain", "chunked"]),
    loss_chunks=st.integers(1, 64),
    adapter=loras,
)
servings = given_or_left_out(
    Serving, prompt_tokens=counts, output_tokens=counts, arrival_rate=positive, ttft_goal=positive, tpot_goal=positive
)
parallelisms = st.integers(1, 8).flatmap(
    lambda tensor: given_or_left_out(
        Parallelism,
        data=counts,
        shard=st.integers(0, 3),
        tensor=st.just(tensor),
        pipeline=st.integers(1, 16),
        context=st.integers(1, 16),
        expert=st.integers(1, 16),
        context_exchange=choices(Parallelism, "context_exchange"),
        schedule=choices(Parallelism, "schedule").filter(lambda schedule: schedule != "interleaved"),
    ).map(lambda made: made.evolve(sequence=made.tensor))
) | st.builds(
    Parallelism,
    pipeline=st.integers(2, 16),
    schedule=st.sampled_from(["1f1b", "interleaved"]),
    virtual_stages=st.integers(2, 8),
    first_stage_layers=st.none() | counts,
    last_stage_layers=st.none() | counts,
)
grids = given_or_left_out(
    Grid,
    name=ids,
    region=names,
    carbon_intensity=sourced("g/kWh"),
    life_cycle_intensity=sourced("g/kWh"),
    basis=names,
    year=st.integers(1990, 2100),
)
currencies = st.sampled_from(["USD", "EUR", "TWD"])
prices = given_or_left_out(
    Price,
    name=ids,
    provider=names,
    hardware=ids,
    per_gpu_hour=positive,
    currency=currencies,
    region=names,
    purchase=choices(Price, "purchase"),
    date=dates,
    source=sources,
)
sites = given_or_left_out(
    Site,
    tariff=ids,
    price=ids | prices,
    grid=ids | grids,
    pue=st.floats(1.0, 3.0),
    time_zone=st.sampled_from(["Asia/Taipei", "Europe/Berlin", "UTC"]),
    start=dates,
    exchange_rate=st.just("31.828 TWD/USD on 2026-03-10"),
    baseline_kwh_per_month=st.floats(0.0, 1e6),
)
constants = given_or_left_out(
    Constant, value=positive, sigma=st.floats(0.0, 2.0), unit=st.sampled_from(["1", "s"]), meaning=names, source=sources
)
calibrations = given_or_left_out(
    Calibration,
    name=ids,
    constants=st.dictionaries(ids, constants, min_size=1, max_size=3),
    draw_count=st.sampled_from([1, 33]),
    method=names,
    data=names,
    date=dates,
    source=sources,
)

NOUNS: dict[type[Noun], st.SearchStrategy[Any]] = {
    Calibration: calibrations,
    Constant: constants,
    Format: formats,
    Grid: grids,
    Hardware: hardwares,
    Interconnect: interconnects,
    LoRA: loras,
    Machine: machines,
    Model: models,
    Optimizer: optimizers,
    Parallelism: parallelisms,
    Precision: precisions,
    Price: prices,
    Recompute: recomputes,
    Runtime: runtimes,
    Serving: servings,
    Site: sites,
    Training: trainings,
}
