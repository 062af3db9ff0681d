"""A registry is a mapping of names, and a name costs nothing until somebody asks for what is behind it."""

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterable
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from importlib_metadata import EntryPoint

from llmplan.errors import JobError, PluginError, SpecError, UnknownNameError
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.site import Site
from llmplan.nouns.tariff import Tariff
from llmplan.nouns.training import Training
from llmplan.registry import (
    REGISTRIES,
    Registry,
    architectures,
    hardwares,
    machine_of,
    machines,
    model_of,
    models,
    resolve,
    resolved,
)
from llmplan.registry.families import Family, fault_of_name
from llmplan.registry.machine_texts import Machines

GROUP = "llmplan.number"


def numbers(**entries: str) -> Registry[float]:
    """A registry of floats whose entry points are *entries*."""
    points = [EntryPoint(name.replace("_", "-"), value, GROUP) for name, value in entries.items()]
    return Registry("number", float, GROUP, find=lambda group: [point for point in points if point.group == group])


def run(code: str) -> str:
    """What a fresh interpreter prints for *code*."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


class TestMapping:
    def test_an_object_is_given_as_it_is_and_a_function_is_called(self) -> None:
        registry = numbers(pi="math:pi", now="time:time")
        assert registry["pi"] == math.pi
        assert registry["now"] > 0

    def test_an_item_is_loaded_once(self) -> None:
        registry = numbers(now="time:time")
        assert registry["now"] is registry["now"]

    def test_names_are_sorted_whatever_order_they_are_found_in(self) -> None:
        assert list(numbers(tau="math:tau", e="math:e", pi="math:pi")) == ["e", "pi", "tau"]

    def test_names_length_and_in_load_nothing(self) -> None:
        registry = numbers(broken="no.such.module:thing", pi="math:pi")
        assert len(registry) == 2
        assert "broken" in registry
        assert "other" not in registry
        assert 5 not in registry  # type: ignore[comparison-overlap]

    def test_get_falls_back_for_a_name_that_nobody_offers_and_not_for_a_broken_one(self) -> None:
        registry = numbers(broken="no.such.module:thing")
        assert registry.get("other") is None
        with pytest.raises(PluginError):
            registry.get("broken")

    def test_comparing_and_hashing_load_nothing(self) -> None:
        registry = numbers(broken="no.such.module:thing")
        assert registry == registry  # noqa: PLR0124
        assert registry != numbers(broken="no.such.module:thing")
        assert isinstance(hash(registry), int)
        assert repr(registry) == "<llmplan registry of number: 1 names>"

    def test_an_unknown_name_is_told_with_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'tau'") as caught:
            numbers(tau="math:tau", pi="math:pi")["tua"]
        assert caught.value.known == ("pi", "tau")

    @pytest.mark.parametrize("name", [5, None, b"pi", ("pi",), ["pi"]])
    def test_what_is_no_text_is_no_name(self, name: object) -> None:
        with pytest.raises(UnknownNameError):
            numbers(pi="math:pi")[name]  # type: ignore[index]

    def test_usable_and_failures_share_the_names_out(self) -> None:
        registry = numbers(pi="math:pi", broken="no.such.module:thing", text="math:__name__")
        assert list(registry.usable()) == ["pi"]
        assert list(registry.failures()) == ["broken", "text"]

    def test_refresh_sees_what_has_come_and_gone(self) -> None:
        points = [EntryPoint("pi", "math:pi", GROUP)]
        registry = Registry("number", float, GROUP, find=lambda _: points)
        assert list(registry) == ["pi"]
        points[:] = [EntryPoint("e", "math:e", GROUP)]
        assert list(registry) == ["pi"]
        registry.refresh()
        assert list(registry) == ["e"]

    def test_the_class_may_be_named_in_text(self) -> None:
        registry = Registry[float]("number", "builtins:float", GROUP, find=lambda _: [EntryPoint("pi", "math:pi", GROUP)])
        assert registry["pi"] > 3
        assert registry.cls is float


class TestNames:
    @pytest.mark.parametrize("name", ["h100-sxm", "a", "0", "nf4.v2", "qwen3_moe", "a+b", "H100", "d{depth}", "d{a}-{b}"])
    def test_what_can_be_told_apart_is_a_name(self, name: str) -> None:
        assert fault_of_name(name) is None

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "-a",
            ".a",
            "a b",
            "a\n",
            "a\x00",
            "a\x7f",
            "\u0430100",  # a Cyrillic letter that looks like an a
            "h100\u2010sxm",
            "a/b",
            "a\\b",
            "a:b",
            "a{",
            "a}",
            "{a}{b}",
            "{a}-{a}",
            "{}",
            "x" * 129,
        ],
    )
    def test_what_cannot_is_refused_and_shown(self, name: str) -> None:
        assert fault_of_name(name)
        registry = Registry("number", float, GROUP, find=lambda _: [EntryPoint(name, "math:pi", GROUP)])
        assert list(registry) == []
        assert name not in registry
        assert list(registry.failures()) == [f"{name} = math:pi"]
        assert len(registry.offers()) == 1


class TestFamilies:
    FAMILY = "nanochat-2025-d{depth}"

    @pytest.mark.parametrize("number", ["0", "7", "32", "999999999"])
    def test_a_whole_number_is_a_member(self, number: str) -> None:
        assert Family(self.FAMILY).fields(f"nanochat-2025-d{number}") == {"depth": int(number)}

    @pytest.mark.parametrize("number", ["", "032", "-1", "+1", "1.0", "3_2", " 3", "3\n", "\u0663", "1" * 10, "x"])
    def test_every_member_has_one_spelling(self, number: str) -> None:
        assert Family(self.FAMILY).fields(f"nanochat-2025-d{number}") is None

    def test_the_rest_of_a_pattern_is_taken_literally(self) -> None:
        assert Family("a.b-{n}").fields("axb-1") is None

    def test_a_member_is_in_and_not_listed(self) -> None:
        registry = numbers(**{"k{x}": "math:sqrt", "k4": "math:pi"})
        assert list(registry) == ["k4"]
        assert registry.families == ("k{x}",)
        assert "k9" in registry
        assert "kx" not in registry

    def test_an_id_comes_before_a_family(self) -> None:
        registry = numbers(**{"k{x}": "no.such:thing", "k4": "math:pi"})
        assert registry["k4"] > 3

    def test_what_a_family_is_given_are_its_fields(self) -> None:
        registry = Registry("pair", dict, GROUP, find=lambda _: [EntryPoint("a{x}-b{y}", "builtins:dict", GROUP)])
        assert registry["a1-b22"] == {"x": 1, "y": 22}

    def test_two_families_that_share_a_name_are_its_fault(self) -> None:
        registry = numbers(**{"k{x}": "math:sqrt", "{y}4": "math:sqrt", "k{z}": "math:sqrt"})
        with pytest.raises(PluginError, match="offered 2 times"):
            registry["k4"]

    def test_a_family_of_no_function_is_a_failure(self) -> None:
        assert list(numbers(**{"k{x}": "math:pi", "j{x}": "math:sqrt"}).failures()) == ["k{x}"]

    def test_a_number_that_cannot_be_built_is_nobodys_fault(self) -> None:
        """nanochat of 2025 has no model of depth 21: the width is no multiple of the heads."""
        assert "nanochat-2025-d{depth}" in models.families
        with pytest.raises(JobError, match="20 and 22"):
            models["nanochat-2025-d21"]
        assert models["nanochat-2025-d20"].config == models["nanochat-d20"].config


class TestInstalled:
    def test_each_kind_has_a_registry_of_its_group(self) -> None:
        assert {kind: registry.group for kind, registry in REGISTRIES.items()} == {kind: f"llmplan.{kind}" for kind in REGISTRIES}

    def test_an_item_knows_its_origin(self) -> None:
        origin = hardwares.origin("h100-sxm")
        assert (origin.package, origin.entry_point) == ("llmplan", "llmplan.data.hardware")
        assert origin.version[0].isdigit()

    def test_errors_survive_a_pickle(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            machines["3x rtx-4070"]
        copy = pickle.loads(pickle.dumps(caught.value))
        assert str(copy) == str(caught.value)

    def test_listing_imports_neither_plugins_nor_tools(self) -> None:
        heavy = {"attr", "attrs", "cattrs", "numpy", "pint", "tomllib", "llmplan.nouns", "llmplan.units", "llmplan_example_gpu"}
        list_names = "import sys; from llmplan import registry; names = sorted(registry.hardwares)"
        assert run(f"{list_names}; print(len(names) > 4, {heavy} & set(sys.modules))") == "True set()\n"

    def test_an_architecture_is_an_object(self) -> None:
        assert architectures["gpt2"].name == "gpt2"


class TestMachines:
    def test_so_many_of_what(self) -> None:
        machine = machines["8x h100-sxm"]
        assert (machine.name, machine.count, machine.nodes) == ("8x h100-sxm", 8, 1)
        assert machine.interconnect == machines["8x-h100-sxm"].interconnect

    def test_so_many_nodes_of_so_many(self) -> None:
        machine = machines["16x8 h100-sxm"]
        assert (machine.name, machine.count, machine.nodes, machine.gpus_per_node) == ("16x8 h100-sxm", 128, 16, 8)

    def test_what_connects_the_cards_is_not_guessed(self) -> None:
        with pytest.raises(UnknownNameError, match="3x h100-sxm") as caught:
            machines["3x h100-sxm"]
        assert "8x h100-sxm" in caught.value.known
        assert "not guessed" in caught.value.__notes__[0]

    def test_an_unknown_card_is_told_with_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no hardware .* Did you mean 'h100-sxm'"):
            machines["8x h100sxm"]

    @pytest.mark.parametrize("text", ["0x h100-sxm", "8x 9999999999999999999 h100-sxm", "99999999999x h100-sxm"])
    def test_absurd_numbers_are_refused(self, text: str) -> None:
        with pytest.raises((SpecError, UnknownNameError)):
            machines[text]
        assert text not in machines

    def test_in_knows_texts(self) -> None:
        assert "8x h100-sxm" in machines
        assert "3x h100-sxm" not in machines

    def test_of_several_that_would_do_none_is_chosen(self) -> None:
        def twin(name: str) -> Machine:
            return machines["8x-h100-sxm"].evolve(name=name)

        registry = _machines(one=twin("one"), two=twin("two"))
        with pytest.raises(UnknownNameError) as caught:
            registry["8x h100-sxm"]
        assert caught.value.known == ("one", "two")

    def test_another_id_will_do_where_it_is_the_only_one(self) -> None:
        registry = _machines(one=machines["8x-h100-sxm"].evolve(name="one"))
        assert registry["2x8 h100-sxm"].nodes == 2

    def test_one_card_stands_in_the_host_of_its_kind(self) -> None:
        machine = machine_of("rtx-4070")
        assert (machine.name, machine.count, machine.kind) == ("rtx-4070", 1, "desktop")
        assert machine.hardware == hardwares["rtx-4070"]
        assert machine.host_power == machines["host-desktop"].host_power
        assert resolved(machines["1x rtx-4070"]).hardware == machine.hardware

    def test_a_hardware_that_is_in_no_registry_does_as_well(self) -> None:
        card = hardwares["rtx-4070"].evolve(name="mine", memory_capacity="24 GB")
        assert machine_of(card).hardware == card

    def test_a_machine_gets_its_hardware_inside(self) -> None:
        assert machine_of(machines["8x-h100-sxm"]).hardware == hardwares["h100-sxm"]
        assert machine_of("16x8 h100-sxm").hardware == hardwares["h100-sxm"]

    def test_an_unknown_name_is_looked_for_among_machines_and_hardware(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'rtx-4070'"):
            machine_of("rtx-4071")

    @pytest.mark.parametrize("value", [5, None, Tariff, b"rtx-4070", ["rtx-4070"]])
    def test_other_types_are_refused(self, value: object) -> None:
        with pytest.raises(SpecError, match="expected a machine"):
            machine_of(value)  # type: ignore[arg-type]


class TestResolve:
    def test_a_name_becomes_a_noun_and_a_noun_stays(self) -> None:
        precision = resolve("precision", "bf16")
        assert resolve("precision", precision) is precision

    def test_names_inside_become_nouns(self) -> None:
        site = resolved(Site(tariff="tw-residential", grid="tw"))
        assert isinstance(site.tariff, Tariff)
        assert site.price is None
        assert resolved(Training(tokens=1e9, optimizer="adamw")).optimizer == resolve("optimizer", "adamw")

    def test_a_wrong_name_inside_is_told(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no tariff is named 'tw-residental'\. Did you mean 'tw-residential'"):
            resolved(Site(tariff="tw-residental"))

    def test_a_noun_of_another_kind_is_refused(self) -> None:
        with pytest.raises(SpecError, match="expected a precision"):
            resolve("precision", hardwares["rtx-4070"])

    def test_an_unknown_kind_is_told(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'tariff'"):
            resolve("tarif", "tw-residential")


class TestModelOf:
    CONFIG = '{"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12}'

    def test_a_name_or_a_model(self) -> None:
        model = model_of("gpt2")
        assert isinstance(model, Model)
        assert model_of(model) is model

    def test_a_config_as_file_folder_dict_or_text(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("model")
        file = folder / "config.json"
        file.write_text(self.CONFIG)
        data = json.loads(self.CONFIG)
        assert {model_of(value)["n_embd"] for value in (file, folder, str(file), str(folder), self.CONFIG, data)} == {768}

    def test_a_name_of_another_hub_is_told_with_ours(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean 'llama-3\.1-8b'"):
            model_of("meta-llama/Llama-3.1-8B")

    def test_a_file_that_is_not_there_is_told(self) -> None:
        with pytest.raises(SpecError, match="config"):
            model_of("no/such/config.json")

    @pytest.mark.parametrize("value", [5, None, Hardware])
    def test_other_types_are_refused(self, value: object) -> None:
        with pytest.raises(SpecError, match="expected a model"):
            model_of(value)  # type: ignore[arg-type]


THREADS = """
import sys, threading
from importlib import import_module

