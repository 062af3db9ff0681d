"""Errors say what was wrong, keep their facts, and travel between processes."""

import pickle

import pytest

from llmplan import errors
from llmplan.errors import (
    JobError,
    LlmplanError,
    PluginError,
    SpecError,
    UnitError,
    UnknownNameError,
    UnsupportedError,
    nearest,
)

EXAMPLES = [
    UnitError(80, "a quantity in byte"),
    UnitError("80 W", "a quantity in byte", "it measures watt and not byte"),
    SpecError("my.toml", ("required field missing @ Hardware.tdp", "unknown field 'tpd' @ Hardware")),
    UnknownNameError("hardware", "rtx-4071", ("rtx-4070", "h100-sxm")),
    PluginError("hardware", "b200", "acme-gpus", "1.2", "acme.hardware", "No module named 'acme'"),
    JobError(("one thing", "another thing")),
    UnsupportedError("the fp8 peak of rtx-3090", "no source states it"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=str)
class TestEveryError:
    def test_is_a_llmplan_error(self, error):
        """Whoever catches LlmplanError catches all of them."""
        assert isinstance(error, LlmplanError)

    def test_pickles(self, error):
        """An error that was raised in a worker arrives with its facts and its message."""
        again = pickle.loads(pickle.dumps(error))

        assert (type(error), str(error), vars(error)) == (type(again), str(again), vars(again))

    def test_keeps_its_notes(self, error):
        """What was added with add_note() travels too."""
        noted = pickle.loads(pickle.dumps(error))
        noted.add_note("seen by a worker")

        assert pickle.loads(pickle.dumps(noted)).__notes__ == ["seen by a worker"]


def test_all_children_are_tried():
    """The examples above leave out no class of the module."""
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, LlmplanError)}

    assert classes - {LlmplanError} == {type(error) for error in EXAMPLES}


class TestSpecError:
    def test_tells_all_faults(self):
        """Every fault stands on a line of its own below the file's name."""
        assert str(SpecError("a.toml", ("x @ A.b", "y @ A.c"))) == "a.toml:\n  - x @ A.b\n  - y @ A.c"

    def test_one_fault_without_brackets(self):
        """A single text is one fault, and not one a letter."""
        assert SpecError("a.toml", "x @ A.b").faults == ("x @ A.b",)
        assert JobError("cannot be").faults == ("cannot be",)


class TestUnknownNameError:
    def test_is_a_key_error(self):
        """A registry is a mapping, and code that expects KeyError of one works."""
        with pytest.raises(KeyError):
            raise UnknownNameError("hardware", "x", ())

    def test_message_is_not_a_repr(self):
        """KeyError prints the repr of its argument; a sentence is no key."""
        assert str(UnknownNameError("hardware", "rtx-4071", ("rtx-4070",))).endswith("Did you mean 'rtx-4070'?")

    def test_lists_what_is_known(self):
        """Where nothing is near, the names are listed, but not hundreds of them."""
        message = str(UnknownNameError("hardware", "abacus", tuple(f"card-{i}" for i in range(30))))

        assert "'card-0'" in message
        assert message.endswith("and 18 more")

    def test_nothing_known(self):
        """An empty registry says so."""
        assert str(UnknownNameError("hardware", "x", ())) == "no hardware is named 'x'. None are known"

    def test_long_name(self):
        """A megabyte for a name makes no megabyte of message, and no quadratic search."""
        assert len(str(UnknownNameError("hardware", "x" * 1_000_000, ("rtx-4070",)))) < 200


class TestUnitError:
    def test_shortens_long_values(self):
        """The message stays readable, the attribute keeps all."""
        error = UnitError("9" * 1000, "a quantity in byte")

        assert len(str(error)) < 200
        assert error.value == "9" * 1000


class TestNearest:
    def test_ignores_capitals(self):
        """A name in capitals is near the same name without."""
        assert nearest("BF16", ("bf16", "fp16")) == "bf16"

    def test_gives_the_name_as_it_is_written(self):
        """What comes back can be used as it stands."""
        assert nearest("gib", ("GiB", "kWh")) == "GiB"

    def test_not_a_text(self):
        """Any object may turn up where a name was expected."""
        assert nearest(4070, ("rtx-4070",)) == "rtx-4070"

    def test_nothing(self):
        """Nothing is near to nothing."""
        assert nearest("x", ()) is None
