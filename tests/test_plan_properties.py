"""What holds for every plan, whatever the job: more of anything needs no less, and nothing depends on how it was written."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import llmplan
from jobs import LAYERS, case_of, jobs, models, with_layers
from llmplan import LoRA, Parallelism, Plan, Site, Training, formats, hardwares
from llmplan.evaluating.evaluate import evaluate
from llmplan.evaluating.fitting import usable_bytes
from llmplan.evaluating.memory import memory, peak_bytes
from llmplan.evaluating.overheads import overheads
from llmplan.evaluating.parameters import parameters
from llmplan.evaluating.setup import sizes_of
from llmplan.evaluating.tracing import SEQUENCE, TOKENS
from llmplan.evaluating.work import work
from llmplan.nouns.format import Format
from llmplan.sources import Source, Sourced

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MADE_UP = Source(kind="generated", title="made up for a test")


def mixes_formats(job: dict[str, Any]) -> bool:
    """Whether tables lie in BF16 beside FP32 matrices, which FSDP2 refuses to gather together."""
    return job["model"].architecture.startswith("nanochat") and job["precision"] in ("bf16-autocast", "bf16-cast")


def peak(job: dict[str, Any], **changes: Any) -> float:
    """The allocated peak of a job, with some of it changed. [byte]"""
    return memory(case_of(job, **changes)).peak


class TestMoreOfAnythingNeedsNoLess:
    @few
    @given(jobs(), st.integers(1, 4))
    def test_sequences(self, job: dict[str, Any], more: int) -> None:
        """Of a micro-batch, the micro-batches of a step staying as many."""
        assert peak(job, micro_batch_size=job["micro_batch_size"] + more) >= peak(job)

    @few
    @given(jobs(), st.sampled_from([1, 16, 48]))
    def test_tokens_of_a_sequence(self, job: dict[str, Any], more: int) -> None:
        """Up to where its positions end."""
        length = min(job["sequence_length"] + more, 64)
        assert peak(job, sequence_length=length) >= peak(job)

    @few
    @given(jobs(), st.integers(1, 5))
    def test_layers(self, job: dict[str, Any], more: int) -> None:
        """All else staying the same."""
        assert peak(job, model=with_layers(job["model"], more)) >= peak(job)

    @few
    @given(jobs())
    def test_micro_batches(self, job: dict[str, Any]) -> None:
        """Gradients wait for the next one."""
        assert peak(job, micro_batches=2) >= peak(job, micro_batches=1)
        assert peak(job, micro_batches=7) == peak(job, micro_batches=2)

    @settings(max_examples=200, deadline=None)
    @given(
        st.integers(1, 15), st.integers(4096, 10**8), st.sampled_from([None, 32, 64, 128]), st.sampled_from(["float", "integer"])
    )
    def test_bits_of_a_format(self, bits: int, elements: int, block: int | None, kind: Any) -> None:
        """Of matrices of 4,096 elements and more, scales in blocks or none."""

        def stored(element_bits: int) -> int:
            made = Format(
                name="made-up",
                kind=kind,
                element_bits=element_bits,
                block_elements=block,
                scale_bits=16 if block else 0,
                trainable=False,
                reason="a test",
                source=MADE_UP,
            )
            size: int = made.bytes(elements)
            return size

        assert stored(bits) < stored(bits + 1)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(64, 10**5), st.integers(64, 10**5))
    def test_bits_of_the_published_formats(self, rows: int, columns: int) -> None:
        """In the order of their bits, scales included."""
        names = ("nf4-double-quantized", "nf4", "int8", "bf16", "fp32")
        stored = [formats[name].matrix_bytes(rows, columns) for name in names]
        assert stored == sorted(stored)
        assert formats["bf16"].matrix_bytes(rows, columns) == formats["fp16"].matrix_bytes(rows, columns)


class TestMoreMemory:
    @few
    @given(jobs(), st.floats(1e6, 1e12), st.floats(1.0, 4.0))
    def test_never_makes_a_job_stop_fitting(self, job: dict[str, Any], capacity: float, factor: float) -> None:
        """Nor makes it less likely to fit."""

        def fit(size: float) -> Any:
            card = hardwares["h100-sxm"].evolve(memory_capacity=f"{size} byte", memory_usable=None, display_reserved=None)
            return evaluate(case_of(job, machine=card)).fit

        less, more = fit(capacity), fit(capacity * factor)
        assert (less.fits, less.probability) <= (more.fits, more.probability)
        assert 0.0 <= less.probability <= 1.0

    @few
    @given(st.sampled_from(["gpt2", "nanochat-d20", "llama-3.1-8b"]), st.floats(8.0, 60.0), st.floats(1.0, 2.0))
    def test_never_makes_the_default_micro_batch_smaller(self, model: str, capacity: float, factor: float) -> None:
        """It is taken to fit."""

        def size(gigabytes: float) -> int:
            card = hardwares["h100-sxm"].evolve(memory_capacity=f"{gigabytes} GB", memory_usable=None)
            return llmplan.plan(model, card, Training(tokens=1e9)).case.micro_batch_size

        assert size(capacity) <= size(capacity * factor)

    @few
    @given(jobs(), st.sampled_from([1, 2, 6, 8, 32]), st.floats(1e6, 1e9))
    def test_the_default_micro_batch_is_the_largest_power_of_two_that_fits(
        self, job: dict[str, Any], step: int, room: float
    ) -> None:
        """And that divides a rank's sequences of a step; 1 where none fits."""
        card = hardwares["h100-sxm"]
        beside = sum(o.size.si[1] for o in overheads(card, 1))
        card = card.evolve(memory_capacity=f"{2 * (room + beside)} byte", memory_usable=f"{room + beside} byte")
        case = case_of(job, machine=card)
        training = case.training.evolve(micro_batch_size=None, global_batch_size=step)
        plan = llmplan.plan(job["model"], card, training, precision=job["precision"], runtime=case.runtime)
        usable, _ = usable_bytes(card)
        fitting = [
            m
            for m in (1, 2, 4, 8, 16, 32)
            if step % m == 0 and peak(job, machine=card, micro_batch_size=m, micro_batches=step // m) <= usable - beside
        ]
        assert plan.case.micro_batch_size == max(fitting, default=1)
        assert plan.fits == bool(fitting)


class TestSharding:
    @few
    @given(jobs(machine="8x h100-sxm"), st.sampled_from([2, 8]))
    def test_a_stage_more_never_raises_the_peak(self, job: dict[str, Any], ranks: int) -> None:
        """Optimizer states shared, then gradients too."""
        none, states, gradients = (peak(job, parallelism=Parallelism(data=ranks, shard=stage)) for stage in (0, 1, 2))
        assert none >= states >= gradients

    @few
    @given(jobs(machine="8x h100-sxm", sequence_length=64), st.sampled_from(sorted(llmplan.models)), st.sampled_from([2, 4, 8]))
    def test_nor_does_the_third(self, job: dict[str, Any], model: str, ranks: int) -> None:
        """
        Of models that are used: what is gathered stands beside what is shared, so of one that is all vocabulary more is there
        than without.
        """
        job["model"], job["adapter"] = llmplan.models[model], None
        assume(not mixes_formats(job) and job["optimizer"].algorithm != "muon")
        parameters_too, gradients = (peak(job, parallelism=Parallelism(data=ranks, shard=stage)) for stage in (3, 2))
        assert parameters_too <= gradients

    @few
    @given(jobs(machine="8x h100-sxm"), st.integers(1, 3))
    def test_more_ranks_never_raise_it(self, job: dict[str, Any], stage: int) -> None:
        """Each holds a smaller share."""
        assume(stage < 3 or not (mixes_formats(job) or job["optimizer"].algorithm == "muon"))
        shares = [peak(job, parallelism=Parallelism(data=ranks, shard=stage)) for ranks in (2, 4, 8)]
        assert shares == sorted(shares, reverse=True)

    @few
    @given(jobs(), st.integers(1, 3))
    def test_one_rank_has_nobody_to_share_with(self, job: dict[str, Any], stage: int) -> None:
        """Whatever is asked."""
        assert peak(job, parallelism=Parallelism(data=1, shard=stage)) == peak(job)


class TestRecompute:
    @few
    @given(jobs())
    def test_never_keeps_more(self, job: dict[str, Any]) -> None:
        """
        For backward, when the forward has ended.

        Autocast is an exception: the core of an attention keeps its inputs in FP32 to run again, and their BF16 copies
        where it need not.
        """
        whats = ("full", "attention", "none") if "auto" in job["precision"] else ("full", "attention", "attention-core", "none")
        kept = [memory(case_of(job, recompute=what)).saved_for_backward for what in whats]
        assert kept == sorted(kept)

    @few
    @given(jobs())
    def test_is_arithmetic_of_the_hardware_and_not_of_the_model(self, job: dict[str, Any]) -> None:
        """So that MFU stays what it is, a second at a time."""
        done = {what: work(case_of(job, recompute=what)) for what in ("none", "attention-core", "attention", "full")}
        model, hardware = done["none"].model_flops, done["none"].hardware_flops
        forward = sum(kernel.flops() * count for kernel, count in done["none"].phases["forward"])
        assert hardware == model or job["loss"] == "chunked"  # whose pieces run again
        for found in done.values():
            assert found.model_flops == model
            assert found.hardware_flops >= hardware
        assert hardware < done["full"].hardware_flops <= model + forward


class TestParameters:
    COUNTS: ClassVar = {
        "nanochat-d20": 560_988_160,
        "nanochat-d26": 1_081_999_360,
        "nanochat-d32": 1_879_048_192,
        "gpt2": 124_439_808,
        "gpt2-medium": 354_823_168,
        "gpt2-large": 774_030_080,
        "gpt2-xl": 1_557_611_200,
        "llama-3.1-8b": 8_030_261_248,
    }

    @pytest.mark.parametrize(("name", "count"), COUNTS.items(), ids=COUNTS)
    def test_are_those_of_the_released_models(self, name: str, count: int) -> None:
        """To the last one."""
        plan = llmplan.plan(name, "h100-sxm", Training(tokens=1e9, micro_batch_size=1))
        assert plan.num_parameters["total"] == count

    @pytest.mark.parametrize("name", [name for name, model in llmplan.models.items() if model.num_parameters_published])
    def test_are_what_its_makers_say(self, name: str) -> None:
        """Of every model of the catalogue whose makers do."""
        plan = llmplan.plan(name, "h100-sxm", Training(tokens=1e9, micro_batch_size=1))
        assert plan.num_parameters["total"] == llmplan.models[name].num_parameters_published

    @few
    @given(jobs(adapter=None), st.integers(1, 3))
    def test_an_adapter_trains_fewer(self, job: dict[str, Any], rank: int) -> None:
        """And the model has as many as before."""
        whole, adapted = parameters(case_of(job)), parameters(case_of(job, adapter=LoRA(rank=rank)))
        assert adapted.total == whole.total == whole.trainable
        assert adapted.trainable > 0
        narrow = min(v for k, v in job["model"].config.items() if k in ("n_embd", "hidden_size", "intermediate_size"))
        assume(4 * rank < narrow)
        assert adapted.trainable < whole.trainable

    @few
    @given(models())
    def test_come_in_equal_layers(self, model: Any) -> None:
        """The second, third and fourth block more add what the first did, in families whose layers are alike."""
        assume(model.architecture != "nanochat-2026")
        counts = [parameters(case_of(self._job(model, more))).total for more in (0, 1, 2, 3)]
        assert len(set(np.diff(counts))) == 1

    @staticmethod
    def _job(model: Any, more: int) -> dict[str, Any]:
        return {
            "model": with_layers(model, more),
            "machine": "h100-sxm",
            "precision": "bf16",
            "attention": "flash",
            "micro_batch_size": 1,
            "micro_batches": 1,
            "sequence_length": 16,
            "optimizer": "adamw",
            "recompute": "none",
            "loss": "plain",
            "adapter": None,
            "parallelism": Parallelism(data=1),
        }


class TestHowItWasWritten:
    UNITS: ClassVar = {
        "memory_capacity": ("GB", "GiB", "MB", "byte", "Gbit"),
        "memory_usable": ("GB", "GiB", "MB", "byte", "Gbit"),
        "memory_bandwidth": ("GB/s", "TB/s", "GiB/s", "byte/second"),
        "tdp": ("W", "kW", "kWh/h", "joule/second"),
    }

    @few
    @given(st.data())
    def test_the_unit_does_not_matter(self, data: st.DataObject) -> None:
        """GB or GiB: the plan is the same."""
        card = hardwares["rtx-4070"]
        changes = {}
        for field, units in self.UNITS.items():
            value, unit = getattr(card, field), data.draw(st.sampled_from(units))
            changes[field] = Sourced(f"{value.to(unit).magnitude!r} {unit}", value.source)
        training = Training(tokens=1e9, recompute="full")
        one, other = (llmplan.plan("gpt2", c, training) for c in (card, card.evolve(**changes)))
        assert one.case.training == other.case.training
        assert list(numbers(one)) == pytest.approx(list(numbers(other)), rel=1e-12)

    @few
    @given(jobs())
    def test_a_name_or_the_noun(self, job: dict[str, Any]) -> None:
        """A registry name, a noun, a config as a table: one plan."""
        model = job["model"]
        training = Training(tokens=1e9, sequence_length=16, micro_batch_size=1, recompute=job["recompute"])
        table = {"model_type": model.architecture, "_name_or_path": model.name, **model.config}
        one = llmplan.plan(model, "rtx-4070", training)
        other = llmplan.plan(table, hardwares["rtx-4070"], training, precision=llmplan.precisions["bf16-autocast"])
        assert list(numbers(one)) == list(numbers(other))

    @few
    @given(jobs())
    def test_one_by_one_or_along_axes(self, job: dict[str, Any]) -> None:
        """Tokens of a micro-batch and of a sequence as arrays give what numbers give."""
        job["micro_batch_size"] = 2  # a single sequence may be a structure of its own
        lengths, batches = np.array([16.0, 32.0, 64.0]), np.array([[2.0], [3.0], [7.0]])
        case = case_of(job)
        along = peak_bytes(case, sizes_of(case) | {str(TOKENS): lengths * batches, str(SEQUENCE): lengths})
        each = [[peak(job, micro_batch_size=int(b), sequence_length=int(s)) for s in lengths] for b in batches.ravel()]
        np.testing.assert_allclose(np.broadcast_to(along, (3, 3)), each, rtol=1e-12)

    @few
    @given(jobs())
    def test_parts_are_the_whole(self, job: dict[str, Any]) -> None:
        """The terms of a peak sum to it."""
        found = memory(case_of(job))
        assert sum(p.bytes for p in found.parts) == pytest.approx(found.peak, rel=1e-12)
        assert found.first_step_peak <= found.peak


HOME = Site(tariff="tw-residential", grid="tw", start="2026-12-01", baseline_kwh_per_month=345)


class TestNumbers:
    @few
    @given(
        jobs(),
        st.floats(1e-3, 1e5),
        st.sampled_from([("rtx-4070", 1), ("rtx-4070-laptop", 1), ("h100-sxm", 1), ("8x a100-sxm-80gb", 8)]),
        st.sampled_from([None, HOME]),
    )
    def test_are_never_negative_and_always_numbers(
        self, job: dict[str, Any], steps: float, machine: tuple[str, int], site: Site | None
    ) -> None:
        """In every corner of a plan."""
        name, ranks = machine
        case = case_of(job, machine=name, parallelism=Parallelism(data=ranks))
        training = case.training.evolve(tokens=steps * case.tokens_per_step)
        plan = llmplan.plan(job["model"], name, training, precision=job["precision"], runtime=case.runtime, site=site)
        found = list(numbers(plan))
        assert len(found) > 50
        assert all(math.isfinite(x) and x >= 0 for x in found)
        assert plan.time.mfu.si[2] <= plan.time.hfu.si[2]

    @few
    @given(jobs(), st.floats(1e6, 1e12))
    def test_a_longer_run_takes_longer_and_needs_no_more_memory(self, job: dict[str, Any], tokens: float) -> None:
        """Twice the tokens: twice the steps or nearly so, and the same memory."""
        case = case_of(job)
        training = case.training.evolve(tokens=tokens)
        one, two = (
            llmplan.plan(job["model"], "rtx-4070", t, precision=job["precision"], runtime=case.runtime)
            for t in (training, training.evolve(tokens=2 * tokens))
        )
        assert one.memory == two.memory
        assert one.time.step == two.time.step
        assert one.time.steps <= two.time.steps <= 2 * one.time.steps
        assert one.energy.site.si[1] <= two.energy.site.si[1]


def numbers(plan: Plan) -> Iterator[float]:
    """Every number that a plan answers with: its job's own left out."""
    answers = plan.to_dict()
    for part in ("memory", "time", "energy", "cost", "carbon", "num_parameters", "fit_probability"):
        yield from _numbers(answers[part])


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def test_layers_are_said_in_every_family() -> None:
    """The tests above change what a family calls its layers."""
    assert {name for m in llmplan.models.values() for name in LAYERS if name in m} == set(LAYERS)
