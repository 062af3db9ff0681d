"""A step: kernels put together."""

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.costs.kinds import constant
from llmplan.costs.power import average_power
from llmplan.costs.rates import device, rates
from llmplan.costs.step import conditions_of, price
from llmplan.errors import JobError, UnsupportedError
from llmplan.program.kernel import Attention, Collective, Matmul, Pointwise, Transfer

sizes = st.floats(16.0, 20_000.0)


def layer(tokens=4096.0, width=2048.0):
    """The kernels of a step of a small stack, by phase."""
    heads = {"batch": tokens / 2048.0, "query_length": 2048.0, "key_length": 2048.0, "heads": 16.0, "kv_heads": 16.0}
    core = {**heads, "head_dim": 128.0, "value_dim": 128.0}
    return {
        "forward": [
            (Matmul(m=tokens, n=4.0 * width, k=width), 24.0),
            (Attention(**core), 12.0),
            (Pointwise(read=4.0 * tokens * width, written=2.0 * tokens * width, launches=6.0), 12.0),
        ],
        "backward": [
            (Matmul(m=tokens, n=width, k=4.0 * width), 24.0),
            (Matmul(m=4.0 * width, n=width, k=tokens), 24.0),
            (Attention(**core, backward=True), 12.0),
            (Pointwise(read=8.0 * tokens * width, written=4.0 * tokens * width, launches=10.0), 12.0),
        ],
        "optimizer": [(Pointwise(read=16e8, written=12e8, launches=20.0, fusible=False), 1.0)],
    }


@pytest.fixture(scope="session")
def cost(world):
    """Prices phases on a desktop card, or wherever it is told to."""

    def on(phases, **changes):
        given = {"hardware": world.desktop, "runtime": world.eager, "constants": world.constants, **changes}
        given.setdefault("machine", world.machine(given["hardware"], per_node=1))
        return price(phases, **given)

    return on


@pytest.fixture(scope="session")
def step(cost, world):
    """Prices a step with collectives on server cards."""

    def on(*collectives, machine, phase="communication", **rest):
        phases = {**layer(), phase: [*layer().get(phase, ()), *collectives]}
        return cost(phases, hardware=world.server, machine=machine, **rest)

    return on


