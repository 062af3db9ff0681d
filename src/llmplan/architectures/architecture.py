"""
Architecture: how a model of one kind is built from its configuration, said to an emitter.

An architecture knows shapes, norms and wiring: what would be true in any framework. It knows no framework: how a verb
is carried out is the runtime's. It is written once in letters: each number of its shape is a float or a
:class:`~llmplan.program.size.Size`.
"""

import abc
import math
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Generic, Self, TypeVar

import attrs

from llmplan.errors import SpecError, nearest
from llmplan.program.emit import Emitter, Windows
from llmplan.program.op import Tensor
from llmplan.program.share import Share
from llmplan.program.size import Number, Size

#: No model has more of anything than this: it keeps arithmetic on sizes exact.
_MOST = 1e12

_T = TypeVar("_T")
_W = TypeVar("_W", bound=str)


@attrs.frozen(kw_only=True)
class Shape:
    """
    Numbers and structure of a model.

    Fields that hold a :data:`~llmplan.program.size.Number` are sizes; all others are structure: what an ``if`` of the
    architecture may look at.
    """

    hidden_size: Number
    vocab_size: Number

    def sizes(self) -> dict[str, float]:
        """The sizes, by field name."""
        return {f.name: float(getattr(self, f.name)) for f in attrs.fields(type(self)) if f.type is Number}

    def structure(self) -> tuple[Hashable, ...]:
        """All that is no size."""
        return tuple(getattr(self, f.name) for f in attrs.fields(type(self)) if f.type is not Number)

    def in_letters(self) -> Self:
        """The same shape, each size a letter."""
        return attrs.evolve(self, **{name: Size.letter(name) for name in self.sizes()})

    def shared(self, cut: Sequence[str], share: Share) -> Self:
        """The same shape as one rank has it, with its *share* of the sizes that are *cut*."""
        return attrs.evolve(self, **{name: getattr(self, name) / share.tensor for name in cut})


ShapeT = TypeVar("ShapeT", bound=Shape)


class Architecture(abc.ABC, Generic[ShapeT]):
    """
    A kind of model.

    Attributes:
        name: Its registry name; config.json's ``model_type`` where there is one.
        core: What its configuration class assumes where even the numbers are left out that no config.json is without.
        spellings: What a configuration may write for a name of ours: ours by the other.
        dropouts: Configuration keys that hold a dropout rate.
        cut: Sizes of the shape that ranks which share matrices divide among them: heads, and the columns between two
            matrices. A block is said with one rank's numbers of them, and its matrices to
            :meth:`~llmplan.program.emit.Emitter.linear` with ``split``. Empty where the blocks do not say that.
        streams_alone: Whether a block needs no more of what came before it than the residual stream, so that another
            stage of a pipeline can have it.
    """

    llmplan_api = 1
    name: str
    core: ClassVar[Mapping[str, Any]] = {}
    spellings: ClassVar[Mapping[str, str]] = {}
    dropouts: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    streams_alone = True

    @abc.abstractmethod
    def shape(self, config: Mapping[str, Any]) -> ShapeT:
        """
        The shape that a configuration describes.

        Raises:
            SpecError: With all faults of the configuration, each with its key.
        """

    def renamed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration under our names."""
        return {self.spellings.get(key, key): value for key, value in config.items()}

    @abc.abstractmethod
    def layers(self, config: Mapping[str, Any]) -> Sequence[Hashable]:
        """A description of each layer; like layers have equal ones."""

    @abc.abstractmethod
    def sequence_length(self, config: Mapping[str, Any]) -> int:
        """The longest sequence that the model was made for. [token]"""

    def position_limit(self, config: Mapping[str, Any]) -> int | None:  # noqa: ARG002  a few architectures have one
        """The length that no sequence can pass, where positions are rows of a table; None where they are not."""
        return None

    def window(self, config: Mapping[str, Any]) -> int | None:  # noqa: ARG002  a few architectures have one
        """Tokens that queries of some or all layers may look back; None where they see all. [token]"""
        return None

    def active_share(self, config: Mapping[str, Any]) -> Fraction:  # noqa: ARG002  mixtures of experts have a smaller one
        """Share of the experts that a router chooses among which a token goes through; 1 where there are none."""
        return Fraction(1)

    def windows(self, config: Mapping[str, Any]) -> Windows:  # noqa: ARG002  a few architectures have some
        """Which layers have a window."""
        return "none"

    @abc.abstractmethod
    def embed(self, e: Emitter, s: ShapeT) -> Tensor:
        """All before the first layer; returns the residual stream."""

    @abc.abstractmethod
    def block(self, e: Emitter, s: ShapeT, x: Tensor, layer: Any) -> Tensor:  # noqa: ANN401  what layers() gave
        """One layer; returns the residual stream."""

    @abc.abstractmethod
    def head(self, e: Emitter, s: ShapeT, x: Tensor) -> None:
        """All after the last layer, the loss included."""


class Reader:
    """
    Reads a configuration and gathers all its faults.

    Args:
        config: The configuration, as config.json has it.
        where: What it is the configuration of, for messages.
    """

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self._config, self._where = config, where
        self._faults: list[str] = []

    def rate(self, key: str, default: float = 0.0) -> float:
        """A share from 0 to 1."""
        value = self._config.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            return self._fault(f"expected a share from 0 to 1, got {value!r} @ {key}", default)
        return float(value)

    def count(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number of at least *least*."""
        value = self._value(key, default)
        if value is None:
            return least
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or int(value) != value:  # noqa: PLR0124
            return self._fault(f"expected a whole number, got {value!r} @ {key}", least)
        if not least <= value <= _MOST:
            return self._fault(f"expected a number from {least} to {_MOST:g}, got {value!r} @ {key}", least)
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            return self._fault(f"expected true or false, got {value!r} @ {key}", default)
        return value

    def choice(self, key: str, choices: Sequence[_W], default: _W) -> _W:
        """One of a few words."""
        value = self._value(key, default)
        if value not in choices:
            close = nearest(str(value), choices)
            hint = f"; did you mean {close!r}?" if close else ""
            return self._fault(f"expected one of {', '.join(choices)}, got {value!r}{hint} @ {key}", default)
        return choices[choices.index(value)]

    def must(self, key: str, holds: object, message: str) -> None:
        """Note a fault unless it *holds*."""
        if not holds:
            self._fault(f"{message} @ {key}", None)

    def done(self) -> None:
        """
        Raise what was found.

        Raises:
            SpecError: If there are faults.
        """
        if self._faults:
            raise SpecError(self._where, tuple(self._faults))

    def _value(self, key: str, default: object) -> Any:  # noqa: ANN401  whatever the file holds
        value = self._config.get(key)
        if value is None and default is None:
            self._fault(f"required field missing @ {key}", None)
        return default if value is None else value

    def _fault(self, message: str, value: _T) -> _T:
        """Note a fault and go on with *value*."""
        self._faults.append(message)
        return value


#: Columns of a head that the widest attention kernels take.
_WIDEST = 256


def aligned(head_dim: float, to: int = 8) -> bool:
    """Whether a head is a multiple of *to* elements wide, as attention kernels want it."""
    return math.isclose(head_dim % to, 0.0)


def wide(head_dim: float) -> bool:
    """Whether a head is wider than the widest attention kernels take."""
    return head_dim > _WIDEST
