"""The peak explained: parts that add up, letters that come to it, savings that are real."""

import attrs
import pytest

import llmplan
from llmplan.errors import UnsupportedError
from llmplan.evaluating.memory import memory
from llmplan.planning.memory_explaining import explained
from llmplan.planning.savings import savings


@pytest.fixture(scope="module", name="plan")
def _plan() -> llmplan.Plan:
    job = llmplan.Training(tokens=1e9, sequence_length=1024, micro_batch_size=8, global_batch_size=64)
    # FSDP2 gathers parameters of one format only, and the script mixes them under autocast.
    return llmplan.plan("nanochat-d20", "8x h100-sxm", job, precision="bf16")


class TestParts:
    def test_they_add_up_to_the_peak(self, plan):
        why = plan.memory.explain()
        assert sum(p.bytes for p in why.parts) == pytest.approx(why.peak, rel=1e-12)
        assert why.peak == plan.memory.peak.likely.to("byte").magnitude

    def test_largest_first_and_each_once(self, plan):
        parts = plan.memory.explain().parts
        assert [p.bytes for p in parts] == sorted((p.bytes for p in parts), reverse=True)
        assert len({(p.category, p.label, p.place) for p in parts}) == len(parts)

    def test_what_is_made_in_a_layer_says_so(self, plan):
        """Every activation has a place; what stands all the time has none."""
        for part in plan.memory.explain().parts:
            assert bool(part.place) == (part.category in ("activations", "temporary") and part.label != "optimizer step"), part

    def test_the_letters_have_values(self, plan):
        why = plan.memory.explain()
        assert {"tokens", "hidden_size", "vocab_size"} <= set(why.letters)
        assert "activations: attention" in why.formula


class TestSavings:
    def test_each_is_that_of_the_job_with_one_change(self, plan):
        """Asked again by hand."""
        found = {(s.knob, s.after): s for s in savings(plan.case)}
        full = attrs.evolve(plan.case, recompute=llmplan.Recompute(what="full"))
        assert found["Training.recompute", "full"].peak == memory(full).peak
        shared = attrs.evolve(plan.case, parallelism=plan.case.parallelism.evolve(shard=3))
        assert found["Parallelism.shard", "3"].saves == memory(plan.case).peak - memory(shared).peak

    def test_most_first_and_unanswered_last(self, plan):
        found = savings(plan.case)
        answered = [s.saves for s in found if not s.why_not]
        assert answered == sorted(answered, reverse=True)
        assert all(s.why_not == "" for s in found[: len(answered)])

    def test_a_change_that_is_there_already_is_left_out(self, plan):
        lean = attrs.evolve(plan.case, recompute=llmplan.Recompute(what="full"), training=plan.case.training.evolve(loss="chunked"))
        assert {s.knob for s in savings(lean)}.isdisjoint({"Training.recompute", "Training.loss"})

    def test_one_card_has_nobody_to_share_with(self):
        job = llmplan.Training(tokens=1e9, micro_batch_size=1, global_batch_size=1)
        alone = llmplan.plan("gpt2", "rtx-4090", job)
        knobs = {s.knob for s in alone.memory.explain().savings}
        assert "Parallelism.shard" not in knobs
        assert "Optimizer.when" in knobs


class TestForm:
    def test_it_prints(self, plan):
        text = str(plan.memory.explain())
        assert text.startswith("peak ")
        assert "in letters" in text
        assert "one change at a time would save" in text

    def test_a_report_that_lost_its_plan(self, plan):
        with pytest.raises(UnsupportedError, match="without its plan"):
            attrs.evolve(plan.memory, case=None).explain()

    def test_the_plan_is_written_and_read_without_it(self, plan):
        again = llmplan.Plan.from_dict(plan.to_dict())
        assert again == plan
        assert again.memory.explain().parts == explained(plan.case).parts
