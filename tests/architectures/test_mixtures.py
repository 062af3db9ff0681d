"""What holds of every mixture, latent attention and state space: they plan in plain PyTorch, and count what a token uses."""

import functools
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmplan
from llmplan.evaluating.memory import memory
from llmplan.evaluating.parameters import count_parameters
from llmplan.evaluating.work import work
from llmplan.nouns.model import Model
from llmplan.planning import resolved_case
from llmplan.registry import resolve
from llmplan.sources import Source

SMALL = {"hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 512, "num_hidden_layers": 4}
HEADS = {"intermediate_size": 512, **SMALL}
SCAN = {"mamba_n_heads": 8, "mamba_d_state": 32}
LATENT = {"kv_lora_rank": 64, "q_lora_rank": 64, "qk_nope_head_dim": 32, "qk_rope_head_dim": 32, "v_head_dim": 32}
DEEPSEEK = {**HEADS, **LATENT, "moe_intermediate_size": 64, "n_routed_experts": 8, "num_experts_per_tok": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "mixtral": {**HEADS, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {**HEADS, "num_experts": 8, "moe_intermediate_size": 64, "shared_expert_intermediate_size": 128},
    "qwen3_moe": {**HEADS, "num_experts": 16, "moe_intermediate_size": 64},
    "olmoe": {**HEADS, "num_experts": 16},
    "phimoe": {**HEADS, "num_local_experts": 4},
    "granitemoe": {**HEADS, "num_local_experts": 4},
    "granitemoeshared": {**HEADS, "num_local_experts": 4, "shared_intermediate_size": 128},
    "gpt_oss": {**HEADS, "num_local_experts": 8},
    "deepseek_v2": DEEPSEEK,
    "deepseek_v3": DEEPSEEK,
    "deepseek_v32": {**DEEPSEEK, "index_n_heads": 2, "index_head_dim": 32},
    "jamba": {**HEADS, "num_experts": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 16},
    "qwen3_next": {**HEADS, "head_dim": 64, "num_experts": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
    "mamba": {k: v for k, v in SMALL.items() if "heads" not in k},
    "falcon_mamba": {k: v for k, v in SMALL.items() if "heads" not in k},
    "mamba2": {**SMALL, "num_heads": 8, "head_dim": 64, "state_size": 32},
    "bamba": {**HEADS, **SCAN, "attn_layer_indices": [1, 3]},
    "falcon_h1": {**HEADS, **SCAN, "mamba_d_ssm": 512},
    "zamba2": {**HEADS, "n_mamba_heads": 8, "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"]},
    "nemotron_h": {**HEADS, "hybrid_override_pattern": "ME*-", "mamba_num_heads": 8, "moe_intermediate_size": 64, "n_groups": 2},
}


@functools.cache
def model_of(family: str) -> Model:
    return Model(name=family, architecture=family, config=FAMILIES[family], source=Source.assumption("small"))


def case_of(family: str, sequences: int, **knobs: Any) -> Any:
    said = llmplan.Training(
        tokens=1e9, sequence_length=256, micro_batch_size=sequences, global_batch_size=sequences, dropout=0.0, **knobs
    )
    case, _ = resolved_case(model_of(family), "a100-sxm-80gb", said, precision="bf16")
    return attrs.evolve(case, parallelism=case.parallelism.evolve(data=1))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_token_uses_is_no_more_than_there_is(family: str) -> None:
    """And the same where there are no experts to choose among."""
    found = count_parameters(resolve("architecture", family), model_of(family))
    assert 0 < found.active <= found.total
    assert (found.active == found.total) == (found.routed == 0)
    assert found.total == sum(found.by_role.values())


@pytest.mark.parametrize("family", FAMILIES)
@given(sequences=st.integers(1, 64))
def test_more_sequences_take_no_less(family: str, sequences: int) -> None:
    """Of memory and of arithmetic, which grows as they do."""
    fewer, more = case_of(family, sequences), case_of(family, 2 * sequences)
    assert 0 < memory(fewer).peak <= memory(more).peak
    assert work(more).model_flops == pytest.approx(2.0 * work(fewer).model_flops, rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_running_layers_again_keeps_less(family: str) -> None:
    """Whatever a layer is made of."""
    assert memory(case_of(family, 8, recompute="full")).saved_for_backward < memory(case_of(family, 8)).saved_for_backward


def test_arithmetic_is_that_of_the_chosen_experts() -> None:
    """Twice as many experts to choose among cost their router alone; twice as many a token cost twice."""
    mixtral = FAMILIES["mixtral"]

    def flops(**changes: int) -> float:
        case = case_of("mixtral", 2)
        return work(attrs.evolve(case, model=case.model.evolve(config={**mixtral, **changes}))).model_flops

    router = 3 * 2 * 2 * 256 * 256 * 4 * 4  # three products of 2 FLOP, 512 tokens, 256 columns, 4 more experts, 4 layers
    experts = 3 * 2 * 2 * 256 * 2 * (256 * 1024 + 512 * 256) * 4
    assert flops(num_local_experts=8) - flops() == pytest.approx(router)
    assert flops(num_experts_per_tok=4) - flops() == pytest.approx(experts)
