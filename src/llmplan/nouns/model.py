"""Model: an architecture's name and a shape, under config.json's own names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from llmplan.errors import UnknownNameError
from llmplan.nouns._check import Between, Frozen, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source

# What no model is without: zero of it is a slip. Under the names of several families, as a config keeps its own.
_NEVER_ZERO = re.compile(
    r"(num_(hidden_|encoder_|decoder_)?layers|n_layers?|hidden_size|n_embd|d_model|vocab_size|num_attention_heads|n_heads?"
    r"|num_key_value_heads|head_dim|max_position_embeddings|n_positions|n_ctx)"
)
# What counts something, so that a fraction or a negative number of it is a slip. A window of -1 is no window,
# and mscale_all_dim is a factor of rotary positions that happens to end so.
_COUNT = re.compile(r"(num|n)_(?!.*window).*|(?!.*(window|mscale)).*_(size|dim|layers|heads|experts)")
_MOST_LAYERS = 1e6
_MOST = 1e12


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

    def _contradictions(self) -> Iterable[str]:
        for path, message in _impossible(self.config):
            yield f"{message} @ Model.config{path}"

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


def _impossible(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The counts that no model can have, as (path, message), by the names of the keys alone."""
    for key, value in config.items():
        here = f"{path}.{key}"
        if isinstance(value, Mapping):
            yield from _impossible(value, here)
        elif _NEVER_ZERO.fullmatch(key):
            yield from ((here, message) for message in _uncountable(value, 1, _MOST_LAYERS if "layer" in key else _MOST))
        elif _COUNT.fullmatch(key) and _is_number(value):
            yield from ((here, message) for message in _uncountable(value, 0, _MOST))


def _is_number(value: object) -> bool:
    items = value if isinstance(value, tuple) else (value,)
    return all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items)


def _uncountable(value: object, least: int, most: float) -> Iterator[str]:
    # Some families say a count for each layer, and a null leaves it to the family.
    for item in value if isinstance(value, tuple) else (value,):
        whole = isinstance(item, (int, float)) and not isinstance(item, bool) and item == item // 1
        if item is not None and not (whole and least <= item <= most):
            yield f"expected a whole number from {least} to {most:g}, got {item!r:.80}"
