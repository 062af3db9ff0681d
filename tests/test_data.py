"""Our own data: every file can be read, every number says where it comes from, and no two contradict each other."""

import datetime as dt
import importlib
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

import llmplan
from llmplan.billing.job import bill_job
from llmplan.billing.load import Baseline
from llmplan.nouns._noun import Noun
from llmplan.nouns.format import Format
from llmplan.nouns.grid import Grid
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.precision import Precision
from llmplan.nouns.price import Price
from llmplan.nouns.tariff import Tariff
from llmplan.reading import read
from llmplan.sources import Source, Sourced

DATA = Path(str(llmplan.__file__)).parent / "data"
KINDS = ("hardware", "machine", "model", "format", "precision", "optimizer", "runtime", "tariff", "grid", "price")
FILES = sorted(file for kind in KINDS for file in (DATA / kind).glob("*.toml"))
IDS = [f"{file.parent.name}/{file.stem}" for file in FILES]

UNDATED = {"assumption", "derived", "generated"}
"""Kinds of source that are nobody's document, and so were read on no day."""

EXPECTED = {
    "hardware": "a100-sxm-80gb h100-sxm rtx-4070 rtx-4070-laptop rtx-4090",
    "machine": "8x-a100-sxm-80gb 8x-h100-sxm host-desktop host-laptop host-server",
    "model": "gpt2 gpt2-large gpt2-medium gpt2-xl llama-3.1-8b nanochat-2026-d24 nanochat-d20 nanochat-d26 nanochat-d32",
    "format": "8bit-block bf16 fp16 fp32 fp8-e4m3 fp8-e5m2 int8 nf4 nf4-double-quantized",
    "precision": "bf16 bf16-autocast bf16-cast bf16-gather bf16-master fp16-autocast fp32 qlora-nf4 qlora-nf4-dq",
    "optimizer": (
        "adafactor adafactor-transformers adamw adamw-4bit-torchao adamw-8bit adamw-8bit-torchao adamw-amsgrad adamw-foreach "
        "adamw-fp8-torchao adamw-loop lion lion-8bit muon paged-adamw-32bit paged-adamw-8bit sgd sgd-momentum"
    ),
    "runtime": "megatron pytorch pytorch-compiled transformers",
    "tariff": "de-eurostat-2025s2 tw-residential us-residential-avg",
    "grid": "de tw us",
    "price": "aws-p5-48xlarge azure-nd96isr-h100-v5-spot oci-bm-gpu-a100-v2-8",
}


def noun_of(file: Path) -> Any:
    """The noun that *file* describes; a kind is the name of its class in lower case."""
    kind = file.parent.name
    cls = getattr(importlib.import_module(f"llmplan.nouns.{kind}"), kind.capitalize())
    return read(file, cls)


def nouns_of(kind: str) -> list[Any]:
    return [noun_of(file) for file in FILES if file.parent.name == kind]


def names_of(kind: str) -> set[str]:
    return {file.stem for file in FILES if file.parent.name == kind}


