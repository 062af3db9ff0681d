"""measure(): the question, put to a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from llmplan.errors import LlmplanError, SpecError, UnsupportedError
from llmplan.measure.report import Measured
from llmplan.measure.settings import Settings
from llmplan.nouns.model import Model


def measure(
    model: "str | PathLike[str] | Mapping[str, Any] | Model | Callable[[], Any]",
    settings: Settings | None = None,
    *,
    timeout: float = 1800.0,
) -> Measured:
    """
    Measure the training memory of a model in PyTorch, without a GPU.

    Args:
        model: A config.json (as a path, a dict, or a :class:`~llmplan.Model` whose architecture Transformers knows), or
            a function without arguments that returns a ``torch.nn.Module``, itself or as "package.module:function". The
            module is built and called in another process: ``module(ids)`` gives logits, whose cross-entropy is the
            loss, or ``module(ids, targets)`` the loss itself.
        settings: How it is trained; the defaults of :class:`Settings` where left out.
        timeout: Seconds after which the measurement is given up. [s]

    Raises:
        SpecError: What was given is no model, or a function that no other process can import.
        UnsupportedError: torch or a C++ compiler is missing, or the model cannot be built or run.

    Example:
        ``measure("config.json", Settings(sequence_length=2048)).peak``

    .. versionadded:: 0.1.0
    """
    asked = {"model": _portable(model), "settings": attrs.asdict(settings or Settings()), "path": sys.path}
    _must_have("torch")
    if "config" in asked["model"]:
        _must_have("transformers")
    return Measured.from_dict(_answer(asked, timeout))


def _portable(model: object) -> dict[str, Any]:
    """A model as plain data."""
    if isinstance(model, Model):
        return {"config": _plain(model.config) | {"model_type": model.architecture}}
    if isinstance(model, Mapping):
        return {"config": _config(_plain(model), "measure()")}
    if isinstance(model, str) and ":" in model and not Path(model).exists():
        return {"function": model}
    if isinstance(model, (str, PathLike)):
        return {"config": _read(Path(model))}
    if callable(model):
        return {"function": _address(model)}
    raise SpecError("measure()", (f"expected a config.json or a function that returns a module, got {model!r:.80} @ model",))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(str(path), (f"no config.json: {error}",)) from error
    return _config(found, str(path))


def _config(found: object, where: str) -> dict[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise SpecError(where, ("expected an object that names a model_type @ model_type",))
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401  data of any depth
    """Mappings and tuples as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _address(function: Callable[..., Any]) -> str:
    """Where another process finds a function."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module in (None, "__main__") or "<" in name or not name:
        what = f"{function!r:.80} cannot be imported by another process: put it into a module @ model"
        raise SpecError("measure()", (what,))
    return f"{module}:{name}"


def _must_have(package: str) -> None:
    if find_spec(package) is None:
        raise UnsupportedError(f"measuring without {package}", "install the extra: pip install 'llmplan[measure]'")


def _answer(asked: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """What the other process says."""
    command = [sys.executable, "-m", "llmplan.measure.inside.child"]
    try:
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603  this interpreter
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError("a measurement of this model", f"it had not ended after {timeout:g} seconds") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UnsupportedError("a measurement of this model", last)
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise _error(answer)
    found: dict[str, Any] = answer["measured"]
    return found


def _error(answer: Mapping[str, Any]) -> LlmplanError:
    if answer["kind"] == "SpecError":
        return SpecError("measure()", (answer["error"],))
    return UnsupportedError("a measurement of this model", answer["error"])
