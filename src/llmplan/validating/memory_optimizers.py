"""The optimizers of measured cases of training memory, by the names that the cases use."""

from collections.abc import Mapping
from typing import Any, Final

from llmplan.errors import UnsupportedError
from llmplan.nouns.optimizer import Optimizer
from llmplan.sources import Source

_SOURCE: Final = Source(kind="measurement", title="a measured case")

#: What a case's optimizer is; how it is implemented is the case's ``optimizer_impl`` where it is not said here.
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "adamw": {"algorithm": "adamw"},
    "adamw_amsgrad": {"algorithm": "adamw-amsgrad"},
    "adamw_fp32_states": {"algorithm": "adamw", "state_format": "fp32"},
    "adamw_master": {"algorithm": "adamw", "state_format": "fp32", "master": True},
    "adam8bit": {"algorithm": "adamw", "state_format": "8bit-block"},
    "adamw8bit_bnb": {"algorithm": "adamw", "state_format": "8bit-block", "implementation": "bitsandbytes"},
    "adamw32bit_bnb": {"algorithm": "adamw", "state_format": "fp32", "implementation": "bitsandbytes"},
    "lion8bit_bnb": {"algorithm": "lion", "state_format": "8bit-block", "implementation": "bitsandbytes"},
    "adamw8bit_ao": {"algorithm": "adamw", "state_format": "8bit-block", "implementation": "torchao"},
    "adamw4bit_ao": {"algorithm": "adamw", "state_format": "4bit-block", "implementation": "torchao"},
    "adamwfp8_ao": {"algorithm": "adamw", "state_format": "fp8-block", "implementation": "torchao"},
    "nadam": {"algorithm": "nadam"},
    "radam": {"algorithm": "radam"},
    "adafactor": {"algorithm": "adafactor"},
    "adafactor_transformers": {"algorithm": "adafactor", "implementation": "transformers"},
    "lion": {"algorithm": "lion"},
    "sgd": {"algorithm": "sgd"},
    "sgd_momentum": {"algorithm": "sgd-momentum"},
    "muon": {"algorithm": "muon"},
}


def optimizer_of(inputs: Mapping[str, Any]) -> Optimizer:
    """
    The optimizer that a case's *inputs* describe.

    Raises:
        UnsupportedError: Its name is not known.
    """
    name = inputs["optimizer"]
    fields = _FIELDS.get(name) if isinstance(name, str) else None
    if fields is None:
        raise UnsupportedError(f"the optimizer {name!r:.80}", f"modelled are: {', '.join(_FIELDS)}")
    when = "backward" if inputs["optimizer_in_backward"] else "step"
    return Optimizer(**{"name": name, "implementation": inputs["optimizer_impl"], "when": when, "source": _SOURCE} | fields)
