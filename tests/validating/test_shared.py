"""Matrices and layers that ranks share in plain PyTorch: every measured case, and what must hold for any."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import case_of
from llmplan.architectures.architecture import Architecture
from llmplan.errors import JobError, UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import memory, peak_bytes
from llmplan.evaluating.parameters import count_parameters
from llmplan.evaluating.setup import setup_of, sizes_of
from llmplan.evaluating.stages import memory_of_stages
from llmplan.evaluating.tracing import trace
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.program.size import evaluate
from llmplan.registry import resolve
from llmplan.sources import Source
from llmplan.validating.memory import predict

CASES = json.loads((Path(__file__).parents[1] / "data" / "memory_cases_shared.json").read_text(encoding="utf-8"))["cases"]
MADE_UP = Source(kind="generated", title="made up for a test")
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("measured_case", CASES, ids=[c["name"] for c in CASES])
def test_a_measured_case(measured_case: dict[str, Any]) -> None:
    """PyTorch's own tensors, on a process group that sends nothing: the peak and what waits for backward."""
    found = predict({k: v for k, v in measured_case["inputs"].items() if k != "name"})
    measured = measured_case["measured"]
    assert found["peak"][1] == pytest.approx(measured["peak"], rel=1e-4)
    assert found["saved_for_backward"][1] == pytest.approx(measured["saved_for_backward"], rel=1e-4)


def decoder(**changes: Any) -> Model:
    """A small Llama whose every number four ranks divide."""
    config = {
        "hidden_size": 64,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "num_hidden_layers": 8,
        "intermediate_size": 128,
        "vocab_size": 1024,
    }
    return Model(name="small", architecture="llama", config=config | changes, source=MADE_UP)


def job(runtime: str = "pytorch", *, model: Model | None = None, micro_batches: int = 4, **parallelism: Any) -> Case:
    """A small job that ranks share."""
    made = {
        "model": model or decoder(),
        "machine": "16x8 h100-sxm",
        "precision": "bf16-master" if runtime == "megatron" else "bf16",
        "attention": "flash",
        "micro_batch_size": 1,
        "micro_batches": micro_batches,
        "sequence_length": 64,
        "optimizer": "adamw",
        "recompute": "none",
        "loss": "plain",
        "adapter": None,
        "parallelism": Parallelism(data=1, **parallelism),
    }
    case = case_of(made)
    return attrs.evolve(case, runtime=resolve("runtime", runtime))


def weights(case: Case) -> dict[str, float]:
    """Elements of a rank's weights, by name."""
    program = trace(setup_of(case).structure).program
    kept = program.weights()
    sizes = evaluate([w.elements * n for w, n in kept], sizes_of(case))
    found: dict[str, float] = {}
    for (w, _), size in zip(kept, sizes, strict=True):
        name = w.weight.name if w.weight else ""
        found[name] = found.get(name, 0.0) + float(size)
    return found


@pytest.mark.parametrize("runtime", ["pytorch", "megatron"])
@given(ways=st.sampled_from([2, 4]))
@few
def test_shares_of_matrices_are_the_whole(runtime: str, ways: int) -> None:
    """Ranks' shares of every matrix add up to it; norms are on each of them."""
    one, some = weights(job(runtime)), weights(job(runtime, tensor=ways))
    assert set(one) == set(some)
    for name, size in one.items():
        whole = some[name] * (1 if "norm" in name else ways)
        assert whole == size, name


def cut_architectures() -> list[tuple[Architecture[Any], dict[str, Any]]]:
    """Those that say how they are cut, each with a small configuration that two ranks divide."""
    gpt2 = {"n_embd": 64, "n_head": 4, "n_layer": 2, "vocab_size": 1024, "n_positions": 128}
    nanochat = {"n_embd": 64, "n_head": 4, "n_kv_head": 2, "n_layer": 2, "vocab_size": 1024, "sequence_len": 128}
    plain = dict(decoder(num_hidden_layers=2).config)
    names = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gpt_neox")
    found = [(resolve("architecture", n), plain) for n in names]
    return [*found, (resolve("architecture", "gpt2"), gpt2), (resolve("architecture", "nanochat-2025"), nanochat)]


