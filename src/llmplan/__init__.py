"""
What a training run takes before it is started: memory, time, energy and money, with intervals and with sources.

    >>> import llmplan
    >>> llmplan.hardwares["rtx-4070"].memory_capacity.to("GiB").magnitude
    12.0

The names below are the whole public face, and each is loaded when it is first used: importing llmplan costs next to
nothing.
"""

import sys

__version__ = "0.1.0"

_HOMES = {
    "planning": ("Plan", "plan"),
    "evaluating.evaluate": ("evaluate",),
    "nouns.training": ("FineTuning", "Training"),
    "nouns.serving": ("Serving",),
    "nouns.hardware": ("Hardware",),
    "nouns.machine": ("Machine",),
    "nouns.interconnect": ("Interconnect",),
    "nouns.model": ("Model",),
    "nouns.format": ("Format",),
    "nouns.precision": ("Precision",),
    "nouns.runtime": ("Runtime",),
    "nouns.optimizer": ("Optimizer",),
    "nouns.recompute": ("Recompute",),
    "nouns.lora": ("LoRA",),
    "nouns.parallelism": ("Parallelism",),
    "nouns.tariff": ("Tariff",),
    "nouns.grid": ("Grid",),
    "nouns.price": ("Price",),
    "nouns.site": ("Site",),
    "nouns.calibration": ("Calibration",),
    "sources": ("Estimate", "Source", "Sourced"),
    "errors": ("JobError", "LlmplanError", "PluginError", "SpecError", "UnitError", "UnknownNameError", "UnsupportedError"),
    "registry": (
        "architectures",
        "calibrations",
        "formats",
        "frameworks",
        "grids",
        "hardwares",
        "machines",
        "models",
        "optimizers",
        "precisions",
        "prices",
        "runtimes",
        "tariffs",
    ),
    "reading": ("read",),
    "units": ("ureg",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022  in the order in which one meets them
    "plan",
    "Plan",
    "evaluate",
    # workloads
    "Training",
    "FineTuning",
    "Serving",
    # what a job is made of
    "Model",
    "Hardware",
    "Machine",
    "Interconnect",
    "Format",
    "Precision",
    "Runtime",
    "Optimizer",
    "Recompute",
    "LoRA",
    "Parallelism",
    # where it runs, and what that costs
    "Site",
    "Tariff",
    "Grid",
    "Price",
    "Calibration",
    # numbers
    "Estimate",
    "Source",
    "Sourced",
    "ureg",
    # names
    "architectures",
    "calibrations",
    "formats",
    "frameworks",
    "grids",
    "hardwares",
    "machines",
    "models",
    "optimizers",
    "precisions",
    "prices",
    "runtimes",
    "tariffs",
    "read",
    # errors
    "JobError",
    "LlmplanError",
    "PluginError",
    "SpecError",
    "UnitError",
    "UnknownNameError",
    "UnsupportedError",
    "__version__",
]

# A type checker takes this name for true; importing it from typing would cost as much as the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from llmplan.errors import (
        JobError,
        LlmplanError,
        PluginError,
        SpecError,
        UnitError,
        UnknownNameError,
        UnsupportedError,
    )
    from llmplan.evaluating.evaluate import evaluate
    from llmplan.nouns.calibration import Calibration
    from llmplan.nouns.format import Format
    from llmplan.nouns.grid import Grid
    from llmplan.nouns.hardware import Hardware
    from llmplan.nouns.interconnect import Interconnect
    from llmplan.nouns.lora import LoRA
    from llmplan.nouns.machine import Machine
    from llmplan.nouns.model import Model
    from llmplan.nouns.optimizer import Optimizer
    from llmplan.nouns.parallelism import Parallelism
    from llmplan.nouns.precision import Precision
    from llmplan.nouns.price import Price
    from llmplan.nouns.recompute import Recompute
    from llmplan.nouns.runtime import Runtime
    from llmplan.nouns.serving import Serving
    from llmplan.nouns.site import Site
    from llmplan.nouns.tariff import Tariff
    from llmplan.nouns.training import FineTuning, Training
    from llmplan.planning import Plan, plan
    from llmplan.reading import read
    from llmplan.registry import (
        architectures,
        calibrations,
        formats,
        frameworks,
        grids,
        hardwares,
        machines,
        models,
        optimizers,
        precisions,
        prices,
        runtimes,
        tariffs,
    )
    from llmplan.sources import Estimate, Source, Sourced
    from llmplan.units import ureg
else:
    # Hidden from type checkers, to which it would make every misspelt name a legal one.
    def __getattr__(name: str) -> object:
        if name not in _HOME:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value

    class _Face(type(sys)):
        def __setattr__(self, name: str, value: object) -> None:
            # Python assigns a submodule to its package when it is imported. Two registries share their names with the
            # packages of what they list: `llmplan.runtimes` is the registry, `from llmplan.runtimes import ...` the package.
            if not (name in _HOME and isinstance(value, type(sys))):
                super().__setattr__(name, value)

    sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
