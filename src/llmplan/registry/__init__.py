"""
Names and the nouns behind them: built-in ones and those of plugins, found by entry points and loaded when asked for.

See *How plugins are found* in the documentation.
"""

from llmplan.registry.discovery import VARIABLE, Origin, broken, narrowed, not_installed
from llmplan.registry.instances import (
    REGISTRIES,
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
from llmplan.registry.mapping import Offer, Registry
from llmplan.registry.resolving import machine_of, model_of, resolve, resolved

__all__ = [
    "REGISTRIES",
    "VARIABLE",
    "Offer",
    "Origin",
    "Registry",
    "architectures",
    "broken",
    "calibrations",
    "formats",
    "frameworks",
    "grids",
    "hardwares",
    "machine_of",
    "machines",
    "model_of",
    "models",
    "narrowed",
    "not_installed",
    "optimizers",
    "precisions",
    "prices",
    "resolve",
    "resolved",
    "runtimes",
    "tariffs",
]