@pytest.mark.parametrize(("architecture", "config"), cut_architectures(), ids=lambda x: getattr(x, "name", ""))
def test_every_family_that_is_cut_says_all_of_it(architecture: Architecture[Any], config: dict[str, Any]) -> None:
    """A matrix that a family forgot to say how to cut would be whole on each rank, and its neighbour half."""
    assert architecture.cut
    model = Model(name="small", architecture=architecture.name, config=config, source=MADE_UP)
    one, two = weights(job(model=model)), weights(job(model=model, tensor=2))
    whole = {name: size / two[name] for name, size in one.items()}
    replicated = {name for name, share in whole.items() if share == 1}
    assert {whole[name] for name in whole if name not in replicated} == {2.0}
    matrices = [n for n in replicated if not ("norm" in n or "ln_" in n or n.endswith("bias") or n == "wpe")]
    assert matrices == []
    assert sum(one.values()) == count_parameters(architecture, model).total


@given(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.integers(1, 6))
@few
def test_more_ranks_need_no_more(tensor: int, pipeline: int, micro_batches: int) -> None:
    """Sharing matrices or layers among twice as many never takes more memory of one."""
    one = memory(job("megatron", tensor=tensor, pipeline=pipeline, micro_batches=micro_batches)).peak
    assert memory(job("megatron", tensor=min(2 * tensor, 4), pipeline=pipeline, micro_batches=micro_batches)).peak <= one


@pytest.mark.parametrize("runtime", ["pytorch", "megatron"])
@given(stages=st.sampled_from([2, 4]), micro_batches=st.integers(1, 8))
@few
def test_all_forward_first_needs_no_less(runtime: str, stages: int, micro_batches: int) -> None:
    """GPipe keeps all micro-batches in flight, 1F1B as many as stages follow."""
    both = [memory(job(runtime, pipeline=stages, micro_batches=micro_batches, schedule=s)).peak for s in ("gpipe", "1f1b")]
    assert both[0] >= both[1]
    if micro_batches <= 1:
        assert both[0] == both[1]


def test_the_stage_that_needs_most_is_named() -> None:
    """The last, whose logits are large, or the first, where more is in flight."""
    wide = job(pipeline=2, model=decoder(vocab_size=65536))
    deep = job(pipeline=4, model=decoder(vocab_size=64, num_hidden_layers=32), micro_batches=8)
    assert memory(wide).stage == 1
    assert memory(deep).stage == 0
    assert memory(wide).peak == max(m.peak for m in memory_of_stages(wide)) == peak_bytes(wide)


@pytest.mark.parametrize(("first", "last"), [(1, None), (None, 1), (3, 1)])
def test_uneven_stages(first: int | None, last: int | None) -> None:
    """Each stage has the parameters of its layers; all stages together those of the model."""
    case = job(pipeline=4, first_stage_layers=first, last_stage_layers=last, model=decoder(num_hidden_layers=10, hidden_size=256))
    stages = memory_of_stages(case, every=True)
    assert len(stages) == 4
    total = count_parameters(case.architecture, case.model).total
    assert sum(s.parameters for s in stages) == 2.0 * total


def test_what_is_in_flight_is_among_the_parts() -> None:
    """The parts of a stage are its peak."""
    for runtime in ("pytorch", "megatron"):
        for stage in memory_of_stages(job(runtime, pipeline=4, micro_batches=8), every=True):
            assert sum(p.bytes for p in stage.parts) == pytest.approx(stage.peak, rel=1e-12)


def test_interleaving_keeps_more_in_flight() -> None:
    """Virtual stages trade memory for a shorter bubble."""
    plain, interleaved = (
        memory_of_stages(job("megatron", pipeline=4, virtual_stages=v, micro_batches=8))[0].saved_for_backward for v in (1, 2)
    )
    assert interleaved > plain


@pytest.mark.parametrize(
    ("error", "changes", "match"),
    [
        (JobError, {"tensor": 3}, "do not divide the model's 8 query heads"),
        (JobError, {"tensor": 8}, "do not divide the model's 4 key-value heads"),
        (JobError, {"pipeline": 3}, "8 layers cannot be shared out among 3 stages"),
        (JobError, {"pipeline": 4, "virtual_stages": 3}, "3 virtual stages do not divide"),
        (JobError, {"pipeline": 8, "virtual_stages": 1, "tensor": 4, "context": 8}, "and the machine has 128"),
        (UnsupportedError, {"context": 2}, "context parallelism in the runtime pytorch"),
        (JobError, {"expert": 2}, "the model has no experts that 2 ranks could share"),
        (UnsupportedError, {"pipeline": 2, "schedule": "zero-bubble"}, "the zero-bubble schedule"),
    ],
)
def test_what_cannot_be_shared_so(error: type[Exception], changes: dict[str, Any], match: str) -> None:
    """Is refused with the reason."""
    with pytest.raises(error, match=match):
        memory(job(**changes))
