"""Training memory: cases measured on PyTorch without a GPU, predicted from their inputs alone."""

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs

from llmplan.errors import LlmplanError, SpecError, UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.memory import memory
from llmplan.evaluating.replaying import reserved
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.recompute import Recompute
from llmplan.nouns.training import Training
from llmplan.planning import resolved_case
from llmplan.reading import from_dict
from llmplan.registry import architectures, resolve
from llmplan.sources import Source
from llmplan.validating.cases import cases_of
from llmplan.validating.megatron import inputs_of, is_run, measured_of, predict_run
from llmplan.validating.memory_adapters import adapter_of, precision_of
from llmplan.validating.memory_optimizers import optimizer_of
from llmplan.validating.report import Report
from llmplan.validating.shared import is_shared, memory_of, shared
from llmplan.validating.statistics import Compared

_SOURCE: Final = Source(kind="measurement", title="a measured case")
_RECOMPUTE: Final = {
    **{what: what for what in ("none", "full", "attention", "pointwise", "selective", "offload")},
    "attention_core": "attention-core",
}
_TRAINABLE: Final = {"all": None, "no-embedding": "all-but-embedding"}
#: The allocated peak does not depend on the cards; these have room enough, and there are as many as a case has ranks.
_ANY_NODE: Final = "8x-a100-sxm-80gb"


def validate_memory(paths: list[str]) -> Report:
    """
    Predict the cases of some files.

    Raises:
        SpecError: A file that holds no such cases.
    """
    compared: list[Compared] = []
    unanswered: dict[str, int] = {}
    count = 0
    for path in paths:
        for case in cases_of(path, "memory"):
            count += 1
            run = is_run(case)
            inputs = inputs_of(case) if run else {k: v for k, v in _part(case, "inputs", path).items() if k != "name"}
            try:
                found = predict_run(inputs) if run else predict(inputs)
            except LlmplanError as error:
                reason = str(error)
                unanswered[reason] = unanswered.get(reason, 0) + 1
                continue
            if run:
                compared += _compared_run(inputs, measured_of(case, path), found)
                continue
            measured = _part(case, "measured", path)
            compared += [_compared(q, inputs, measured, bounds) for q, bounds in found.items() if _KEYS[q] in measured]
    return Report(kind="memory", cases=count, compared=compared, unanswered=unanswered)


#: Where a case has each quantity.
_KEYS: Final = {"peak": "peak", "reserved": "allocator_peak_reserved", "saved_for_backward": "saved_for_backward"}


