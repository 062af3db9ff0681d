"""DeepSpeed's second stage: what its flat buffers and buckets come to, counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import case_of
from llmplan.errors import JobError, UnsupportedError
from llmplan.evaluating.memory import memory
from llmplan.evaluating.parameters import parameters
from llmplan.nouns.parallelism import Parallelism
from llmplan.parallel.deepspeed import touched


def of(ranks=4, precision="bf16-master", micro_batches=1, **ways):
    """A small job."""
    return case_of(
        {
            "model": "gpt2",
            "machine": "8x h100-sxm",
            "precision": precision,
            "attention": "flash",
            "micro_batch_size": 1,
            "micro_batches": micro_batches,
            "sequence_length": 64,
            "optimizer": "adamw",
            "recompute": "full",
            "loss": "plain",
            "adapter": None,
            "parallelism": Parallelism(**{"data": ranks, "shard": 2, "implementation": "deepspeed"} | ways),
        }
    )


def part(case, label):
    return sum(p.bytes for p in memory(case).parts if p.label == label)


class TestSizes:
    @given(st.lists(st.integers(1, 10**6).map(float), min_size=1, max_size=40), st.integers(1, 9))
    def test_every_parameter_is_touched(self, elements: list[float], ranks: int) -> None:
        """By one rank or by several, and none touches more than its share and the two parameters at its borders."""
        each = touched(elements, ranks)
        assert len(each) == ranks
        assert sum(each) >= sum(elements)
        assert max(each) <= sum(elements) / ranks + 2 * ranks + 2 * max(elements)

    @pytest.mark.parametrize("ranks", [2, 3, 8])
    def test_weights_whole_states_shared(self, ranks: int) -> None:
        """A BF16 copy of all weights, and three FP32 numbers for each element of the share."""
        case = of(ranks, reduce_bucket_size=10**9)
        count = parameters(case).total
        assert memory(case).parameters == pytest.approx(2 * count, abs=4 * ranks + 512)
        assert part(case, "optimizer states") == pytest.approx(12 * count / ranks, abs=24 * ranks + 2048)

    def test_the_bucket_is_there_in_backward(self) -> None:
        """Whatever the model's size."""
        small, large = of(reduce_bucket_size=10**6), of(reduce_bucket_size=10**9)
        assert part(large, "gradient bucket") == 2e9 + (-2e9) % 512
        assert memory(large).phase == "backward"
        assert part(small, "gradient bucket") in (0, 2e6 + (-2e6) % 512)
        assert memory(small).peak < memory(large).peak

    def test_one_more_micro_batch_costs_the_ranks_gradients(self) -> None:
        """And no more."""
        one, two = (memory(of(micro_batches=n, reduce_bucket_size=10**9)) for n in (1, 2))
        whole = 2 * parameters(of()).total
        assert whole / 4 <= two.peak - one.peak < whole


class TestRefusals:
    def test_another_stage(self) -> None:
        """Stages 1 and 3 have other buffers."""
        for stage in (1, 3):
            with pytest.raises(UnsupportedError, match=f"stage {stage}"):
                memory(of(shard=stage))

    def test_weights_without_a_master_copy(self) -> None:
        """DeepSpeed always keeps one."""
        with pytest.raises(UnsupportedError, match="bf16-master"):
            memory(of(precision="bf16-autocast"))

    def test_fields_of_others(self) -> None:
        """FSDP2's ways are not DeepSpeed's."""
        with pytest.raises(JobError, match="reshard_after_forward"):
            of(reshard_after_forward=False)
