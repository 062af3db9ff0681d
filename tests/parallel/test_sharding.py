"""Shards: all ranks' parts are the whole, and more ranks never keep more each."""

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import case_of, models
from llmplan.errors import JobError, UnsupportedError
from llmplan.evaluating.memory import memory, standing_of
from llmplan.evaluating.setup import setup_of, sizes_of
from llmplan.evaluating.tracing import trace
from llmplan.evaluating.work import work
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.parallel.sharding import first_chunk, padded
from llmplan.parallel.zero import dealt
from llmplan.program.op import Tensor
from llmplan.program.size import evaluate

few = settings(max_examples=15, deadline=None)
SHAPES = st.tuples(st.integers(1, 500), st.integers(1, 40))


def standing(case):
    """Parameters, states and gradients of the rank with the most. [byte]"""
    setup = setup_of(case)
    found = standing_of(setup, trace(setup.structure))
    return sum(evaluate([found.parameters, found.optimizer, found.gradients, found.buckets], sizes_of(case)))


def made(model="gpt2", precision="bf16", **fields):
    """A small job."""
    return {
        "model": model,
        "machine": "8x h100-sxm",
        "precision": precision,
        "attention": "flash",
        "micro_batch_size": 1,
        "micro_batches": 1,
        "sequence_length": 64,
        "optimizer": "adamw",
        "recompute": "none",
        "loss": "plain",
        "adapter": None,
    } | fields


def of(stage, ranks, **ways):
    return case_of(made(parallelism=Parallelism(data=ranks, shard=stage, **ways)))


class TestChunks:
    @given(SHAPES, st.integers(1, 64), st.sampled_from(["fp32", "bf16"]))
    def test_all_ranks_parts_are_the_whole(self, shape: tuple[int, int], ranks: int, form: str) -> None:
        """Chunks of rows, the first ones full, the last ones short or empty: they sum to the parameter."""
        rows, cols = shape
        weight = Tensor(float(rows), float(cols), form)
        chunk = first_chunk(weight, float(ranks), form)
        length = rows if rows > 1 else cols
        each = int(chunk.elements) // (cols if rows > 1 else 1)
        parts = [max(0, min(each, length - rank * each)) for rank in range(ranks)]
        assert sum(parts) == length
        assert max(parts) == parts[0] == each
        whole = padded(weight, float(ranks))
        assert whole == ranks * chunk.elements
        assert 0 <= whole - rows * cols < ranks * (cols if rows > 1 else 1)

    @given(st.lists(st.integers(1, 10**6).map(float), max_size=60), st.integers(1, 9))
    def test_every_parameter_is_dealt_out_once(self, elements: list[float], ranks: int) -> None:
        """To the rank that has the fewest: no two ranks differ by more than the largest parameter."""
        shares = dealt(elements, ranks)
        assert sorted(i for share in shares for i in share) == list(range(len(elements)))
        sizes = [sum(elements[i] for i in share) for share in shares]
        assert max(sizes) - min(sizes) <= max(elements, default=0.0)


class TestStanding:
    @pytest.mark.parametrize("stage", [0, 1, 2, 3])
    def test_more_ranks_never_keep_more_each(self, stage: int) -> None:
        """Of parameters, states and gradients; without sharding all keep the same."""
        sizes = [standing(of(stage, ranks)) for ranks in (2, 3, 4, 6, 8)]
        assert sizes == sorted(sizes, reverse=True)
        assert (sizes[0] == sizes[-1]) == (stage == 0)

    @pytest.mark.parametrize("ranks", [2, 3, 8])
    def test_a_higher_stage_never_keeps_more(self, ranks: int) -> None:
        """Each divides what the one before copies."""
        sizes = [standing(of(stage, ranks)) for stage in range(4)]
        assert sizes == sorted(sizes, reverse=True)

    def test_copies_of_the_sharded_model(self) -> None:
        """Two copies on eight ranks keep what one copy on four does, and send what they sum between them besides."""
        assert standing(of(3, 8, replicate=2)) == standing(of(3, 4))
        kinds = [{k.kind for k, _ in work(of(3, 8, replicate=n)).phases["communication"]} for n in (1, 2)]
        assert kinds[1] - kinds[0] == {"all_reduce"}

    def test_shards_on_the_host(self) -> None:
        """None of them is left on the device."""
        away = of(3, 4, parameters_on="host")
        assert standing(away) == 0.0
        assert memory(away).host > standing(of(3, 4))
        assert memory(away).peak < memory(of(3, 4)).peak


