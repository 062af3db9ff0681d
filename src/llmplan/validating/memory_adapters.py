"""Adapters and precisions of measured cases of training memory, by the names that the cases use."""

from collections.abc import Mapping
from typing import Any, Final

from llmplan.errors import UnsupportedError
from llmplan.nouns.lora import LoRA
from llmplan.nouns.precision import Precision
from llmplan.registry import resolve

#: What a case's dtype is called here.
_PRECISIONS: Final = {
    "fp32": "fp32",
    "bf16": "bf16",
    "autocast": "bf16-autocast",
    "fp16_autocast": "fp16-autocast",
    "cast": "bf16-cast",
    "bf16_autocast": "bf16",
    "gather": "bf16-gather",
}
#: Formats of the frozen base, by the names of the cases.
_BASES: Final = {"": None, "nf4": "nf4", "nf4_dq": "nf4-double-quantized"}

#: What the layers of the measured scripts are called in configurations.
_LAYERS: Final = {
    "llama": {
        "q": "q_proj",
        "k": "k_proj",
        "v": "v_proj",
        "out": "o_proj",
        "gate": "gate_proj",
        "up": "up_proj",
        "down": "down_proj",
    },
    "gpt2": {"qkv": "c_attn", "out": "attn.c_proj", "up": "c_fc", "down": "mlp.c_proj"},
}


def adapter_of(inputs: Mapping[str, Any]) -> LoRA | None:
    """The adapter of a case: the measured tool's own, or PEFT's."""
    given = inputs.get("adapter")
    if not given:
        rank = inputs["lora_rank"]
        return LoRA(rank=rank) if rank else None
    names = _LAYERS.get(inputs["model"].get("family", ""), {})
    targets = given.get("targets")
    return LoRA(
        rank=given["rank"],
        targets=tuple(names.get(t, t) for t in targets) if targets else "all-linear",
        format=given.get("format"),
        dropout=given.get("dropout", 0.0),
    )


def precision_of(inputs: Mapping[str, Any]) -> Precision:
    """
    The precision of a case.

    Raises:
        UnsupportedError: Its dtype or its base is not known.
    """
    dtype, base = inputs["dtype"], inputs.get("base", "")
    if not isinstance(dtype, str) or dtype not in _PRECISIONS or base not in _BASES:
        raise UnsupportedError(f"the dtype {dtype!r:.80} over {base!r:.80}", f"modelled are: {', '.join(_PRECISIONS)}")
    made: Precision = resolve("precision", _PRECISIONS[dtype])
    if dtype == "bf16_autocast":
        made = made.evolve(casts="autocast")
    if base:
        made = made.evolve(frozen_weights=_BASES[base])
    if inputs.get("prepared"):
        made = made.evolve(weights="fp32", gradients="fp32", optimizer_states="fp32")
        made = made if made.casts == "autocast" else made.evolve(casts="at-use", activations="bf16")
    return made
