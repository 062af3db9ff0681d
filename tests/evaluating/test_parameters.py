"""Parameters of public mixtures, of latent attention and of state spaces, counted exactly."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.evaluating.parameters import count_parameters
from llmplan.nouns.model import Model
from llmplan.registry import resolve
from llmplan.sources import Source

DATA = Path(__file__).parents[1] / "data" / "model_parameters_experts.json"
MODELS: dict[str, dict[str, Any]] = json.loads(DATA.read_text())["models"]
CLASSES: dict[str, dict[str, Any]] = json.loads(DATA.read_text())["classes"]
SOURCE = Source(kind="measurement", title="parameters on the meta device")


@pytest.mark.parametrize("name", MODELS)
def test_counts_are_exact(name: str) -> None:
    """All, those that a token goes through, and those of experts that a router chooses among."""
    said = MODELS[name]
    architecture = resolve("architecture", said["architecture"])
    model = Model(name=name, architecture=said["architecture"], config=said["config"], source=SOURCE)
    found = count_parameters(architecture, model)
    assert found.total == said["total_params"]
    assert found.active == said["active_params_per_token"]
    assert found.routed == said["routed_expert_params"]
    assert found.by_role["embedding"] == said["input_embedding_params"]
    assert found.by_role.get("head", 0) == said["output_head_params"]


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_left_out_is_as_the_configuration_class_has_it(name: str) -> None:
    """Hybrids among them, whose shared blocks count once."""
    said = CLASSES[name]
    model = Model(name="class", architecture=said["architecture"], config=said["config"], source=SOURCE)
    found = count_parameters(resolve("architecture", said["architecture"]), model)
    assert found.total == said["total_params"]
    assert found.routed == said["routed_expert_params"]
