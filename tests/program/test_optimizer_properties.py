"""What holds of every optimizer, whatever the parameters."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from llmplan.architectures.llama import LLAMA
from llmplan.evaluating.parameters import count_parameters
from llmplan.nouns.model import Model
from llmplan.program.op import Tensor, Weight
from llmplan.program.optimizer import Algorithm, Rule
from llmplan.sources import Source

shapes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
algorithms = st.sampled_from(get_args(Algorithm))


def parameter(shape: tuple[int, int]) -> Tensor:
    """A hidden matrix in BF16."""
    made = Tensor(float(shape[0]), float(shape[1]), "bf16")
    made.weight = Weight("matrix", trainable=True, stored=made.bytes, name="w")
    return made


@given(shapes, st.sampled_from(["sgd", "adamw", "muon"]))
def test_a_master_copy_adds_four_bytes_an_element(shape: tuple[int, int], algorithm: Algorithm) -> None:
    """Rounded up to the allocator's blocks, beside states in FP32."""
    w = parameter(shape)
    plain = Rule(algorithm=algorithm, states="fp32")
    added = Rule(algorithm=algorithm, states="fp32", master=True).state_bytes(w) - plain.state_bytes(w)  # type: ignore[operator]
    assert added == -(-4 * shape[0] * shape[1] // 512) * 512


@given(shapes, st.sampled_from(["fp32", "8bit"]), st.sampled_from(["adamw", "lion"]))
def test_what_is_paged_is_a_part_of_the_states(shape: tuple[int, int], states: str, algorithm: Algorithm) -> None:
    """Device and host together have all, and below 100,000 elements the device does."""
    w = parameter(shape)
    rule = Rule(algorithm=algorithm, implementation="bitsandbytes", states=states, paged=True)  # type: ignore[arg-type]
    assert 0 <= rule.paged_bytes(w) <= rule.state_bytes(w)
    assert rule.device_bytes(w) + rule.paged_bytes(w) == rule.state_bytes(w)
    assert (rule.paged_bytes(w) == 0) == (shape[0] * shape[1] < 100_000)


@given(st.lists(shapes, max_size=6), algorithms)
def test_fused_steps_take_nothing(parameters: list[tuple[int, int]], algorithm: Algorithm) -> None:
    """But for Muon's products, which no kernel does at once."""
    taken = Rule(algorithm=algorithm, implementation="fused").temporary_bytes([(parameter(s), 1.0) for s in parameters])
    assert (taken == 0) == (algorithm != "muon" or not parameters)


@given(st.lists(shapes, min_size=1, max_size=6), shapes, st.sampled_from(["adamw", "adafactor", "lion", "radam"]))
def test_one_parameter_more_never_takes_less(
    parameters: list[tuple[int, int]], more: tuple[int, int], algorithm: Algorithm
) -> None:
    """Neither tensor by tensor nor all at once."""
    for implementation in ("loop", "foreach"):
        rule = Rule(algorithm=algorithm, implementation=implementation)
        before = [(parameter(s), 1.0) for s in parameters]
        assert rule.temporary_bytes([*before, (parameter(more), 1.0)]) >= rule.temporary_bytes(before)


@given(st.integers(1, 64), st.sets(st.sampled_from(["q_proj", "v_proj", "down_proj"]), min_size=1))
def test_an_adapter_trains_r_times_in_plus_out(rank: int, targets: set[str]) -> None:
    """For each layer that has one."""
    width, heads, kv_heads, ffn, layers = 256, 4, 2, 704, 3
    config = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "vocab_size": 1000,
    }
    model = Model(name="m", architecture="llama", config=config, source=Source.assumption("a small model"))
    ends = {"q_proj": (width, width), "v_proj": (width, width // heads * kv_heads), "down_proj": (ffn, width)}
    counted = count_parameters(LLAMA, model, rank, tuple(sorted(targets)))
    assert counted.trainable == layers * rank * sum(sum(ends[t]) for t in targets)
