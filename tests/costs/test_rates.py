"""What devices sustain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.costs.constants import drawn
from llmplan.costs.rates import Device, base_power, clock_factor, device, flops_per_watt, rates
from llmplan.errors import UnsupportedError


def made_up(**changes):
    fields = {
        "name": "made-up",
        "architecture": "nobody-knows-gddr",
        "kind": "desktop",
        "peaks": {"bf16/fp32": 60e12, "fp16/fp32": 60e12, "fp16/fp16": 120e12, "fp8/fp32": 120e12},
        "memory_bandwidth": 5e11,
        "power_limit": 200.0,
        "units": 46.0,
    }
    return Device(**{**fields, **changes})


class TestDevice:
    def test_an_unknown_rate_is_refused_and_the_known_are_named(self):
        """A missing peak is missing; it is not twice another one."""
        with pytest.raises(UnsupportedError, match="bf16/fp32"):
            made_up().peak("fp4")

    def test_both_directions_of_nvlink_are_halved(self, world):
        """Datasheets add the two directions."""
        assert device(world.server).link == pytest.approx(450e9)

    def test_a_power_limit_never_raises_the_hardware_own(self, world):
        """A limit above the TDP changes nothing."""
        assert device(world.desktop, 1000.0).power_limit == device(world.desktop).power_limit == 200.0
        assert device(world.desktop, 150.0).power_limit == 150.0


class TestRates:
    def test_large_products_of_a_desktop_4070(self, world):
        """58.3 TFLOP/s printed with FP32 sums: about nine tenths are sustained, as GeForce clocks run above the print."""
        sustained = np.median(rates(device(world.desktop), world.constants).flops("bf16"))
        assert 0.75 * 58.3e12 < sustained < 1.0 * 58.3e12

    def test_a_laptop_is_bound_by_its_power_limit(self, world):
        """The same chip family with half the power sustains less of its printed peak."""
        desk, lap = (rates(device(card), world.one).share("bf16") for card in (world.desktop, world.laptop))
        assert lap <= desk

    @given(watts=st.floats(50.0, 400.0), factor=st.floats(1.0, 3.0))
    def test_more_power_is_never_slower(self, world, watts, factor):
        """Monotone in the power limit; the rate never passes the ceiling."""
        low = rates(made_up(power_limit=watts), world.one)
        high = rates(made_up(power_limit=watts * factor), world.one)
        assert (low.flops("bf16") <= high.flops("bf16")).all()
        assert (low.flops("bf16") <= low.ceiling * (1.0 + 1e-12)).all()

    def test_a_card_of_an_unknown_family_has_the_constants_of_its_memory_class(self, world):
        """A new family is priced, by constants whose sigma says how little is known."""
        assert rates(made_up(), world.one).flops("bf16")[0] > 0.0
        assert (flops_per_watt(made_up(), world.one) * world.one["power.wide-sums"])[0] == pytest.approx(
            world.one["power.flops.other-gddr"][0]
        )

    def test_eight_bits_have_their_own_share(self, world):
        """Twice the peak, a little less of it."""
        found = rates(made_up(), world.one)
        assert 1.5 < found.flops("fp8")[0] / found.flops("bf16")[0] < 2.2
        assert found.sixteen_bit_equivalent("fp8")[0] == pytest.approx(0.5)

    def test_only_geforce_desktops_run_above_their_printed_clock(self, world):
        """Servers and laptops are taken at it."""
        assert clock_factor(made_up(), world.one)[0] > 1.0
        assert clock_factor(made_up(kind="server"), world.one)[0] == 1.0
        assert clock_factor(made_up(kind="laptop"), world.one)[0] == 1.0

    def test_the_base_is_at_most_a_fifth_of_the_limit(self, world):
        """A 60 W laptop does not spend 40 W before it does anything."""
        assert base_power(made_up(power_limit=60.0), world.one)[0] == pytest.approx(12.0)

    def test_rates_are_kept(self, world):
        """The same device under the same constants is worked out once."""
        card = device(world.desktop)
        assert rates(card, world.one) is rates(card, world.one)
        assert rates(card, world.one) is not rates(card, drawn({k: (v[0], 0.0) for k, v in world.one.draws.items()}, count=1))
