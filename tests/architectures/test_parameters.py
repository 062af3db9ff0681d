"""How many parameters public models have: counted from their configurations, and equal to the models' own."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.evaluating.parameters import count_parameters
from llmplan.nouns.model import Model
from llmplan.registry import architectures
from llmplan.sources import Source

_MODELS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "model_parameters.json").read_text())["models"]
_SOURCE = Source(kind="measurement", title="counted on PyTorch's meta device")


@pytest.mark.parametrize("name", sorted(_MODELS))
def test_counts_are_exact(name: str) -> None:
    """In all, of the embedding, of a head of its own, and of positions."""
    known = _MODELS[name]
    architecture = architectures[known["config"]["model_type"]]
    found = count_parameters(architecture, Model(name="m", architecture=architecture.name, config=known["config"], source=_SOURCE))
    assert found.total == known["total_params"]
    assert found.by_role.get("embedding", 0) == known["input_embedding_params"]
    assert found.by_role.get("position", 0) == known["other_embedding_params"]
    if not known["tied_embeddings"]:
        bias = known["output_head_params"] - found.by_role["head"]
        assert bias in (0, known["config"]["vocab_size"])  # a head's bias stands among the biases


def test_every_family_of_the_data_is_read() -> None:
    """None is left out for want of an architecture."""
    assert {m["config"]["model_type"] for m in _MODELS.values()} <= set(architectures)
