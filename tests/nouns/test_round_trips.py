"""Every noun survives TOML, JSON, pickle, copy and a change to itself."""

import copy
import json
import pickle
import subprocess
import sys
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies_nouns import NOUNS, hardwares, machines, sites, trainings

from llmplan.nouns._noun import Noun, fields_of
from llmplan.reading import from_dict, read, to_dict, write

any_noun = st.sampled_from(sorted(NOUNS, key=lambda cls: cls.__name__)).flatmap(lambda cls: NOUNS[cls])
slow = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@pytest.mark.parametrize("cls", NOUNS, ids=lambda cls: cls.__name__)
class TestEachNoun:
    def test_toml(self, cls: type[Noun]) -> None:
        """What write() writes, read() reads back equal."""

        @slow
        @given(NOUNS[cls])
        def check(noun: Noun) -> None:
            text = write(noun)
            assert read(text, cls) == noun
            assert tomllib.loads(text)["api"] == 1

        check()

    def test_json(self, cls: type[Noun]) -> None:
        """What to_dict() gives goes through JSON and is read back equal."""

        @slow
        @given(NOUNS[cls])
        def check(noun: Noun) -> None:
            text = json.dumps(to_dict(noun), allow_nan=False)
            assert from_dict(json.loads(text), cls) == noun
            assert read(text, cls) == noun

        check()


@slow
@given(any_noun)
def test_equal_nouns_hash_equally_and_are_copied_and_pickled(noun: Noun) -> None:
    """A copy is equal and hashes equally, however it was made."""
    for again in (copy.copy(noun), copy.deepcopy(noun), pickle.loads(pickle.dumps(noun)), noun.evolve()):
        assert again == noun
        assert hash(again) == hash(noun)
        assert {again: 1}[noun] == 1


@slow
@given(any_noun)
def test_repr_is_one_line_and_names_the_class(noun: Noun) -> None:
    """A noun prints as its class and the fields that are said."""
    assert repr(noun).startswith(f"{type(noun).__name__}(")
    assert "\n" not in repr(noun)


@slow
@given(any_noun)
def test_a_noun_cannot_be_changed(noun: Noun) -> None:
    """Setting a field fails, as its hash may be in use."""
    field = fields_of(type(noun))[0].name
    with pytest.raises(AttributeError):
        setattr(noun, field, None)


def test_nouns_unpickle_in_a_fresh_process() -> None:
    """A process that has imported nothing of llmplan gets the same noun, and hashes it as it hashes its own."""
    script = (
        "import pickle, sys; nouns = pickle.load(sys.stdin.buffer);"
        "from llmplan.reading import read, write;"
        "assert all(read(write(n), type(n)) == n and hash(read(write(n), type(n))) == hash(n) for n in nouns);"
        "sys.stdout.buffer.write(pickle.dumps(nouns))"
    )
    nouns = [_one(strategy) for strategy in (hardwares, machines, sites, trainings)]
    for noun in nouns:
        hash(noun)  # a cached hash must not travel: texts hash differently in every process
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(nouns), capture_output=True, check=True)
    assert pickle.loads(done.stdout) == nouns


def _one(strategy: st.SearchStrategy[Noun]) -> Noun:
    found: list[Noun] = []

    @settings(max_examples=1, database=None, deadline=None)
    @given(strategy)
    def keep(noun: Noun) -> None:
        found.append(noun)

    keep()
    return found[0]
