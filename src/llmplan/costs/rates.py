"""What a device sustains, as against what its datasheet prints: rates of arithmetic by format, and of memory."""

from collections.abc import Mapping
from functools import lru_cache, partial

import attrs
import numpy as np

from llmplan.costs.constants import Array, Constants
from llmplan.errors import UnsupportedError
from llmplan.nouns.hardware import Hardware


@attrs.frozen(kw_only=True, eq=False)
class Device:
    """
    One accelerator in plain numbers, as the cost formulas see it.

    Attributes:
        name: For messages.
        architecture: Family and class of memory: "hopper-hbm", "ada-lovelace-gddr".
        kind: "desktop", "laptop" or "server".
        peaks: Dense peaks by (storage, accumulate) formats: "bf16/fp32". [FLOP/s]
        memory_bandwidth: As printed. [byte/s]
        power_limit: What the board may draw. [W]
        units: Streaming multiprocessors, or what the vendor calls them; None where not known.
        link: NVLink or the like, one direction; None where there is none. [byte/s]
        host_link: PCIe, one direction; None where not known. [byte/s]
    """

    name: str
    architecture: str
    kind: str
    peaks: Mapping[str, float]
    memory_bandwidth: float
    power_limit: float
    units: float | None = None
    link: float | None = None
    host_link: float | None = None

    @property
    def memory_class(self) -> str:
        """ "hbm" or "gddr": which of the two the constants of a whole class of cards are told apart by."""
        return self.architecture.rpartition("-")[2]

    def peak(self, number_format: str) -> float:
        """The dense peak with sums in FP32 (integers: in INT32). [FLOP/s]"""
        for accumulate in ("fp32", "int32"):
            found = self.peaks.get(f"{number_format}/{accumulate}")
            if found is not None:
                return found
        known = ", ".join(sorted(self.peaks)) or "none"
        what = f"{number_format} matrix products on {self.name}"
        raise UnsupportedError(what, f"no dense {number_format} rate with FP32 accumulation is known; known are {known}")


@lru_cache(maxsize=1024)
def device(hardware: Hardware, power_limit: float | None = None) -> Device:
    """
    The numbers of *hardware* that the formulas need, in SI units.

    Args:
        hardware: The accelerator.

        power_limit: A limit set below its TDP. [W]
    """
    nvlink, host_link = hardware.nvlink_bandwidth, hardware.pcie_bandwidth
    return Device(
        name=hardware.name,
        architecture=f"{hardware.family.lower().replace(' ', '-')}-{_memory_class(hardware)}",
        kind=hardware.kind,
        peaks={formats: rate.si for formats, rate in hardware.peak_flops.items()},
        memory_bandwidth=hardware.memory_bandwidth.si,
        power_limit=min(hardware.tdp.si, power_limit or hardware.tdp.si),
        units=float(hardware.sm_count) if hardware.sm_count else None,
        # Datasheets add the two directions of NVLink.
        link=nvlink.si / 2 if nvlink else None,
        host_link=host_link.si if host_link else None,
    )


def _memory_class(hardware: Hardware) -> str:
    """Stacked memory or not; where the type is not known, servers are taken to have it."""
    if hardware.memory_type is None:
        return "hbm" if hardware.kind == "server" else "gddr"
    return "hbm" if hardware.memory_type.upper().startswith("HBM") else "gddr"


def clock_factor(dev: Device, constants: Constants) -> Array:
    """
    Clock under load over the printed boost clock: GeForce desktops run above it, others are taken at it.

    Laptop clocks follow from their power limit.
    """
    geforce = dev.kind == "desktop" and dev.memory_class == "gddr" and _halves_wide_sums(dev)
    return constants["clock.desktop"] if geforce else np.ones(constants.count)


def _halves_wide_sums(dev: Device) -> bool:
    """Whether 16-bit products with FP32 sums run at a lower rate than with FP16 sums, as on GeForce cards."""
    return dev.peaks.get("fp16/fp16", 0.0) > 1.5 * dev.peaks.get("fp16/fp32", float("inf"))


def base_power(dev: Device, constants: Constants) -> Array:
    """
    What the board draws once a program holds it and before any arithmetic; at most a fifth of its limit. [W]

    More than a datasheet's or a desktop's idle power, which is that of a parked card.
    """
    return np.minimum(constants[f"power.base.{dev.memory_class}"], 0.2 * dev.power_limit)


