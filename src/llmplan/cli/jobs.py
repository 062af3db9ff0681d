"""From options to jobs: the settings that they describe, and the plan of one."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmplan.cli.options import JobOptions

if TYPE_CHECKING:
    from llmplan.nouns.model import Model
    from llmplan.nouns.optimizer import Optimizer
    from llmplan.nouns.parallelism import Parallelism
    from llmplan.nouns.site import Site
    from llmplan.nouns.training import Training
    from llmplan.planning import Plan

Setting = Mapping[str, Any]
"""One value for each option that was given, by the option's field in :class:`JobOptions`."""

_OF_TRAINING = (
    "tokens",
    "sequence_length",
    "micro_batch_size",
    "global_batch_size",
    "optimizer",
    "recompute",
    "loss",
    "loss_chunks",
)
_OF_SITE = ("tariff", "grid", "price", "baseline_kwh_per_month", "start", "pue", "time_zone", "exchange_rate")
_OF_PARALLELISM = ("data", "shard")


def settings(options: JobOptions) -> list[Setting]:
    """Every combination of the values that were given."""
    given = {name: value for name, value in options._asdict().items() if value not in (None, [], (), False)}
    axes = [list(value) if isinstance(value, (list, tuple)) else [value] for value in given.values()]
    return [dict(zip(given, values, strict=True)) for values in itertools.product(*axes)]


def varying(found: list[Setting]) -> list[str]:
    """The options that differ between settings; the machine alone where none does."""
    names = [name for name in found[0] if len({setting[name] for setting in found}) > 1]
    return names or ["on"]


def model_of(name: str) -> "Model":
    """
    The model of a name or of a config.json.

    Raises:
        LlmplanError: There is none, or it is faulty.
    """
    from llmplan.registry import resolve

    model: Model = resolve("model", name)
    return model


def planned(model: "Model", setting: Setting) -> "Plan":
    """
    The plan of a *model* under a *setting*.

    Raises:
        LlmplanError: Whatever is wrong with it.
    """
    from llmplan.planning import plan

    return plan(
        model,
        setting["on"],
        _training(setting),
        precision=setting.get("precision"),
        parallelism=_parallelism(setting),
        runtime=setting.get("runtime"),
        site=_site(setting),
    )


def _training(setting: Setting) -> "Training":
    from llmplan.nouns.lora import LoRA
    from llmplan.nouns.training import FineTuning, Training

    fields = _some(setting, _OF_TRAINING)
    changed = _optimizer(setting)
    if changed is not None:
        fields["optimizer"] = changed
    if "lora_rank" in setting:
        fields["adapter"] = LoRA(rank=setting["lora_rank"])
    return FineTuning(**fields) if "fine_tune" in setting else Training(**fields)


def _optimizer(setting: Setting) -> "Optimizer | None":
    """The optimizer that is meant, where it is to run in backward or to keep its states on the host."""
    changes = {}
    if "optimizer_in_backward" in setting:
        changes["when"] = "backward"
    if "states_on_host" in setting:
        changes["states_on"] = "host"
    if not changes:
        return None
    from llmplan.planning.making import DEFAULTS
    from llmplan.registry import resolve

    found: Optimizer = resolve("optimizer", setting.get("optimizer", DEFAULTS["optimizer"]))
    return found.evolve(**changes)


def _parallelism(setting: Setting) -> "Parallelism | None":
    fields = _some(setting, _OF_PARALLELISM)
    if not fields:
        return None
    from llmplan.nouns.parallelism import Parallelism

    return Parallelism(**fields)


def _site(setting: Setting) -> "Site | None":
    fields = _some(setting, _OF_SITE)
    if not fields:
        return None
    from llmplan.nouns.site import Site

    return Site(**fields)


def _some(setting: Setting, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: setting[name] for name in names if name in setting}
