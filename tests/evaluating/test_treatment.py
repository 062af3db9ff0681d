"""How layers are treated: what must hold whatever the model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.jobs import case_of, models

import llmplan
from llmplan.errors import JobError, UnsupportedError
from llmplan.evaluating.memory import memory
from llmplan.evaluating.setup import setup_of
from llmplan.evaluating.work import work
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.recompute import Recompute

PLAIN = st.fixed_dictionaries(
    {
        "model": models(),
        "machine": st.just("h100-sxm"),
        "precision": st.sampled_from(["bf16", "bf16-autocast", "fp32"]),
        "attention": st.sampled_from(["flash", "eager"]),
        "micro_batch_size": st.integers(1, 4),
        "micro_batches": st.sampled_from([1, 2]),
        "sequence_length": st.sampled_from([16, 64]),
        "optimizer": st.just("adamw"),
        "recompute": st.just("none"),
        "loss": st.just("plain"),
        "adapter": st.none(),
        "parallelism": st.just(Parallelism(data=1)),
    }
)
WHOLE = st.sampled_from(["full", "pointwise", "selective", "offload"])


@settings(max_examples=25, deadline=None)
@given(PLAIN, st.sampled_from(["full", "attention", "offload"]))
def test_recomputation_never_keeps_more(job, what):
    """On the device, when the forward has ended. (The core alone can: under autocast it keeps wider queries and keys.)"""
    none, some = (memory(case_of(job, recompute=r)) for r in ("none", what))
    assert some.saved_for_backward <= none.saved_for_backward
    assert some.host == 0.0 or what == "offload"


@settings(max_examples=25, deadline=None)
@given(PLAIN)
def test_the_more_is_kept_the_less_runs_again(job):
    """Nothing of a block, every second product, every product: the same order in bytes, the opposite one in arithmetic."""
    modes = ("full", "selective", "pointwise")
    kept = [memory(case_of(job, recompute=what)).saved_for_backward for what in modes]
    done = [work(case_of(job, recompute=what)).hardware_flops for what in modes]
    assert kept == sorted(kept)
    assert done == sorted(done, reverse=True)


@settings(max_examples=15, deadline=None)
@given(PLAIN, WHOLE)
def test_in_every_layer_or_in_none(job, what):
    """Every layer is every first one; where no layer's turn comes nothing is recomputed."""
    assert setup_of(case_of(job, recompute=Recompute(what=what, every=1))) == setup_of(case_of(job, recompute=what))
    never, none = (memory(case_of(job, recompute=r)) for r in (Recompute(what=what, every=1000), "none"))
    assert (never.peak, never.saved_for_backward, never.host) == (none.peak, none.saved_for_backward, none.host)


@settings(max_examples=15, deadline=None)
@given(PLAIN, WHOLE, st.integers(1, 3))
def test_what_a_model_computes_is_not_changed(job, what, every):
    """Recomputation adds to the hardware's arithmetic, never to the model's; what is offloaded adds to neither."""
    none, some = (work(case_of(job, recompute=r)) for r in ("none", Recompute(what=what, every=every)))
    assert some.model_flops == pytest.approx(none.model_flops, rel=1e-12)
    assert some.hardware_flops >= none.hardware_flops * (1 - 1e-12)
    if what == "offload":
        assert some.hardware_flops == pytest.approx(none.hardware_flops, rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(PLAIN)
def test_dropout_only_adds(job):
    """A rate of zero says nothing; any other as much as each other."""
    none, some, more = (memory(case_of(job, dropout=rate)) for rate in (0.0, 0.1, 0.5))
    assert none.saved_for_backward <= some.saved_for_backward == more.saved_for_backward
    assert none.peak <= some.peak == more.peak


@settings(max_examples=15, deadline=None)
@given(PLAIN, st.sampled_from([{"frozen_layers": 1}, {"trainable": "norms"}, {"trainable": "all-but-embedding"}]))
def test_what_is_frozen_only_saves(job, frozen):
    """Memory and arithmetic."""
    try:
        some = memory(case_of(job, **frozen))
    except JobError:  # a model of one layer
        return
    whole = memory(case_of(job))
    assert some.saved_for_backward <= whole.saved_for_backward
    assert work(case_of(job, **frozen)).model_flops <= work(case_of(job)).model_flops


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"frozen_layers": 12}, JobError),
        ({"trainable": "head"}, JobError),
    ],
)
def test_what_cannot_be_together(changes, error):
    """All layers frozen; a tied head alone."""
    with pytest.raises(error):
        _gpt2(**changes)


@pytest.mark.parametrize("changes", [{"recompute": "pointwise"}, {"recompute": "offload"}, {"loss": "half"}])
def test_what_only_plain_pytorch_is_known_for(changes):
    with pytest.raises(UnsupportedError, match="plain PyTorch"):
        _gpt2("transformers", **changes)


def _gpt2(runtime="pytorch", **changes):
    workload = llmplan.Training(tokens=1e9, sequence_length=64, micro_batch_size=1, **changes)
    return llmplan.plan("gpt2", "h100-sxm", workload, runtime=runtime)