def parts_of(value: Any) -> Iterator[Any]:
    """*value* and everything inside it: the fields of nouns, the items of tables and tuples."""
    yield value
    if isinstance(value, Noun):
        cls: Any = type(value)
        for field in attrs.fields(cls):
            yield from parts_of(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from parts_of(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from parts_of(item)


@pytest.mark.parametrize("kind", KINDS)
def test_the_items_of_a_kind(kind: str) -> None:
    """A file that is lost, or that is not listed here, is noticed."""
    assert names_of(kind) == set(EXPECTED[kind].split())


@pytest.mark.parametrize("file", FILES, ids=IDS)
class TestFile:
    def test_it_is_read(self, file: Path) -> None:
        assert noun_of(file).name == file.stem

    def test_it_states_the_agreement_and_no_source_in_vain(self, file: Path) -> None:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        assert data["api"] == 1
        cited = set(self._cited(data))
        assert cited == set(data["sources"])

    def test_every_number_has_a_source_that_can_be_found_again(self, file: Path) -> None:
        found = [part for part in parts_of(noun_of(file)) if isinstance(part, Source | Sourced)]
        assert found
        for part in found:
            source = part.source if isinstance(part, Sourced) else part
            assert source.title.strip()
            assert source.note.strip() or source.url or source.kind == "assumption"
            if source.kind not in UNDATED:
                assert dt.date.fromisoformat(source.accessed) <= dt.date(2026, 12, 31)
            if source.kind == "derived":
                assert source.note.strip(), "what is derived says how"

    def _cited(self, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "source" and isinstance(item, str):
                    yield item
                elif key != "sources":
                    yield from self._cited(item)
        elif isinstance(value, list):
            for item in value:
                yield from self._cited(item)


PER_SM = {
    "Ada Lovelace": {"fp16/fp16": 1024, "fp16/fp32": 512, "bf16/fp32": 512, "tf32/fp32": 256, "fp32/fp32": 256},
    "Ampere": {"fp16/fp16": 2048, "fp16/fp32": 2048, "bf16/fp32": 2048, "tf32/fp32": 1024, "fp32/fp32": 128},
    # FP32 runs at a higher clock than the tensor cores, so it does not follow from the clock that is printed.
    "Hopper": {"fp16/fp16": 4096, "fp16/fp32": 4096, "bf16/fp32": 4096, "tf32/fp32": 2048},
}
"""Dense FLOP per multiprocessor and clock: NVIDIA's whitepapers of Ada (GeForce), Ampere (GA100) and Hopper."""

PER_SM["Ada Lovelace"] |= {"fp8/fp32": 1024, "fp8/fp16": 2048, "int8/int32": 2048}
PER_SM["Ampere"] |= {"int8/int32": 4096}
PER_SM["Hopper"] |= {"fp8/fp32": 8192, "fp8/fp16": 8192, "int8/int32": 8192}


@pytest.mark.parametrize("card", nouns_of("hardware"), ids=lambda card: card.name)
class TestHardware:
    def test_rates_are_dense_and_follow_from_clock_and_multiprocessors(self, card: Hardware) -> None:
        assert card.boost_clock is not None
        assert card.sm_count is not None
        for pair, per_clock in PER_SM[card.family].items():
            assert card.peak_flops[pair].si == pytest.approx(card.sm_count * card.boost_clock.si * per_clock, rel=2e-3), pair

    def test_the_driver_shows_nearly_all_memory(self, card: Hardware) -> None:
        assert card.memory_usable is not None
        assert 0.99 * card.memory_capacity.si < card.memory_usable.si <= card.memory_capacity.si

    def test_memory_is_faster_than_any_link(self, card: Hardware) -> None:
        links = [link.si for link in (card.nvlink_bandwidth, card.pcie_bandwidth) if link is not None]
        assert card.memory_bandwidth.si > max(links)

    def test_screens_hang_on_cards_of_desktops_and_laptops(self, card: Hardware) -> None:
        assert (card.display_reserved is None) == (card.kind == "server")

    def test_it_idles_far_below_its_limit(self, card: Hardware) -> None:
        assert card.idle_power is not None
        assert card.idle_power.si < 0.2 * card.tdp.si


def test_a_laptop_card_has_a_range_of_power() -> None:
    card = read(DATA / "hardware" / "rtx-4070-laptop.toml", Hardware)
    assert card.tdp_min is not None
    assert card.tdp_max is not None
    assert (card.tdp_min.si, card.tdp.si, card.tdp_max.si) == (35, 115, 140)


@pytest.mark.parametrize("machine", nouns_of("machine"), ids=lambda machine: machine.name)
class TestMachine:
    def test_its_hardware_is_known_and_of_its_kind(self, machine: Machine) -> None:
        cards = {card.name: card for card in nouns_of("hardware")}
        assert isinstance(machine.hardware, str)
        assert cards[machine.hardware].kind == machine.kind

    def test_a_link_carries_half_of_what_the_card_states_for_both_directions(self, machine: Machine) -> None:
        if machine.interconnect is not None:
            card = next(card for card in nouns_of("hardware") if card.name == machine.hardware)
            assert machine.interconnect.bandwidth.si == card.nvlink_bandwidth.si / 2

    def test_its_host_draws_something(self, machine: Machine) -> None:
        assert machine.host_power is not None
        assert machine.host_power.si > 0


def test_there_is_a_host_for_every_kind_of_card() -> None:
    assert {f"host-{card.kind}" for card in nouns_of("hardware")} <= names_of("machine")


def test_a_node_of_eight_draws_what_was_measured() -> None:
    """76 % of 10.2 kW with all cards at their limit, by arXiv:2506.14551."""
    node = read(DATA / "machine" / "8x-h100-sxm.toml", Machine)
    card = read(DATA / "hardware" / "h100-sxm.toml", Hardware)
    assert node.host_power is not None
    assert node.host_power.si + 8 * card.tdp.si == pytest.approx(0.76 * 10_200, rel=1e-3)


def parameters_of(model: Model) -> int:
    """Parameters by the formula of each family, written down apart from the architectures on purpose."""
    formulas = {"gpt2": _gpt2, "llama": _llama, "nanochat-2025": _nanochat_2025, "nanochat-2026": _nanochat_2026}
    return formulas[model.architecture](model)


def _gpt2(m: Model) -> int:
    d = m["n_embd"]
    return int((m["vocab_size"] + m["n_positions"]) * d + m["n_layer"] * (12 * d * d + 13 * d) + 2 * d)


def _llama(m: Model) -> int:
    d, f = m["hidden_size"], m["intermediate_size"]
    attention = d * m["head_dim"] * (2 * m["num_attention_heads"] + 2 * m["num_key_value_heads"])
    return int(2 * m["vocab_size"] * d + m["num_hidden_layers"] * (attention + 3 * d * f + 2 * d) + d)


def _nanochat_2025(m: Model) -> int:
    return int(2 * m["vocab_size"] * m["n_embd"] + 12 * m["n_layer"] * m["n_embd"] ** 2)


def _nanochat_2026(m: Model) -> int:
    with_values = -(-m["n_layer"] // 2)
    values = with_values * (m["vocab_size"] * m["n_embd"] + 12 * m["n_kv_head"])
    # Two scalars a layer, 24 weights of the smear gate, and a scalar each for smear and backout.
    return int(_nanochat_2025(m) + values + 2 * m["n_layer"] + 24 + 2)


@pytest.mark.parametrize("model", nouns_of("model"), ids=lambda model: model.name)
def test_a_model_has_as_many_parameters_as_was_published(model: Model) -> None:
    assert model.num_parameters_published in {None, parameters_of(model)}


@pytest.mark.parametrize("model", nouns_of("model"), ids=lambda model: model.name)
def test_heads_divide_the_width(model: Model) -> None:
    config = model.config
    width = config.get("n_embd", config.get("hidden_size"))
    heads = config.get("n_head", config.get("num_attention_heads"))
    assert width % heads == 0
    assert heads % config.get("n_kv_head", config.get("num_key_value_heads", heads)) == 0


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("fp32", 67_108_864),
        ("bf16", 33_554_432),
        ("nf4", 9_437_184),
        ("nf4-double-quantized", 8_654_852),
        ("8bit-block", 17_039_360),
        ("fp8-e4m3", 16_777_220),
        ("int8", 16_793_600),
    ],
)
def test_bytes_of_a_square_matrix_of_4096(name: str, stored: int) -> None:
    """As bitsandbytes 0.50.2 stores it, tables of constants apart; 8-bit states by their definition."""
    assert read(DATA / "format" / f"{name}.toml", Format).matrix_bytes(4096, 4096) == stored


@pytest.mark.parametrize("stored", nouns_of("format"), ids=lambda stored: stored.name)
def test_a_format_is_unpacked_into_one_that_is_known(stored: Format) -> None:
    assert stored.compute_format is None or stored.compute_format in names_of("format")
    assert stored.trainable or len(stored.reason) > len("no")


@pytest.mark.parametrize("precision", nouns_of("precision"), ids=lambda precision: precision.name)
class TestPrecision:
    def test_its_formats_are_known(self, precision: Precision) -> None:
        cls: Any = Precision
        roles = {field.name for field in attrs.fields(cls)} - {"name", "casts", "source", "loss_scaling"}
        assert {getattr(precision, role) for role in roles} - {None} <= names_of("format")

    def test_what_is_trained_can_be_trained(self, precision: Precision) -> None:
        formats = {stored.name: stored for stored in nouns_of("format")}
        assert formats[precision.weights].trainable

    def test_casts_are_where_formats_differ(self, precision: Precision) -> None:
        same = precision.weights == precision.compute and precision.master_weights is None and precision.frozen_weights is None
        assert (precision.casts == "none") == same


@pytest.mark.parametrize("price", nouns_of("price"), ids=lambda price: price.name)
def test_a_price_is_dated_and_for_a_known_card(price: Price) -> None:
    assert price.date is not None
    assert price.hardware in names_of("hardware")


@pytest.mark.parametrize("tariff", nouns_of("tariff"), ids=lambda tariff: tariff.name)
def test_a_tariff_says_of_tax_and_has_no_field_that_is_not_read(tariff: Tariff) -> None:
    assert tariff.prices_include_tax is not None
    assert tariff.unread == ()
    assert all(tiers[-1].max is None for tiers in tariff.energyratestructure)


@pytest.mark.parametrize(("month", "kwh", "published"), [(1, 308, 638), (7, 418, 1084)])
def test_taiwan_average_bills_as_published(month: int, kwh: int, published: int) -> None:
    """Taipower's own figures for the prices of 2025-10-01, in whole TWD a month."""
    tariff = read(DATA / "tariff" / "tw-residential.toml", Tariff)
    tiers = tariff.energyratestructure[tariff.energyweekdayschedule[month - 1][0]]
    bill, below = 0.0, 0.0
    for tier in tiers:
        upto = min(kwh, tier.max or math.inf)
        bill += max(0.0, upto - below) * tier.rate
        below = max(below, upto)
    assert round(bill) == published


@pytest.mark.parametrize(
    ("start", "watts", "whole", "job_adds"),
    [("2026-07-01T00:00", 300, 2433.0, 820.8), ("2026-05-15T00:00", 250, 2162.798361, 622.711475)],
    ids=["two months of summer", "over 1 June"],
)
def test_taiwan_bills_every_two_months(start: str, watts: float, whole: float, job_adds: float) -> None:
    """Thirty days of a card on top of a home of 345 kWh a month, worked out by hand in exact fractions."""
    tariff = read(DATA / "tariff" / "tw-residential.toml", Tariff)
    made = bill_job(tariff, watts=watts, hours=720, start=start, time_zone="Asia/Taipei", baseline=Baseline.even(345))
    assert (made.whole, made.job_adds) == pytest.approx((whole, job_adds), abs=1e-5)


def test_taiwan_shows_both_factors() -> None:
    grid = read(DATA / "grid" / "tw.toml", Grid)
    assert (grid.carbon_intensity.magnitude, grid.carbon_intensity.unit) == (467, "g/kWh")
    assert grid.life_cycle_intensity is not None
    assert (grid.life_cycle_intensity.magnitude, grid.life_cycle_intensity.unit) == (642.4, "g/kWh")