class TestWork:
    @few
    @given(models(), st.sampled_from([2, 4, 8]), st.integers(0, 3), st.integers(1, 3), st.sampled_from(["none", "full"]))
    def test_ranks_divide_the_work_exactly(self, model: Model, ranks: int, stage: int, micro_batches: int, again: str) -> None:
        """A step of the same sequences has the same FLOPs over all ranks."""
        fixed = {"recompute": again, "sequence_length": 32}
        alone = case_of(made(model, parallelism=Parallelism(data=1), micro_batches=ranks * micro_batches, **fixed))
        shared = case_of(made(model, parallelism=Parallelism(data=ranks, shard=stage), micro_batches=micro_batches, **fixed))
        assert shared.training.global_batch_size == alone.training.global_batch_size
        assert work(shared).model_flops * ranks == pytest.approx(work(alone).model_flops, rel=1e-12)

    def test_parameters_that_stay_are_gathered_once(self) -> None:
        """In the forward alone."""
        payload = [
            sum(float(k.payload * n) for k, n in work(case).phases["communication"] if k.kind == "all_gather")
            for case in (of(3, 8), of(3, 8, reshard_after_forward=False))
        ]
        assert payload[0] > payload[1]

    def test_whole_gradients_are_summed_once_a_step(self) -> None:
        """Where only the last of three micro-batches sends them."""
        every, last = (
            sum(float(k.payload * n) for k, n in work(case).phases["communication"] if k.kind == "reduce_scatter")
            for case in (_three(of(3, 8)), _three(of(3, 8, gradient_sync="last")))
        )
        assert every == 3 * last


def _three(case):
    training = case.training.evolve(global_batch_size=3 * case.training.global_batch_size)
    return attrs.evolve(case, training=training)


class TestRefusals:
    @pytest.mark.parametrize(
        "fields",
        [
            {"data": 8, "shard": 3, "replicate": 3},
            {"shard": 2, "replicate": 2},
            {"shard": 1, "implementation": "fsdp2"},
            {"shard": 3, "implementation": "ddp"},
            {"shard": 0, "reshard_after_forward": False},
            {"shard": 2, "gradient_as_bucket_view": True},
            {"shard": 0, "parameters_on": "host"},
            {"shard": 1, "reduce_format": "fp32"},
        ],
    )
    def test_contradictions(self, fields: dict) -> None:  # type: ignore[type-arg]
        """Fields that belong to another stage or do not divide."""
        with pytest.raises(JobError):
            Parallelism(**fields)

    def test_parameters_in_two_formats(self) -> None:
        """nanochat keeps its embedding in BF16 beside FP32 matrices: FSDP2 refuses them in one group."""
        mixed = case_of(made("nanochat-d20", "bf16-autocast", parallelism=Parallelism(data=8, shard=3)))
        with pytest.raises(UnsupportedError, match="in bf16 and fp32"):
            memory(mixed)

    def test_gathered_in_another_format_without_gathers(self) -> None:
        """There is nothing to gather on one rank."""
        alone = case_of(made(precision="bf16-gather", machine="h100-sxm", parallelism=Parallelism(data=1)))
        with pytest.raises(UnsupportedError, match="at-gather"):
            memory(alone)


class TestRanks:
    def test_the_rank_with_most_is_named(self) -> None:
        """The first of FSDP2's, whose chunks are full; whichever got most where parameters are dealt out whole."""
        assert memory(of(3, 8)).moment.endswith(", on rank 0")
        dealt_out = memory(of(1, 8))
        assert dealt_out.moment.endswith(f", on rank {dealt_out.rank}")
        assert "rank" not in memory(of(0, 8)).moment
