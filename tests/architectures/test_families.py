"""What holds for every family, whatever its shape and the setting, in both of PyTorch's runtimes."""

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.errors import LlmplanError, SpecError, UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import memory
from llmplan.evaluating.parameters import count_parameters
from llmplan.evaluating.setup import setup_of, shape_and_runs, sizes_of
from llmplan.evaluating.tracing import Structure, emit, repeats, trace
from llmplan.evaluating.work import work
from llmplan.nouns.model import Model
from llmplan.nouns.training import Training
from llmplan.planning import resolved_case
from llmplan.program.rows import Rows
from llmplan.program.size import evaluate
from llmplan.program.walk import walk
from llmplan.registry import architectures, resolve
from llmplan.sources import Source

if TYPE_CHECKING:
    from llmplan.architectures.architecture import Architecture

_SOURCE = Source.assumption("drawn at random")

#: Configurations in which a family's own traits show, beside what all have.
_TRAITS: dict[str, list[dict[str, Any]]] = {
    "gemma": [{"head_dim": 64}],
    "gemma2": [{"head_dim": 64, "sliding_window": 64, "attn_logit_softcapping": None}],
    "gemma3_text": [{"head_dim": 64, "sliding_window": 64, "sliding_window_pattern": 2}],
    "gpt2": [{}, {"attn_pdrop": 0.0}],
    "gpt_bigcode": [{}, {"multi_query": False}],
    "gpt_neox": [{}, {"use_parallel_residual": False, "hidden_dropout": 0.1}],
    "gptj": [{"rotary_dim": 16}],
    "granite": [{}],
    "llama": [{}, {"attention_bias": True, "mlp_bias": True}],
    "ministral3": [{"head_dim": 64}],
    "mistral": [{"sliding_window": 64}, {"sliding_window": None}],
    "olmo": [{}, {"clip_qkv": 8.0}],
    "olmo2": [{}],
    "opt": [{}, {"do_layer_norm_before": False, "word_embed_proj_dim": 64}],
    "phi": [{}, {"resid_pdrop": 0.1}],
    "phi3": [{}, {"partial_rotary_factor": 0.5}],
    "qwen2": [{}, {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 2}],
    "qwen3": [{"head_dim": 64}],
    "stablelm": [{}, {"use_parallel_residual": True, "use_qkv_bias": True}],
    "starcoder2": [{}, {"sliding_window": 64}],
}


@st.composite
def models(draw: st.DrawFn) -> Model:
    """A small model of a family."""
    name = draw(st.sampled_from(sorted(_TRAITS)))
    heads = draw(st.sampled_from([2, 4]))
    width = heads * draw(st.sampled_from([32, 64]))
    grouped = draw(st.sampled_from([1, 2, heads]))
    config = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": heads if name in ("phi", "stablelm") else grouped,
        "num_hidden_layers": draw(st.integers(1, 6)),
        "intermediate_size": 8 * draw(st.integers(8, 32)),
        "vocab_size": 64 * draw(st.integers(4, 64)),
        "max_position_embeddings": 256,
    }
    config |= draw(st.sampled_from(_TRAITS[name]))
    found = architectures[name]
    return Model(name=name, architecture=name, config=found.renamed(config), source=_SOURCE)


def case_of(model: Model, runtime: str = "transformers", *, recompute: str = "none", **changes: Any) -> Case:
    """A job that trains a model on a card with room for it."""
    precision = changes.pop("precision", "bf16-autocast")
    attention = changes.pop("attention", "flash")
    training = Training(
        tokens=1e6,
        sequence_length=128,
        micro_batch_size=changes.pop("micro_batch_size", 2),
        global_batch_size=2,
        recompute=recompute,
        loss="plain",
        **changes,
    )
    chosen = resolve("runtime", runtime).evolve(attention=attention)
    case, _ = resolved_case(model, "a100-sxm-80gb", training, precision=precision, runtime=chosen)
    return attrs.evolve(case, parallelism=case.parallelism.evolve(data=1))


_FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("config", [{}, {"new_decoder_architecture": True, "num_kv_heads": 2}, {"parallel_attn": False}])
def test_falcon_in_plain_pytorch_alone(config: dict[str, Any]) -> None:
    """Transformers copies its keys and values out in a way that is not modelled; that is said."""
    numbers = {"hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4, "vocab_size": 1024}
    model = Model(name="falcon", architecture="falcon", config=numbers | config, source=_SOURCE)
    assert memory(case_of(model, "pytorch", recompute="full")).peak < memory(case_of(model, "pytorch")).peak
    with pytest.raises(UnsupportedError, match="beside their queries"):
        memory(case_of(model, "transformers"))


@_FEW
@given(model=models(), precision=st.sampled_from(["fp32", "bf16", "bf16-autocast"]))
def test_runtimes_agree_on_parameters_and_arithmetic(model: Model, precision: str) -> None:
    """What a model is, and what has to be multiplied, is no framework's opinion."""
    found = [case_of(model, runtime, precision=precision, attention="eager") for runtime in ("pytorch", "transformers")]
    plain, library = (memory(case) for case in found)
    assert plain.parameters == library.parameters
    a, b = (work(case) for case in found)
    assert a.model_flops == pytest.approx(b.model_flops, rel=1e-12)


@_FEW
@given(model=models(), runtime=st.sampled_from(["pytorch", "transformers"]), attention=st.sampled_from(["flash", "eager"]))
def test_recomputation_never_keeps_more(model: Model, runtime: str, attention: str) -> None:
    """Of activations; and it never does less work."""
    without, full = (case_of(model, runtime, recompute=r, attention=attention, precision="bf16") for r in ("none", "full"))
    assert memory(full).saved_for_backward <= memory(without).saved_for_backward
    assert work(full).hardware_flops >= work(without).hardware_flops
    assert work(full).model_flops == pytest.approx(work(without).model_flops, rel=1e-12)


@_FEW
@given(model=models(), runtime=st.sampled_from(["pytorch", "transformers"]), recompute=st.sampled_from(["none", "full"]))
def test_folded_is_unrolled(model: Model, runtime: str, recompute: str) -> None:
    """A run of like layers, walked as its first, middle and last, is the run walked layer by layer."""
    case = case_of(model, runtime, recompute=recompute)
    setup, sizes = setup_of(case), sizes_of(case)
    folded = trace(setup.structure)
    atoms = [float(v) for v in evaluate([a.bytes for a in folded.rows.atoms], sizes)]
    counts = [float(v) for v in evaluate(folded.program.repeats, sizes)]
    assert folded.rows.peak(atoms, counts) == _unrolled(setup.structure, case, sizes)


def _unrolled(structure: Structure, case: Case, sizes: dict[str, float]) -> float:
    """The peak where each layer is walked by itself."""
    _, runs = shape_and_runs(case.architecture, case.model)
    layers = [layer for run in runs for _ in range(run.repeat) for layer in run.period]
    single = tuple(attrs.evolve(runs[0], period=(layer,), repeat=1) for layer in layers)
    program = emit(attrs.evolve(structure, runs=single))
    rows = Rows(walk(program), 0)
    return float(rows.peak([float(v) for v in evaluate([a.bytes for a in rows.atoms], sizes)], []))


@pytest.mark.parametrize("name", sorted(_TRAITS))
def test_a_family_without_a_number_says_which(name: str) -> None:
    """The numbers that no config.json leaves out have no default, but those of its configuration class do."""
    found: Architecture[Any] = architectures[name]
    with pytest.raises(SpecError, match="vocab_size"):
        found.shape({})
    shape, runs = shape_and_runs(found, Model(name=name, architecture=name, config=found.core, source=_SOURCE))
    assert shape.sizes()["vocab_size"] == found.core["vocab_size"]
    assert repeats(runs) or len(runs) == 1


@pytest.mark.parametrize("name", sorted(_TRAITS))
@pytest.mark.parametrize("wrong", [{"num_attention_heads": 0}, {"vocab_size": "many"}, {"tie_word_embeddings": "yes"}])
def test_faults_are_found(name: str, wrong: dict[str, Any]) -> None:
    """Each with its key."""
    found: Architecture[Any] = architectures[name]
    with pytest.raises(LlmplanError, match=next(iter({**found.renamed(wrong)}))):
        found.shape({**found.core, **found.renamed(wrong)})


def test_a_count_is_the_program_s() -> None:
    """Counted apart from any job, a family's parameters are those that its memory counts."""
    model = Model(name="opt", architecture="opt", config=architectures["opt"].core, source=_SOURCE)
    assert count_parameters(architectures["opt"], model).total == 125239296  # facebook/opt-125m
