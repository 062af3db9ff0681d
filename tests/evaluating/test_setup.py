"""What a job's structure is: all that an ``if`` looks at, and nothing else."""

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import case_of, jobs, with_layers
from llmplan.errors import JobError, SpecError
from llmplan.evaluating.evaluate import evaluate
from llmplan.evaluating.setup import setup_of, sizes_of
from llmplan.evaluating.tracing import trace
from llmplan.nouns.parallelism import Parallelism
from llmplan.registry import optimizers

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(jobs(micro_batch_size=2), st.integers(3, 6), st.integers(1, 9))
def test_sizes_are_no_structure(job: dict[str, Any], micro: int, layers: int) -> None:
    """Another batch, length or number of layers is traced once with the first; its letters stand for something else."""
    job["model"] = with_layers(job["model"], 16)  # enough of them that more are more of the same
    one = case_of(job)
    other = case_of(job, micro_batch_size=micro, sequence_length=48, micro_batches=job["micro_batches"])
    assert setup_of(one) == setup_of(other)
    assert trace(setup_of(one).structure) is trace(setup_of(other).structure)
    assert sizes_of(one) != sizes_of(other)
    if one.model.architecture != "nanochat-2026":  # its layers are not all alike
        assert setup_of(case_of(job, model=with_layers(job["model"], layers))) == setup_of(one)


@few
@given(jobs())
def test_a_structure_does_not_know_the_card_or_the_run(job: dict[str, Any]) -> None:
    """Nor the site: whatever is kept by structure serves them all."""
    one = case_of(job)
    other = attrs.evolve(case_of(job, machine="rtx-4070"), training=one.training.evolve(tokens=7e12))
    assert setup_of(one) == setup_of(other)
    assert hash(setup_of(one)) == hash(setup_of(other))
    assert sizes_of(one) == sizes_of(other)


@few
@given(jobs())
def test_all_letters_have_values(job: dict[str, Any]) -> None:
    """What a trace asks for is what the case says, in positive numbers or zero."""
    case = case_of(job)
    sizes = sizes_of(case)
    assert all(isinstance(size, float) and size >= 0 for size in sizes.values())
    assert evaluate(case).memory is not None


def job(**changes: Any) -> dict[str, Any]:
    """A small plain job."""
    return {
        "model": "gpt2",
        "machine": "8x h100-sxm",
        "precision": "bf16",
        "attention": "flash",
        "micro_batch_size": 1,
        "micro_batches": 1,
        "sequence_length": 128,
        "optimizer": "adamw",
        "recompute": "none",
        "loss": "plain",
        "adapter": None,
        "parallelism": Parallelism(data=1),
    } | changes


@pytest.mark.parametrize("micro_batches", [2, 3])
def test_in_backward_needs_one_micro_batch(micro_batches: int) -> None:
    """And the message says which step would do."""
    made = job(optimizer=optimizers["adamw"].evolve(when="backward"))
    case = case_of(made)
    assert setup_of(case).structure.fate == "taken"
    several = attrs.evolve(case, training=case.training.evolve(global_batch_size=micro_batches))
    with pytest.raises(JobError, match="set global_batch_size to 1"):
        setup_of(several)


def test_an_open_knob_has_no_default_here() -> None:
    """Whoever asks for it is told which it is."""
    case = case_of(job())
    for name, read in {
        "sequence_length": lambda c: c.sequence_length,
        "micro_batch_size": lambda c: c.micro_batch_size,
        "global_batch_size": lambda c: c.micro_batches,
    }.items():
        with pytest.raises(SpecError, match=rf"nothing is completed @ Training\.{name}"):
            read(attrs.evolve(case, training=case.training.evolve(**{name: None})))
    with pytest.raises(SpecError, match=r"@ Parallelism\.data"):
        _ = attrs.evolve(case, parallelism=Parallelism()).ranks
