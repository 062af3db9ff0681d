"""The registries themselves, one a kind. A class is named in text, so that a list of names imports no noun."""

from typing import TYPE_CHECKING, Any

from llmplan.registry.machine_texts import Machines
from llmplan.registry.mapping import Registry

if TYPE_CHECKING:
    from llmplan.nouns.calibration import Calibration
    from llmplan.nouns.format import Format
    from llmplan.nouns.grid import Grid
    from llmplan.nouns.hardware import Hardware
    from llmplan.nouns.model import Model
    from llmplan.nouns.optimizer import Optimizer
    from llmplan.nouns.precision import Precision
    from llmplan.nouns.price import Price
    from llmplan.nouns.runtime import Runtime
    from llmplan.nouns.tariff import Tariff

__all__ = [
    "REGISTRIES",
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
]

hardwares: "Registry[Hardware]" = Registry("hardware", "llmplan.nouns.hardware:Hardware", "llmplan.hardware")
machines = Machines("machine", "llmplan.nouns.machine:Machine", "llmplan.machine", hardwares=hardwares)
models: "Registry[Model]" = Registry("model", "llmplan.nouns.model:Model", "llmplan.model")
formats: "Registry[Format]" = Registry("format", "llmplan.nouns.format:Format", "llmplan.format")
precisions: "Registry[Precision]" = Registry("precision", "llmplan.nouns.precision:Precision", "llmplan.precision")
optimizers: "Registry[Optimizer]" = Registry("optimizer", "llmplan.nouns.optimizer:Optimizer", "llmplan.optimizer")
runtimes: "Registry[Runtime]" = Registry("runtime", "llmplan.nouns.runtime:Runtime", "llmplan.runtime")
tariffs: "Registry[Tariff]" = Registry("tariff", "llmplan.nouns.tariff:Tariff", "llmplan.tariff")
grids: "Registry[Grid]" = Registry("grid", "llmplan.nouns.grid:Grid", "llmplan.grid")
prices: "Registry[Price]" = Registry("price", "llmplan.nouns.price:Price", "llmplan.price")
calibrations: "Registry[Calibration]" = Registry("calibration", "llmplan.nouns.calibration:Calibration", "llmplan.calibration")
# These classes are defined further down the house than the registries, which name them and never import them.
architectures: Registry[Any] = Registry("architecture", "llmplan.architectures.architecture:Architecture", "llmplan.architecture")

frameworks: Registry[Any] = Registry("framework", "llmplan.runtimes.framework:Framework", "llmplan.framework")

REGISTRIES: dict[str, Registry[Any]] = {
    registry.kind: registry
    for registry in (
        hardwares,
        machines,
        models,
        formats,
        precisions,
        optimizers,
        runtimes,
        tariffs,
        grids,
        prices,
        calibrations,
        architectures,
        frameworks,
    )
}
"""Every registry, by kind."""
