"""Case: one job with nothing left open. What :func:`llmplan.evaluating.evaluate` is asked."""

from typing import Any

import attrs

from llmplan.architectures.architecture import Architecture
from llmplan.errors import SpecError
from llmplan.nouns.calibration import Calibration
from llmplan.nouns.format import Format
from llmplan.nouns.grid import Grid
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.precision import Precision
from llmplan.nouns.price import Price
from llmplan.nouns.recompute import Recompute
from llmplan.nouns.runtime import Runtime
from llmplan.nouns.site import Site
from llmplan.nouns.tariff import Tariff
from llmplan.nouns.training import Training


@attrs.frozen(kw_only=True)
class Case:
    """
    A training job with every name resolved and every knob set.

    Attributes:
        model: The model.
        architecture: The one that its configuration names.
        hardware: The accelerator.
        machine: How many, and what they stand in.
        training: The workload; no field is None but the adapter and the norm that gradients are clipped to.
        optimizer: The one that the workload names.
        recompute: The one that the workload names.
        precision: Which format each role has.
        frozen_format: The format that frozen matrices are packed in, or None where they lie as the others do.
        parallelism: How the work is divided; ``data`` is set.
        runtime: Whose code.
        calibration: The constants of the time model.
        site: Where it runs, or None.
        tariff, grid, price: Those that the site names, or None.
    """

    model: Model
    architecture: Architecture[Any]
    hardware: Hardware
    machine: Machine
    training: Training
    optimizer: Optimizer
    recompute: Recompute
    precision: Precision
    frozen_format: Format | None
    parallelism: Parallelism
    runtime: Runtime
    calibration: Calibration
    site: Site | None = None
    tariff: Tariff | None = None
    grid: Grid | None = None
    price: Price | None = None

    @property
    def ranks(self) -> int:
        """Data-parallel ranks."""
        return _set(self.parallelism.data, "Parallelism.data")

    @property
    def devices(self) -> int:
        """Devices that the job runs on: those of each data-parallel rank."""
        return self.ranks * self.parallelism.ranks_per_replica

    @property
    def sequence_length(self) -> int:
        """Tokens of a sequence. [token]"""
        return _set(self.training.sequence_length, "Training.sequence_length")

    @property
    def micro_batch_size(self) -> int:
        """Sequences that a rank takes at a time. [sequence]"""
        return _set(self.training.micro_batch_size, "Training.micro_batch_size")

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a rank in one step."""
        sequences = _set(self.training.global_batch_size, "Training.global_batch_size")
        return max(1, sequences // (self.micro_batch_size * self.ranks))

    @property
    def tokens_per_step(self) -> float:
        """Tokens of one step over all ranks. [token]"""
        return float(self.micro_batches * self.micro_batch_size * self.ranks * self.sequence_length)


def _set(value: int | None, knob: str) -> int:
    """A knob that is no longer open: nothing here has a default."""
    if value is None:
        raise SpecError("Case", (f"required here, as nothing is completed @ {knob}",))
    return value
