"""What of compiled code's memory is refused, by name."""

import pytest

import llmplan
from llmplan.errors import UnsupportedError
from llmplan.evaluating.memory import memory, refusal
from llmplan.planning import resolved_case

WORK = llmplan.Training(tokens=1e9, sequence_length=1024, micro_batch_size=1, global_batch_size=8, loss="plain")


ONE = llmplan.Parallelism(data=1)


def case(training=WORK, runtime="pytorch-compiled", parallelism=ONE, **changes):
    """A complete job."""
    found, _ = resolved_case("gpt2", "8x h100-sxm", training, runtime=runtime, parallelism=parallelism, **changes)
    return found


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"parallelism": llmplan.Parallelism(data=8, shard=3)}, "sharded gradients or parameters"),
        ({"parallelism": llmplan.Parallelism(data=4, shard=2)}, "sharded gradients or parameters"),
        ({"parallelism": llmplan.Parallelism(data=4, tensor=2), "precision": "bf16"}, "shared among ranks"),
        ({"parallelism": llmplan.Parallelism(data=4, pipeline=2), "precision": "bf16"}, "stages of a pipeline"),
        ({"training": WORK.evolve(adapter=llmplan.LoRA(rank=8)), "precision": "qlora-nf4"}, "packed weights"),
        ({"training": WORK.evolve(loss="fused")}, "a fused loss"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(changes, what):
    """With the reason, and never answered as eager code."""
    job = case(**changes)
    with pytest.raises(UnsupportedError, match=f"compiled code with .*{what}"):
        memory(job)
    assert refusal(job) is not None


def test_a_dense_model_on_one_graph_is_answered():
    """Also with several ranks that share nothing, with adapters, and with layers that are made again."""
    for changes in ({}, {"training": WORK.evolve(adapter=llmplan.LoRA(rank=8))}, {"training": WORK.evolve(recompute="full")}):
        assert refusal(case(**changes)) is None


def test_compiled_code_needs_less():
    """It keeps less of each layer, and logits once."""
    compiled, eager = case(), case(runtime="pytorch")
    assert memory(compiled).peak < memory(eager).peak
    assert memory(compiled).saved_for_backward < memory(eager).saved_for_backward
