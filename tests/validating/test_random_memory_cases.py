"""Settings drawn at random and measured once: what no formula was written for."""

from llmplan.validating import validate

#: Its peak came before the first step, while the script built the model: a head of its own, then tied to the table.
BUILDING = {"heads": 16, "kv_heads": 4, "head_dim": 96, "vocab": 128256}


def test_random_settings_are_predicted_to_a_ten_thousandth():
    """All are answered, and have their peaks within 0.02 % of what was measured; but for one that peaks as it is built."""
    report = validate("memory", ["tests/data/memory_cases_random.json"])
    assert report.cases == report.answered == 89
    errors = [(abs(c.likely / c.measured - 1), c.inputs["model"]) for c in report.compared if c.quantity == "peak"]
    (over,) = [model for error, model in errors if error > 2e-4]
    assert over.items() >= BUILDING.items()
    assert report.statistics()["saved_for_backward"]["all"]["max_ape"] < 1e-3