start = threading.Barrier(16)
seen = []

def ask():
    start.wait()
    registry = import_module("llmplan.registry")
    names = tuple(sorted(registry.hardwares))
    seen.append((names, id(registry.hardwares["rtx-4070"]), id(registry.machines["16x8 h100-sxm"]), id(registry.models["gpt2"])))

threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), len(set(seen)), sys.stdout is sys.__stdout__)
"""


def test_sixteen_cold_threads_get_what_one_gets() -> None:
    """Threads that ask at once, before anything is imported, get the same names and the same items."""
    assert run(THREADS) == "16 1 True\n"


class _Held(EntryPoint):
    """An entry point whose item is held here, and is in no module."""

    items: ClassVar[dict[str, Machine]] = {}

    def load(self) -> Machine:
        return self.items[self.name]


def _machines(**items: Machine) -> Machines:
    """A registry that offers *items*."""
    _Held.items.update(items)
    points = [_Held(name, "held:item", "llmplan.machine") for name in items]
    return Machines("machine", Machine, "llmplan.machine", hardwares=hardwares, find=lambda _: points)


class AgainstDict(RuleBasedStateMachine):
    """Whatever is installed, removed and asked for: a registry is the dict of what one package offers."""

    NAMES = ("pi", "e", "tau", "inf")
    VALUES = ("math:pi", "math:e", "math:inf", "no.such.module:thing", "math:no_such_thing", "math:sqrt", "math:__name__")

    @initialize()
    def start(self) -> None:
        self.points: list[EntryPoint] = []
        self.seen: list[EntryPoint] | None = None
        self.registry = Registry("number", float, GROUP, find=self.find)

    def find(self, group: str) -> Iterable[EntryPoint]:
        assert group == GROUP
        self.seen = list(self.points)
        return self.seen

    @rule(name=st.sampled_from(NAMES), value=st.sampled_from(VALUES))
    def install(self, name: str, value: str) -> None:
        self.points.append(EntryPoint(name, value, GROUP))

    @rule(index=st.integers(0, 20))
    def remove(self, index: int) -> None:
        if index < len(self.points):
            del self.points[index]

    @rule()
    def refresh(self) -> None:
        self.registry.refresh()

    @rule(name=st.sampled_from(NAMES))
    def look_up(self, name: str) -> None:
        offers = self.offers().get(name, [])
        expected = self.expected(offers)
        if isinstance(expected, float):
            assert self.registry[name] == expected
            return
        with pytest.raises(expected):
            self.registry[name]

    @invariant()
    def same_names(self) -> None:
        offers = self.offers()
        assert list(self.registry) == sorted(offers)
        assert len(self.registry) == len(offers)
        assert all(name in self.registry for name in offers)

    @rule()
    def same_items(self) -> None:
        offers = self.offers()
        expected = {name: self.expected(points) for name, points in offers.items()}
        assert self.registry.usable() == {name: value for name, value in expected.items() if isinstance(value, float)}
        assert set(self.registry.failures()) == {name for name, value in expected.items() if value is PluginError}

    def offers(self) -> dict[str, list[EntryPoint]]:
        len(self.registry)
        offers: dict[str, list[EntryPoint]] = {}
        for point in self.seen or ():
            offers.setdefault(point.name, []).append(point)
        return offers

    @staticmethod
    def expected(offers: list[EntryPoint]) -> float | type[Exception]:
        if not offers:
            return UnknownNameError
        known = {"math:pi": math.pi, "math:e": math.e, "math:inf": math.inf}
        return known.get(offers[0].value, PluginError) if len(offers) == 1 else PluginError


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