class TestPrice:
    @given(tokens=st.sampled_from([2048.0, 8192.0, 65536.0]), width=sizes)
    def test_times_are_positive_and_finite(self, cost, tokens, width):
        """Whatever the shape."""
        step = cost(layer(tokens, width))
        assert np.isfinite(step.draws).all()
        assert (step.draws > 0.0).all()

    @given(width=sizes, factor=st.floats(1.0, 4.0))
    def test_a_wider_model_is_never_faster(self, cost, width, factor):
        """Draw by draw, not only in the median."""
        assert (cost(layer(width=width)).draws <= cost(layer(width=width * factor)).draws * (1.0 + 1e-12)).all()

    def test_the_terms_sum_to_the_likely_step(self, cost):
        """What is told of a step is all of it."""
        step = cost(layer())
        assert sum(step.terms.values()) == pytest.approx(step.likely)
        assert step.bound_by == "compute"

    def test_low_likely_high_are_in_order_and_apart(self, cost):
        """The interval has a width, as conditions are unsaid."""
        low, likely, high = np.quantile(cost(layer()).draws, (0.05, 0.5, 0.95))
        assert 0.0 < low < likely < high
        assert likely == pytest.approx(cost(layer()).likely)

    @given(factor=st.floats(1.0, 16.0))
    def test_more_memory_bandwidth_is_never_slower(self, cost, world, factor):
        """And neither is a higher power limit."""
        bandwidth = world.desktop.memory_bandwidth.si
        faster = world.desktop.evolve(memory_bandwidth=f"{bandwidth * factor} byte/second")
        assert (cost(layer(), hardware=faster).draws <= cost(layer()).draws * (1.0 + 1e-12)).all()
        assert (cost(layer(), power_limit=200.0).draws <= cost(layer(), power_limit=200.0 / factor).draws * (1 + 1e-12)).all()

    @given(launches=st.floats(1.0, 1e6))
    def test_the_launch_floor_is_kept(self, cost, world, launches):
        """A step is never shorter than its launches: here kernels that do nothing at all."""
        phases = {"forward": [(Pointwise(read=1.0, written=1.0, launches=1.0), launches)]}
        step = cost(phases, constants=world.one)
        floor = launches * world.one["launch.eager"][0]
        assert step.draws[0] >= floor
        assert cost(phases, constants=world.one, runtime=world.compiled).draws[0] <= step.draws[0]

    def test_many_small_kernels_are_bound_by_launches(self, cost):
        """Which is what the plan says then."""
        step = cost({"forward": [(Pointwise(read=1e3, written=1e3), 100_000.0)]})
        assert step.bound_by == "launch"
        assert step.terms["launch"] > step.terms["forward"]

    def test_no_draw_is_faster_than_the_best_kernels(self, cost, world):
        """Kind conditions do not lift a card above its own ceiling."""
        step = cost(layer(tokens=65536.0, width=8192.0))
        assert (step.flops / step.draws <= rates(device(world.desktop), world.constants).ceiling * (1.0 + 1e-9)).all()

    def test_compiled_kernels_are_never_slower(self, cost, world):
        """The same kernels: compiled ones are better at their traffic and cheaper to launch."""
        eager, compiled = cost(layer()), cost(layer(), runtime=world.compiled)
        assert (compiled.quiet <= eager.quiet).all()
        assert (compiled.draws <= eager.draws).all()
        assert compiled.likely < eager.likely
        assert (compiled.bytes == eager.bytes).all()

    def test_a_step_twice_as_long_takes_nearly_twice_the_time(self, cost, world):
        """Micro-batches add up; only what is done once a step does not."""
        twice = {p: [(k, 2.0 * n) for k, n in ks] if p != "optimizer" else ks for p, ks in layer().items()}
        one, two = (cost(p, constants=world.one, micro_batches=m) for p, m in ((layer(), 1.0), (twice, 2.0)))
        assert two.terms["forward"] == pytest.approx(2.0 * one.terms["forward"])
        assert two.terms["optimizer"] == pytest.approx(one.terms["optimizer"])

    def test_a_phase_that_does_not_exist_is_refused(self, cost):
        """With the nearest that does."""
        with pytest.raises(JobError, match="forward"):
            cost({"forwards": []})

    def test_an_empty_step_is_the_loop_around_it(self, cost, world):
        """Nothing to do takes what a step takes besides."""
        assert cost({}, constants=world.one).draws[0] == pytest.approx(world.one["step.fixed"][0])


class TestSweep:
    def test_arrays_give_what_floats_give(self, cost, world):
        """A sweep over tokens and widths equals the steps one by one, to the last bits."""
        tokens, widths = np.array([2048.0, 4096.0]), np.array([512.0, 1024.0, 4096.0])
        swept = cost(layer(tokens[:, None], widths[None, :]), runtime=world.compiled)
        assert swept.draws.shape == (33, 2, 3)
        for i, t in enumerate(tokens):
            for j, w in enumerate(widths):
                alone = cost(layer(t, w), runtime=world.compiled)
                assert swept.draws[:, i, j] == pytest.approx(alone.draws, rel=1e-12)
                assert swept.bound_by[i, j] == alone.bound_by
                assert swept.terms["forward"][i, j] == pytest.approx(alone.terms["forward"], rel=1e-12)

    def test_counts_and_micro_batches_may_be_arrays_too(self, cost):
        """A sweep over accumulation alone, with sizes that are floats."""
        m = np.array([1.0, 2.0, 8.0])
        phases = {p: [(k, n * m) for k, n in ks] if p != "optimizer" else ks for p, ks in layer().items()}
        swept = cost(phases, micro_batches=m)
        alone = cost({p: [(k, n * 8.0) for k, n in ks] if p != "optimizer" else ks for p, ks in layer().items()}, micro_batches=8.0)
        assert swept.draws[:, 2] == pytest.approx(alone.draws, rel=1e-12)

    def test_what_is_no_size_may_be_an_array_alone(self, cost):
        """A sweep over stages or micro-batches where every size and count is a float."""
        stages = np.array([1.0, 2.0, 4.0])
        swept = cost(layer(), micro_batches=8.0, stages=stages)
        assert swept.draws.shape == (33, 3)
        assert swept.draws[:, 1] == pytest.approx(cost(layer(), micro_batches=8.0, stages=2.0).draws, rel=1e-12)

    def test_a_window_may_be_an_array(self, cost):
        """And a wider one is never faster."""
        core = {"batch": 4.0, "query_length": 8192.0, "key_length": 8192.0, "heads": 16.0, "kv_heads": 4.0}
        windows = np.array([512.0, 2048.0, 8192.0])
        kernel = Attention(**core, head_dim=128.0, value_dim=128.0, window=windows)
        draws = cost({"forward": [(kernel, 12.0)]}).draws
        assert (np.diff(draws, axis=1) >= 0.0).all()


