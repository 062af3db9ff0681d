"""Model: an architecture's name and a shape, under config.json's own names."""

from collections.abc import Mapping
from typing import Annotated, Any

from llmplan.errors import UnknownNameError
from llmplan.nouns._check import Between, Frozen, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Model(Noun):
    """
    A language model: which architecture, of what shape. It knows no family; an architecture gives the shape its meaning.

    Attributes:
        name: Its registry id.

        architecture: The name of its architecture, which is config.json's ``model_type``.

        config: The shape under the names that config.json uses, such as ``hidden_size``. Plain data of any depth.

        num_parameters_published: What its makers say it has, a whole number. For comparison; never computed with.

        source: Where the shape comes from.

    Raises:
        SpecError: A field has a value that it cannot have, or the shape is no plain data.

    Example:
        >>> from llmplan.sources import Source
        >>> model = Model(name="tiny", architecture="llama", config={"hidden_size": 64, "num_hidden_layers": 2},
        ...     source=Source.assumption("for this example"))
        >>> model["hidden_size"]
        64
        >>> model["hiden_size"]
        Traceback (most recent call last):
        ...
        llmplan.errors.UnknownNameError: ...

    .. versionadded:: 0.1.0
    """

    name: Name
    architecture: Name
    config: Annotated[Mapping[str, Any], Frozen()]
    num_parameters_published: Annotated[int, Between(1, 1e18)] | None = None
    source: Source

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  whatever config.json says
        """
        The item *key* of the shape.

        Raises:
            UnknownNameError: The shape does not say; the message names the nearest key that it has.
        """
        if key in self.config:
            return self.config[key]
        raise UnknownNameError(f"config key of model {self.name}", key, tuple(self.config))

    def __contains__(self, key: object) -> bool:
        """Whether the shape says anything of *key*."""
        return key in self.config

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """The item *key* of the shape, or *default* where it does not say."""
        return self.config.get(key, default)
