"""Work: the arithmetic, launches and traffic of a step, against what is counted by hand."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import case_of, jobs
from llmplan import Parallelism
from llmplan.evaluating.parameters import parameters
from llmplan.evaluating.work import work
from llmplan.program.kernel import Attention, Collective, Matmul, Transfer
from llmplan.registry import optimizers

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def job(model: str, **changes: Any) -> dict[str, Any]:
    """A plain job."""
    return {
        "model": model,
        "machine": "8x h100-sxm",
        "precision": "bf16",
        "attention": "flash",
        "micro_batch_size": 2,
        "micro_batches": 3,
        "sequence_length": 1024,
        "optimizer": "adamw",
        "recompute": "none",
        "loss": "plain",
        "adapter": None,
        "parallelism": Parallelism(data=1),
    } | changes


class TestArithmetic:
    @pytest.mark.parametrize("name", ["gpt2", "gpt2-xl", "llama-3.1-8b", "nanochat-d20", "nanochat-d32"])
    def test_of_a_token(self, name: str) -> None:
        """
        Six operations a parameter that multiplies it (a tied table does, one of its own does not), and those of causal
        attention: seven products in two passes, of which five are backward's, that the middle token does with half of all.
        """
        case = case_of(job(name))
        config, counts = case.model.config, parameters(case).by_role
        layers, width, heads = (
            config.get(a, config.get(b))
            for a, b in (("n_layer", "num_hidden_layers"), ("n_embd", "hidden_size"), ("n_head", "num_attention_heads"))
        )
        head_dim = config.get("head_dim", width // heads)
        multiplied = counts["matrix"] + counts.get("head", counts["embedding"])
        pairs = (1024 + 1) / 2
        attention = layers * 7 * 2 * heads * head_dim * pairs
        done = work(case)
        tokens = 3 * 2 * 1024
        assert done.model_flops / tokens == pytest.approx(6 * multiplied + attention, rel=1e-12)
        assert done.hardware_flops == done.model_flops

    def test_of_full_recompute(self) -> None:
        """The forward of the blocks runs again, to the last product whose output is needed."""
        plain, again = (work(case_of(job("nanochat-d20", recompute=what))) for what in ("none", "full"))
        case = case_of(job("nanochat-d20"))
        width, layers = case.model["n_embd"], case.model["n_layer"]
        blocks = parameters(case).by_role["matrix"]
        attention = layers * 2 * 2 * width * (1024 + 1) / 2
        last = layers * 4 * width * width  # the block's last product: nobody needs what it makes
        tokens = 3 * 2 * 1024
        expected = 2 * (blocks - last) + attention
        assert (again.hardware_flops - plain.hardware_flops) / tokens == pytest.approx(expected, rel=1e-12)

    @few
    @given(jobs(), st.integers(2, 5))
    def test_grows_with_micro_batches_alone(self, made: dict[str, Any], times: int) -> None:
        """Forward and backward are done for each; the optimizer's step is not."""
        one, several = (work(case_of(made, micro_batches=n)) for n in (1, times))
        assert several.model_flops == pytest.approx(times * one.model_flops, rel=1e-12)
        assert several.hardware_flops == pytest.approx(times * one.hardware_flops, rel=1e-12)
        assert one.phases["optimizer"] == several.phases["optimizer"]
        assert [k for k, _ in one.phases["forward"]] == [k for k, _ in several.phases["forward"]]

    @few
    @given(jobs())
    def test_totals_are_those_of_the_kernels(self, made: dict[str, Any]) -> None:
        """Whatever is asked of the letters is what their values say one by one."""
        done = work(case_of(made))
        flops = {phase: sum(k.flops() * n for k, n in kernels) for phase, kernels in done.phases.items()}
        every = [e for kernels in done.phases.values() for e in kernels]
        assert done.model_flops == pytest.approx(flops["forward"] + flops["backward"], rel=1e-12)
        assert done.hardware_flops == pytest.approx(done.model_flops + flops["recompute"], rel=1e-12)
        assert done.bytes == pytest.approx(
            sum(k.bytes() * n for k, n in every if not isinstance(k, (Collective, Transfer))), rel=1e-12
        )
        assert done.launches == pytest.approx(sum(getattr(k, "launches", 1.0) * n for k, n in every), rel=1e-12)

    @few
    @given(jobs())
    def test_every_kernel_is_of_some_size(self, made: dict[str, Any]) -> None:
        """Nothing is negative, and nothing runs a negative number of times."""
        for kernels in work(case_of(made)).phases.values():
            for kernel, count in kernels:
                assert count > 0
                assert kernel.flops() >= 0
                assert kernel.bytes() >= 0
                if isinstance(kernel, Matmul):
                    assert kernel.m > 0 < kernel.n
                    assert kernel.k > 0
                if isinstance(kernel, Attention):
                    assert kernel.pairs() > 0


class TestMessages:
    def test_one_rank_sends_nothing(self) -> None:
        """Whatever its sharding."""
        for stage in range(4):
            assert not work(case_of(job("gpt2", parallelism=Parallelism(data=1, shard=stage)))).phases["communication"]

    @pytest.mark.parametrize(("stage", "sums", "gathers"), [(0, 1, 0), (1, 1, 1), (2, 3, 1), (3, 3, 6)])
    def test_payload_of_a_step(self, stage: int, sums: int, gathers: int) -> None:
        """
        Gradients are summed once a step, and in each of three micro-batches from the second stage on; parameters are gathered
        after the step, or in both passes of each micro-batch where they are shared, but for those outside of the blocks, which
        stay from one pass to the other.
        """
        case = case_of(job("llama-3.1-8b", parallelism=Parallelism(data=8, shard=stage), recompute="full"))
        weights = 2.0 * parameters(case).total
        payload = {"all_reduce": 0.0, "reduce_scatter": 0.0, "all_gather": 0.0}
        for kernel, count in work(case).phases["communication"]:
            assert isinstance(kernel, Collective)
            assert kernel.group == 8
            payload[kernel.kind] += float(kernel.payload * count)
        assert payload["all_reduce" if stage == 0 else "reduce_scatter"] == pytest.approx(sums * weights, rel=1e-12)
        width = case.model["hidden_size"]
        outside = 2.0 * (2 * case.model["vocab_size"] * width + width) if stage == 3 else 0.0
        assert payload["all_gather"] == pytest.approx(gathers * weights - 3 * outside, rel=1e-12)


class TestOptimizer:
    def test_states_on_the_host_cross_the_link_twice(self) -> None:
        """There and back, in each step."""
        plain, away = (case_of(job("gpt2", optimizer=optimizers["adamw"].evolve(states_on=where))) for where in ("device", "host"))
        moved = sum(k.payload * n for k, n in work(away).phases["optimizer"] if isinstance(k, Transfer))
        assert not any(isinstance(k, Transfer) for k, _ in work(plain).phases["optimizer"])
        assert moved == pytest.approx(2 * 2 * 2 * parameters(away).total, rel=1e-3)  # two moments in BF16, and step counts

    def test_a_sharded_optimizer_updates_its_share(self) -> None:
        """An eighth of the traffic."""
        whole, share = (
            sum(
                k.bytes() * n
                for k, n in work(case_of(job("gpt2", parallelism=Parallelism(data=8, shard=stage)))).phases["optimizer"]
            )
            for stage in (0, 1)
        )
        assert share == pytest.approx(whole / 8, rel=1e-12)