class TestMessages:
    def test_gradients_hide_behind_the_backward(self, step, world):
        """A small sum costs its floor, a large one what the last backward does not cover."""
        node = world.machine(world.server, per_node=8, link=450)
        small, large = (
            step((Collective(kind="all_reduce", payload=b, group=8.0), 1.0), machine=node, constants=world.one).terms[
                "communication"
            ]
            for b in (1e6, 1e11)
        )
        assert 0.0 < small < 1e-3
        assert large > 0.1

    def test_messages_of_every_micro_batch_hide_behind_all_of_it(self, step, world):
        """Gathers of sharded training are many; sums of gradients have only the last micro-batch."""
        node = world.machine(world.server, per_node=8, link=450)
        many = (Collective(kind="all_gather", payload=5e8, group=8.0), 16.0)
        once = (Collective(kind="all_reduce", payload=4e9, group=8.0), 1.0)
        gathers, sums = (step(c, machine=node, micro_batches=8.0, constants=world.one).terms["communication"] for c in (many, once))
        assert gathers < sums

    def test_messages_inside_a_pass_are_exposed(self, step, world):
        """Tensor parallelism waits for them."""
        node = world.machine(world.server, per_node=8, link=450)
        found = step((Collective(kind="all_reduce", payload=1e7, group=8.0), 48.0), machine=node, phase="forward")
        assert found.terms["exposed"] > 0.0
        assert found.terms["communication"] == 0.0

    @given(factor=st.floats(1.0, 10.0))
    def test_more_interconnect_is_never_slower(self, step, world, factor):
        """In a node and between nodes."""
        sums = (Collective(kind="all_reduce", payload=1e10, group=32.0), 1.0)
        slow = world.machine(world.server, per_node=8, nodes=4, link=450, fabric=25)
        fast = world.machine(world.server, per_node=8, nodes=4, link=450 * factor, fabric=25 * factor)
        assert (step(sums, machine=fast).draws <= step(sums, machine=slow).draws * (1.0 + 1e-12)).all()

    def test_a_group_larger_than_the_machine_is_refused(self, step, world):
        """With both numbers."""
        with pytest.raises(JobError, match="8 devices"):
            step(
                (Collective(kind="all_reduce", payload=1.0, group=8.0), 1.0),
                machine=world.machine(world.server, per_node=4, link=450),
            )

    def test_nodes_without_a_fabric_are_refused(self, step, world):
        """What connects them is not guessed."""
        with pytest.raises(UnsupportedError, match="fabric"):
            step(
                (Collective(kind="all_reduce", payload=1.0, group=8.0), 1.0),
                machine=world.machine(world.server, per_node=4, nodes=2, link=450),
            )

    def test_a_pipeline_waits_at_both_ends(self, cost, world):
        """The bubble is (p - 1) / (v m) of the work."""
        plain = cost(layer(), constants=world.one, micro_batches=8.0)
        staged = cost(layer(), constants=world.one, micro_batches=8.0, stages=5.0, virtual_stages=2.0)
        work = sum(plain.terms[p] for p in ("forward", "backward"))
        assert staged.terms["bubble"] == pytest.approx(work * 4.0 / 16.0, rel=1e-6)


