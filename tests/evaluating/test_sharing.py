"""Work and time of jobs that ranks share: arithmetic divides, messages are counted, time is answered where it is calibrated."""

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llmplan
from jobs import case_of
from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import formula
from llmplan.evaluating.timing import timing
from llmplan.evaluating.work import work
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.program.kernel import Collective
from llmplan.registry import resolve
from llmplan.sources import Source

LAYERS, WIDTH, LENGTH, MICRO_BATCHES = 8, 64, 64, 4
MADE_UP = Source(kind="generated", title="made up for a test")
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def job(runtime: str = "megatron", *, words: int = 4096, **parallelism: Any) -> Case:
    """A small Llama whose every number four ranks divide, and whose words need no filling up."""
    config = {
        "hidden_size": WIDTH,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "num_hidden_layers": LAYERS,
        "intermediate_size": 128,
        "vocab_size": words,
    }
    made = {
        "model": Model(name="small", architecture="llama", config=config, source=MADE_UP),
        "machine": "16x8 h100-sxm",
        "precision": "bf16-master" if runtime == "megatron" else "bf16",
        "attention": "flash",
        "micro_batch_size": 1,
        "micro_batches": MICRO_BATCHES,
        "sequence_length": LENGTH,
        "optimizer": "adamw",
        "recompute": "none",
        "loss": "plain",
        "adapter": None,
        "parallelism": Parallelism(**({"data": 1} | parallelism)),
    }
    return attrs.evolve(case_of(made), runtime=resolve("runtime", runtime))


def sent(case: Case) -> dict[str, float]:
    """Bytes of the tensors that are exchanged in a step, by kind."""
    found: dict[str, float] = {}
    for kernels in work(case).phases.values():
        for kernel, times in kernels:
            if isinstance(kernel, Collective):
                found[kernel.kind] = found.get(kernel.kind, 0.0) + float(kernel.payload) * times
    return found


@given(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2]), st.sampled_from([1, 2]))
@few
def test_arithmetic_divides(tensor: int, pipeline: int, context: int, virtual: int) -> None:
    """By all ranks that share a replica, exactly."""
    virtual = virtual if pipeline > 1 else 1
    whole = work(job()).model_flops
    part = work(job(tensor=tensor, pipeline=pipeline, context=context, virtual_stages=virtual)).model_flops
    assert part * tensor * pipeline * context == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("runtime", ["pytorch", "megatron"])
def test_arithmetic_is_no_runtime_s(runtime: str) -> None:
    """Joined matrices multiply as much as apart."""
    assert work(job(runtime, tensor=2)).model_flops == pytest.approx(work(job("pytorch")).model_flops / 2, rel=1e-12)


@pytest.mark.parametrize("runtime", ["pytorch", "megatron"])
def test_sums_of_tensor_parallelism(runtime: str) -> None:
    """Two a layer forward and two backward, one for the words that come in and one for those that go out."""
    stream = 2.0 * LENGTH * WIDTH
    small = 12.0 * LENGTH * MICRO_BATCHES if runtime == "megatron" else 4.0 * LENGTH * MICRO_BATCHES
    assert sent(job(runtime, tensor=2)) == {"all_reduce": stream * (4 * LAYERS + 2) * MICRO_BATCHES + small}


def test_sequence_parallelism_gathers_and_scatters_what_is_summed_otherwise() -> None:
    """A sum is a scatter and a gather; gathered inputs are gathered again backward."""
    stream = 2.0 * LENGTH * WIDTH * MICRO_BATCHES
    found = sent(job(tensor=2, sequence=2))
    assert found["reduce_scatter"] == stream * (4 * LAYERS + 2)
    assert found["all_gather"] == stream * (6 * LAYERS + 3)


def test_stages_send_what_stands_between_them() -> None:
    """Forward and backward, each micro-batch, from every piece but the last."""
    stream = 2.0 * LENGTH * WIDTH * MICRO_BATCHES
    assert "send_receive" not in sent(job(pipeline=2))  # the last stage, which has the head, works most
    assert sent(job(pipeline=4, first_stage_layers=5, words=128))["send_receive"] == 2.0 * stream


def test_context_parallelism_trades_tokens_for_heads() -> None:
    """Queries, keys, values and the output, forward and backward."""
    found = sent(job(context=2))
    assert found["all_to_all"] == 2.0 * 4.0 * 2.0 * (LENGTH / 2) * WIDTH * LAYERS * MICRO_BATCHES


def test_gradients_are_summed_over_data_and_context() -> None:
    """In FP32 where the buffer is; the distributed optimizer scatters sums and gathers weights."""
    whole = sent(job(data=2))
    shared = sent(job(data=2, shard=1))
    assert set(whole) == {"all_reduce"}
    assert set(shared) == {"reduce_scatter", "all_gather"}
    assert shared["reduce_scatter"] == pytest.approx(whole["all_reduce"], rel=1e-3)


def test_a_bubble_is_paid_for() -> None:
    """A pipeline of four with four micro-batches waits; virtual stages halve what it waits."""
    plain, interleaved = (
        timing(c, work(c), 1e6).terms["bubble"] / sum(timing(c, work(c), 1e6).terms[k] for k in ("forward", "backward"))
        for c in (job(pipeline=4), job(pipeline=4, virtual_stages=2))
    )
    assert plain > 1.5 * interleaved > 0


@pytest.mark.parametrize("shared", [{"context": 2}])
def test_time_that_nothing_has_calibrated(shared: dict[str, int]) -> None:
    """Is refused, while memory is answered."""
    case = job(**shared)
    with pytest.raises(UnsupportedError, match="the time of a step whose sequences or experts are shared out"):
        timing(case, work(case), 1e6)


def test_the_closed_form_of_a_stage_holds_what_is_in_flight() -> None:
    """Its pass, and as often again as micro-batches wait beside it."""
    one, four = formula(job(pipeline=2)), formula(job(pipeline=4, words=128))
    assert "attention" in one
    assert sum("attention log-sum-exp" in line for line in four.splitlines()) == 2


def test_a_plan_names_its_stage() -> None:
    """And reads back equal."""
    plan = llmplan.plan(
        "llama-3.1-8b",
        "8x h100-sxm",
        llmplan.Training(tokens=1e9, sequence_length=4096, micro_batch_size=1, global_batch_size=64),
        precision="bf16-master",
        parallelism=Parallelism(tensor=2, sequence=2, pipeline=2, shard=1),
        runtime="megatron",
    )
    assert plan.memory.moment.endswith(("on stage 0", "on stage 1"))
    assert llmplan.Plan.from_dict(plan.to_dict()) == plan
    assert plan.case.ranks == 2