def flops_per_watt(dev: Device, constants: Constants) -> Array:
    """
    16-bit FLOP that a joule above the base power pays for. [FLOP/J]

    The constant counts products at the full rate of the tensor units; where sums in FP32 halve the rate (GeForce),
    each FLOP keeps the units busy twice as long and costs more.
    """
    per_watt = constants.first(f"power.flops.{dev.architecture}", f"power.flops.other-{dev.memory_class}")
    return per_watt / constants["power.wide-sums"] if _halves_wide_sums(dev) else per_watt


def _sixteen_bit_peak(dev: Device) -> float | None:
    """The rate that power per FLOP is stated for."""
    return next((dev.peaks[name] for name in ("bf16/fp32", "fp16/fp32") if name in dev.peaks), None)


def sustained_share(*, efficiency: Array, clock: Array, per_watt: Array, power_limit: float, base: Array, peak: float) -> Array:
    r"""
    Share of the printed dense peak that large matrix products sustain.

    .. math:: s = \min\left(\eta\, \kappa,\; \frac{w\, (P_{limit} - P_{base})}{F}\right)

    The first bound is the kernels' own, the second is the board's power limit: products at full rate draw more than
    many boards may, and the clock falls until they do not.

    Args:
        efficiency: :math:`\eta`, share of the peak at its clock that the best kernels reach.

        clock: :math:`\kappa`, clock under load over printed clock.

        per_watt: :math:`w`, FLOP a joule above the base. [FLOP/J]

        power_limit: :math:`P_{limit}`. [W]

        base: :math:`P_{base}`, drawn before any arithmetic. [W]

        peak: :math:`F`, the printed dense peak. [FLOP/s]

    Returns:
        The share, one value a draw.

    Example:
        An L40S (362 TFLOP/s, 350 W) at 0.75 TFLOP/s a watt sustains 0.64 of its peak, as its kernel tables show.

        >>> one = np.ones(1)
        >>> share = sustained_share(efficiency=0.85 * one, clock=one, per_watt=0.75e12 * one,
        ...                         power_limit=350.0, base=40.0 * one, peak=362e12)
        >>> round(float(share[0]), 2)
        0.64

    .. versionadded:: 0.1.0
    """
    return np.minimum(efficiency * clock, per_watt * (power_limit - base) / peak)


_EIGHT_BIT = ("fp8", "int8")


class Rates:
    """
    What *device* sustains under *constants*, one value a draw. Made once for both and kept.

    Attributes:
        device: The accelerator.
        constants: The calibration's draws.
        ceiling: Rate of 16-bit products by the best kernels where power does not bind. [FLOP/s]
        eager_bandwidth, compiled_bandwidth: For pointwise kernels. [byte/s]
    """

    def __init__(self, dev: Device, constants: Constants) -> None:
        self.device = dev
        self.constants = constants
        efficiency = constants.first(f"matmul.efficiency.{dev.architecture}", f"matmul.efficiency.other-{dev.memory_class}")
        clock = clock_factor(dev, constants)
        peak = _sixteen_bit_peak(dev) or max(dev.peaks.values(), default=1.0)
        self.ceiling = peak * clock * efficiency
        self._share = partial(
            sustained_share,
            efficiency=efficiency,
            clock=clock,
            power_limit=dev.power_limit,
            base=base_power(dev, constants),
            peak=peak,
        )
        self.compiled_bandwidth = dev.memory_bandwidth * constants["pointwise.bandwidth"]
        self.eager_bandwidth = self.compiled_bandwidth * np.minimum(1.0, constants["pointwise.eager"])
        self._flops: dict[str, Array] = {}

    def flops(self, number_format: str) -> Array:
        """
        Sustained rate of large products in *number_format*, summed in FP32. [FLOP/s]

        A format with twice the peak draws about the same power at full rate, so the power limit bounds about the same
        share; 8-bit products draw a little less.
        """
        found = self._flops.get(number_format)
        if found is None:
            found = self._flops[number_format] = self.device.peak(number_format) * self.share(number_format)
        return found

    def share(self, number_format: str) -> Array:
        """Share of its dense peak that large products in *number_format* sustain."""
        per_watt = flops_per_watt(self.device, self.constants)
        if number_format not in _EIGHT_BIT:
            return self._share(per_watt=per_watt)
        return self._share(per_watt=per_watt * self.constants["power.eight-bit"]) * self.constants["matmul.eight-bit"]

    def sixteen_bit_equivalent(self, number_format: str) -> Array:
        """How many 16-bit operations cost as much energy as one in *number_format*, one value for all draws."""
        reference = _sixteen_bit_peak(self.device) or self.device.peak(number_format)
        return np.array([reference / self.device.peak(number_format)])


@lru_cache(maxsize=1024)
def rates(dev: Device, constants: Constants) -> Rates:
    """The rates of *dev* under *constants*, kept for both."""
    return Rates(dev, constants)