def predict(inputs: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """
    Low, likely and high of each quantity of a case. [byte]

    Args:
        inputs: The case, as data/memory_cases.json states them, without its name.

    Raises:
        SpecError: The case does not say something, or what it says cannot be.
        UnsupportedError: The case asks for something that is not modelled.
    """
    case, steps = case_of(inputs), inputs.get("steps", 2)
    case = shared(case, inputs) if is_shared(inputs) else case
    found = memory_of(case, inputs) if is_shared(inputs) else memory(case)
    peak = found.first_step_peak if steps == 1 else found.peak
    # In compiled code a weight's cast is a value like any other, and is measured as one.
    saved = found.saved_for_backward + (found.saved_weight_casts if inputs.get("compile") else 0.0)
    return {
        "peak": (peak, peak, peak),
        "reserved": reserved(case, peak, steps=steps).si,
        "saved_for_backward": (saved,) * 3,
    }


def case_of(inputs: Mapping[str, Any]) -> Case:
    """The job that a case's inputs describe."""
    inputs = _Said(inputs)
    updates = optimizer_of(inputs)
    workload = Training(
        tokens=1e9,
        sequence_length=inputs["seq"],
        micro_batch_size=inputs["micro_batch"],
        global_batch_size=inputs["micro_batch"] * inputs["accumulate"],
        optimizer=updates,
        recompute=_recompute(inputs),
        loss=inputs["loss"],
        loss_chunks=inputs["loss_chunks"],
        adapter=adapter_of(inputs),
        trainable=_TRAINABLE.get(inputs.get("trainable", "all"), inputs.get("trainable")),
        frozen_layers=inputs.get("frozen_layers", 0),
        max_grad_norm=inputs.get("max_grad_norm") or None,
    )
    mode = "compiled" if inputs.get("compile") else "eager"
    framework = "transformers" if "hf" in inputs["model"] else "pytorch"
    runtime = resolve("runtime", framework).evolve(attention=inputs["attention"], mode=mode)
    divided = _parallelism(inputs)
    node = resolve("machine", _ANY_NODE)
    machine = node.evolve(nodes=math.ceil((divided.data or 1) / node.gpus_per_node))
    workload = workload.evolve(global_batch_size=inputs["micro_batch"] * inputs["accumulate"] * (divided.data or 1))
    case, _ = resolved_case(_model(inputs), machine, workload, precision=precision_of(inputs), runtime=runtime)
    return attrs.evolve(case, parallelism=divided)


def _parallelism(inputs: Mapping[str, Any]) -> Parallelism:
    """How a case is divided, in the fields of :class:`~llmplan.nouns.parallelism.Parallelism`; one rank where it says nothing."""
    given = inputs.get("parallelism", {})
    if not isinstance(given, Mapping):
        raise SpecError("a case", ("expected an object @ inputs.parallelism",))
    return from_dict({"data": 1, **given}, Parallelism, where="inputs.parallelism")


def _recompute(inputs: Mapping[str, Any]) -> Recompute:
    """What is recomputed; newer cases also say in how many layers."""
    what = _modelled("checkpoint", inputs["checkpoint"], _RECOMPUTE)
    return Recompute(what=what, every=inputs.get("every", 1))


class _Said(dict[str, Any]):
    """What a case says; what it does not say is a fault of the case."""

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        raise SpecError("a case", (f"required field missing @ inputs.{key}",))


def _modelled(key: str, value: object, table: Mapping[str, Any]) -> Any:  # noqa: ANN401  what the table holds
    """What a word of a case stands for here."""
    if isinstance(value, str) and value in table:
        return table[value]
    raise UnsupportedError(f"the {key} {value!r:.80}", f"modelled are: {', '.join(table)}")


def _model(inputs: Mapping[str, Any]) -> Model:
    """The model of a case: a depth of nanochat's, or the shape of a family in plain PyTorch."""
    given = _Said(inputs["model"])
    if "nanochat" in given:
        model: Model = resolve("model", f"nanochat-2025-d{given['nanochat']}")
        return model.evolve(config=dict(model.config) | {"vocab_size": given.get("vocab", model["vocab_size"])})
    if "hf" in given:
        return _of_transformers(given["hf"], given["config"])
    if given.get("dropout") and given.get("family") != "gpt2":
        raise UnsupportedError("dropout of the residual stream", "only GPT-2's configuration has it")
    write = {"gpt2": _gpt2, "llama": _llama}.get(given.get("family", ""))
    if write is None:
        raise UnsupportedError(f"the model {dict(given)}", "modelled are nanochat, gpt2 and llama in plain PyTorch")
    family = given["family"]
    return Model(name=family, architecture=family, config=write(given, inputs["seq"]), source=_SOURCE)


def _of_transformers(name: object, config: Mapping[str, Any]) -> Model:
    """A model by the name of its configuration class, which has a default for whatever is left out."""
    architecture = _architecture(name)
    found = architectures[architecture]
    return Model(name=_said(name), architecture=architecture, config={**found.core, **found.renamed(config)}, source=_SOURCE)


def _architecture(name: object) -> str:
    """The architecture of a configuration class: its name in small letters, where ours has underscores beside."""
    known = {known.replace("_", ""): known for known in architectures}
    return known.get(_said(name).lower(), _said(name).lower())


def _said(name: object) -> str:
    if not isinstance(name, str):
        raise SpecError("a case", (f"expected the name of a configuration class, got {name!r:.80} @ inputs.model.hf",))
    return name


def _gpt2(m: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    return {
        "n_embd": m["width"],
        "n_head": m["heads"],
        "n_layer": m["layers"],
        "n_inner": m["ffn"],
        "vocab_size": m["vocab"],
        "n_positions": sequence,
        "tie_word_embeddings": m.get("tied", False),
        **dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), m.get("dropout", 0.0)),
    }


def _llama(m: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    return {
        "hidden_size": m["width"],
        "num_attention_heads": m["heads"],
        "num_key_value_heads": m["kv_heads"],
        "head_dim": m.get("head_dim") or m["width"] // m["heads"],
        "num_hidden_layers": m["layers"],
        "intermediate_size": m["ffn"],
        "vocab_size": m["vocab"],
        "max_position_embeddings": sequence,
        "attention_dropout": m.get("attention_dropout", 0.0),
        "tie_word_embeddings": m.get("tied", False),
    }


def _compared(
    quantity: str, inputs: Mapping[str, Any], measured: Mapping[str, Any], bounds: tuple[float, float, float]
) -> Compared:
    low, likely, high = bounds
    value = float(measured[_KEYS[quantity]])
    return Compared(quantity=quantity, groups=_groups(inputs), measured=value, low=low, likely=likely, high=high, inputs=inputs)


def _compared_run(
    inputs: Mapping[str, Any], measured: Mapping[str, float], found: Mapping[str, tuple[float, float, float]]
) -> list[Compared]:
    """The quantities of a run on real cards: a group of its own."""
    return [
        Compared(quantity=q, groups=("megatron",), measured=measured[q], low=low, likely=likely, high=high, inputs=inputs)
        for q, (low, likely, high) in found.items()
    ]


def _groups(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The model's family; compiled cases are a group of their own."""
    given = inputs["model"]
    family = "nanochat" if "nanochat" in given else f"hf-{given['hf'].lower()}" if "hf" in given else given.get("family", "")
    return (family, "compiled") if inputs.get("compile") else (family,)


def _part(case: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    found = case.get(key)
    if not isinstance(found, dict):
        raise SpecError(path, (f"expected an object @ cases.{key}",))
    return found
