"""Frameworks come through the door that a plugin's come through."""

import pytest

import llmplan
from llmplan.errors import UnknownNameError
from llmplan.program.emit import Emitter
from llmplan.runtimes import emitter_of
from llmplan.runtimes.framework import Framework


def test_built_in_frameworks():
    assert set(llmplan.frameworks) >= {"megatron", "pytorch", "transformers"}
    for name, framework in llmplan.frameworks.items():
        assert framework.name == name
        assert issubclass(framework.emitter, Emitter)
        assert emitter_of(name) is framework.emitter


def test_every_runtime_names_one():
    assert {runtime.framework for runtime in llmplan.runtimes.values()} <= set(llmplan.frameworks)


def test_an_unknown_one_is_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'pytorch'"):
        emitter_of("pytroch")


@pytest.mark.parametrize("emitter", [None, "PyTorch", int, Emitter.__init__])
def test_an_emitter_is_a_class_of_emitters(emitter):
    with pytest.raises(TypeError, match="must derive from"):
        Framework(name="mine", emitter=emitter)
