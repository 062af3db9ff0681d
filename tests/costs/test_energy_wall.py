"""Power, energy and the calendar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.costs.energy import energy
from llmplan.costs.power import board_power
from llmplan.costs.wall import wall_time

positive = st.floats(1e-3, 1e9)


class TestBoardPower:
    @given(flops=st.floats(0.0, 1e16), traffic=st.floats(0.0, 1e13), busy=st.floats(0.0, 1.0), limit=st.floats(50.0, 1500.0))
    def test_it_lies_between_base_and_limit(self, flops, traffic, busy, limit):
        """Firmware keeps the limit."""
        power = board_power(
            flops_per_second=flops,
            bytes_per_second=traffic,
            busy=busy,
            flops_per_joule=1e12,
            joules_per_byte=5e-11,
            active_share=0.15,
            base=0.1 * limit,
            power_limit=limit,
        )
        assert 0.1 * limit <= power <= limit


class TestEnergy:
    @given(seconds=positive, board=positive, host=st.floats(0.0, 1e4), boards=st.integers(1, 10_000), pue=st.floats(1.0, 2.0))
    def test_it_is_power_times_time(self, seconds, board, host, boards, pue):
        """And the meter never counts less than the boards."""
        found = energy(
            seconds=seconds, board_power=board, boards=boards, host_power=host, nodes=1.0, supply_efficiency=0.92, pue=pue
        )
        assert found.device == pytest.approx(seconds * board * boards)
        assert found.host == pytest.approx(seconds * host)
        assert found.site == pytest.approx((found.device / 0.92 + found.host) * pue)
        assert found.site >= found.device


class TestWallTime:
    @given(steps=st.floats(1.0, 1e7), step=st.floats(1e-3, 1e3), devices=st.integers(1, 100_000), write=st.floats(0.0, 1e3))
    def test_it_is_never_less_than_its_steps(self, steps, step, devices, write):
        """Finite, and longer on machines that fail more often."""
        few, many = (
            wall_time(
                steps=steps,
                step_seconds=step,
                devices=n,
                device_hours_between_failures=50_000.0,
                checkpoint_seconds=write,
                restart_seconds=600.0,
            )
            for n in (devices, 2 * devices)
        )
        assert np.isfinite(few.total)
        assert steps * step <= few.total <= many.total * (1.0 + 1e-12)

    def test_a_desktop_loses_thousandths(self):
        """What makes the schedule of ten thousand devices is nothing to one."""
        wall = wall_time(
            steps=1e5,
            step_seconds=30.0,
            devices=1.0,
            device_hours_between_failures=50_676.0,
            checkpoint_seconds=4.0,
            restart_seconds=600.0,
        )
        assert 1.0 < wall.total / wall.training < 1.002

    def test_evaluations_are_added(self):
        """They are part of the run, and of what a failure loses."""
        wall = wall_time(
            steps=10.0,
            step_seconds=1.0,
            devices=1.0,
            device_hours_between_failures=1e9,
            checkpoint_seconds=0.0,
            restart_seconds=0.0,
            evaluation_seconds=5.0,
        )
        assert wall.total == pytest.approx(15.0, rel=1e-6)