class TestTransfers:
    def test_states_on_the_host_are_copied_in_the_optimizer_phase(self, cost, world):
        """And count in full."""
        phases = layer()
        copied = {**phases, "optimizer": [*phases["optimizer"], (Transfer(payload=24e9), 1.0)]}
        extra = cost(copied, constants=world.one).likely - cost(phases, constants=world.one).likely
        link = world.desktop.pcie_bandwidth.si * world.one["transfer.bandwidth"][0]
        assert extra == pytest.approx(24e9 / link, rel=1e-3)

    def test_copies_inside_a_pass_run_beside_it(self, cost, world):
        """Only what the pass does not cover is seen."""
        phases = layer()
        copied = {**phases, "backward": [*phases["backward"], (Transfer(payload=1e6), 1.0)]}
        assert cost(copied, constants=world.one).likely == pytest.approx(cost(phases, constants=world.one).likely, rel=1e-3)

    def test_an_unknown_host_link_is_refused(self, cost, world):
        """Its bandwidth is not guessed."""
        bare = attrs.evolve(world.desktop, pcie_bandwidth=None)
        with pytest.raises(UnsupportedError, match="PCIe"):
            cost({"optimizer": [(Transfer(payload=1.0), 1.0)]}, hardware=bare)


class TestAttentionVersions:
    def test_on_hopper_a_newer_kernel_is_faster(self, cost, world):
        """The first two generations use nothing of what Hopper brought; written-out scores are slowest."""
        core = {"batch": 8.0, "query_length": 4096.0, "key_length": 4096.0, "heads": 32.0, "kv_heads": 8.0}
        machine = world.machine(world.server, per_node=1)
        times = [
            cost(
                {"forward": [(Attention(**core, head_dim=128.0, value_dim=128.0, version=v), 100.0)]},
                hardware=world.server,
                machine=machine,
                constants=world.one,
            ).likely
            for v in (3, 2, 1, 0)
        ]
        assert times == sorted(times)


class TestConditions:
    def test_they_follow_from_machine_and_card(self, world):
        """Consumer cards leave most unsaid, clusters least."""
        assert conditions_of(world.desktop, world.machine(world.desktop, per_node=1)) == "consumer"
        assert conditions_of(world.server, world.machine(world.server, per_node=8)) == "one-node"
        assert conditions_of(world.server, world.machine(world.server, per_node=8, nodes=2)) == "several-nodes"

    def test_they_widen_the_interval_and_leave_the_middle(self, cost, world):
        """The factor is 1 in the median, draw for draw."""
        step = cost(layer())
        assert step.conditions == "consumer"
        factor = constant(rates(device(world.desktop), world.constants), "conditions.consumer", 0)
        assert (step.draws >= step.quiet * factor * (1.0 - 1e-12)).all()


class TestPower:
    @given(width=sizes)
    def test_a_board_draws_between_base_and_limit(self, cost, world, width):
        """Whatever it does."""
        power = average_power(cost(layer(width=width)), world.desktop, world.constants)
        assert (power > 0.0).all()
        assert (power <= world.desktop.tdp.si).all()

    def test_large_products_draw_near_the_limit_and_launches_do_not(self, cost, world):
        """A well-fed consumer card sits at its cap."""
        busy = np.median(average_power(cost(layer(65536.0, 8192.0)), world.desktop, world.constants))
        waiting = cost({"forward": [(Pointwise(read=1e3, written=1e3), 100_000.0)]})
        assert busy > 0.7 * world.desktop.tdp.si
        assert np.median(average_power(waiting, world.desktop, world.constants)) < 0.5 * busy

    def test_a_sweep_has_a_power_for_each_place(self, cost, world):
        """Draws first, then the sweep."""
        step = cost(layer(np.array([2048.0, 4096.0]), 1024.0))
        assert average_power(step, world.desktop, world.constants).shape == (33, 2)
