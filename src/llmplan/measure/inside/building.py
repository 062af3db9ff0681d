"""The model that is measured, on the device that is not there, and its loss."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from llmplan.errors import SpecError
from llmplan.measure.inside.ledger import Ledger
from llmplan.measure.settings import PRECISIONS, Settings

#: What a config.json says that is no field of the configuration class, or is the settings' to say.
_NOT_OF_THE_SHAPE = ("model_type", "transformers_version", "torch_dtype", "dtype", "use_cache")

Loss = Callable[[Any, Any], Any]


def built(asked: Mapping[str, Any], settings: Settings, ledger: Ledger) -> tuple[Any, Loss]:
    """The module, and what makes a loss of ids and targets."""
    dtype = getattr(torch, PRECISIONS[settings.precision][0])
    if "config" in asked:
        return _of_transformers(asked["config"], settings, dtype, ledger)
    return _of_function(asked["function"], dtype)


def _of_transformers(config: Mapping[str, Any], settings: Settings, dtype: Any, ledger: Ledger) -> tuple[Any, Loss]:  # noqa: ANN401
    import transformers
    from transformers import masking_utils

    # On a GPU this looks at positions, finds one sequence a row and says so; tensors without bytes have none to look at.
    find_packed = masking_utils.find_packed_sequence_indices
    masking_utils.find_packed_sequence_indices = lambda positions: (find_packed(positions), None)[1]
    fields = {
        key: value for key, value in config.items() if key not in ("model_type", "transformers_version", "torch_dtype", "dtype")
    }
    made = transformers.AutoConfig.for_model(config["model_type"], **fields, use_cache=False)
    attention = {"flash": "sdpa", "eager": "eager"}[settings.attention]
    with torch.device("cuda"):
        model = transformers.AutoModelForCausalLM.from_config(made, dtype=dtype, attn_implementation=attention)
    if settings.recompute == "full":
        model.gradient_checkpointing_enable({"use_reentrant": False})
        for module in model.modules():
            if hasattr(module, "_gradient_checkpointing_func"):
                module._gradient_checkpointing_func = _recomputer(ledger)  # noqa: SLF001
    return model, lambda ids, targets: model(input_ids=ids, labels=targets).loss


def _recomputer(ledger: Ledger) -> Callable[..., Any]:
    """What Transformers calls for each layer, and tells the ledger when it runs again."""
    from torch.utils.checkpoint import checkpoint

    def run(function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        def watched(*args: Any) -> Any:  # noqa: ANN401
            with ledger.recomputing():
                return function(*args)

        return checkpoint(watched, *args, use_reentrant=False, preserve_rng_state=False)

    return run


def _of_function(address: str, dtype: Any) -> tuple[Any, Loss]:  # noqa: ANN401
    module_name, _, name = address.partition(":")
    try:
        function: Any = importlib.import_module(module_name)
        for part in name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise SpecError("measure()", (f"no function is found at {address!r}: {error} @ model",)) from error
    outer = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("cuda"):
            model = function()
    finally:
        torch.set_default_dtype(outer)
    if not isinstance(model, torch.nn.Module):
        raise SpecError("measure()", (f"{address} returned {type(model).__name__}, and a torch.nn.Module is measured @ model",))
    return model, _loss_of(model)


def _loss_of(model: Any) -> Loss:  # noqa: ANN401
    """The module's own loss where it takes targets, or the cross-entropy of its logits in FP32."""
    import inspect

    if len(inspect.signature(model.forward).parameters) > 1:
        found: Loss = model
        return found

    def loss(ids: Any, targets: Any) -> Any:  # noqa: ANN401
        logits = model(ids)
        return torch.nn.functional.cross_entropy(logits.float().flatten(0, -2), targets.flatten())

    return loss
