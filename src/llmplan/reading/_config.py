"""read_config: a model's config.json as a Model. It is data: nothing in it is executed or fetched."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmplan.errors import SpecError
from llmplan.nouns.model import Model
from llmplan.reading._faults import faults_of
from llmplan.reading._text import check_depth, load, parse_json
from llmplan.sources import Source


def read_config(
    config: "str | os.PathLike[str] | Mapping[str, Any]", *, name: str | None = None, source: Source | None = None
) -> Model:
    """
    A model from its config.json, under the names that config.json uses. No family of models is known here.

    Args:
        config: A path (of the file or of its folder), JSON text (it starts with ``{``), or a dict.

        name: What to call the model. What the config calls itself, or its ``model_type``, where it is left out.

        source: Where the config comes from. A secondary source that names the file, where it is left out.

    Raises:
        SpecError: It cannot be read, has no ``model_type``, says a thing twice, or has a shape that no model has.

    Example:
        >>> model = read_config({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2})
        >>> model.architecture, model["hidden_size"]
        ('llama', 64)

    .. versionadded:: 0.1.0
    """
    data, where = _data_of(config)
    check_depth(data, where)
    architecture = data.get("model_type")
    if architecture is None:
        raise SpecError(where, ("required field missing @ config.model_type",))
    try:
        return Model(
            name=name if name is not None else _name_of(data),
            architecture=architecture,
            config=data,
            source=source or Source(kind="secondary", title=f"config.json, {where}"),
        )
    except SpecError as exc:
        faults = (f"{message} @ {_in_config(path)}" for path, message in faults_of(exc))
        raise SpecError(where, tuple(faults)) from None


def _data_of(config: "str | os.PathLike[str] | Mapping[str, Any]") -> tuple[Mapping[str, Any], str]:
    if isinstance(config, Mapping):
        return config, "<dict>"
    if isinstance(config, str) and config.lstrip().startswith("{"):
        return parse_json(config, "<string>"), "<string>"
    path = Path(config)
    # Whatever is wrong with the path, load() says it.
    with contextlib.suppress(OSError, ValueError):
        path = path / "config.json" if path.is_dir() else path
    return parse_json(load(path), os.fspath(path)), os.fspath(path)


def _name_of(data: Mapping[str, Any]) -> Any:  # noqa: ANN401  the noun checks it
    called = data.get("_name_or_path")
    return called if isinstance(called, str) and called.strip() else data["model_type"]


def _in_config(path: str) -> str:
    inside = path.removeprefix(".config")
    return f"config{inside}" if inside != path else {".architecture": "config.model_type"}.get(path, path.removeprefix("."))
