"""The formulas of kernels: what must hold whatever the constants are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.costs.attention import attention_seconds
from llmplan.costs.collectives import PASSES, Links, collective_seconds
from llmplan.costs.launch import joined
from llmplan.costs.matmul import matmul_seconds
from llmplan.costs.pointwise import pointwise_seconds
from llmplan.costs.transfer import transfer_seconds

lengths = st.floats(1.0, 1e5)
more = st.floats(1.0, 8.0)
payloads = st.floats(1.0, 1e12)


def product(*, m, n, k, batch=1.0, rate=100e12, bandwidth=1e12, tail=0.1):
    traffic = batch * 2.0 * (m * k + k * n + m * n)
    fixed = {"units": 100.0, "depth": 64.0, "tail": tail, "start": 3e-6}
    return matmul_seconds(m=m, n=n, k=k, batch=batch, traffic=traffic, rate=rate, bandwidth=bandwidth, **fixed)


def ring(kind, payload, group, *, per_node=8.0, inner=300e9, outer=25e9, stride=1.0):
    links = Links(per_node=per_node, inner=inner, inner_many=inner, outer=outer, start=8e-6, hop=1e-6, outer_hop=8e-6, ramp=5e-9)
    passes = PASSES[kind]
    return float(collective_seconds(passes=passes, payload=payload, group=group, stride=stride, launches=1.0, links=links))


class TestMatmul:
    @given(m=lengths, n=lengths, k=lengths, factor=more)
    def test_a_larger_product_is_never_faster(self, m, n, k, factor):
        """Monotone in m, n, k and batch."""
        time = product(m=m, n=n, k=k)
        assert time <= product(m=m * factor, n=n, k=k)
        assert time <= product(m=m, n=n * factor, k=k)
        assert time <= product(m=m, n=n, k=k * factor)
        assert time <= product(m=m, n=n, k=k, batch=factor)

    @given(m=lengths, n=lengths, k=lengths, factor=more)
    def test_a_better_device_is_never_slower(self, m, n, k, factor):
        """Monotone in rate and bandwidth."""
        time = product(m=m, n=n, k=k)
        assert time >= product(m=m, n=n, k=k, rate=100e12 * factor)
        assert time >= product(m=m, n=n, k=k, bandwidth=1e12 * factor)

    @given(m=lengths, n=lengths, k=lengths)
    def test_it_is_never_faster_than_the_roofline(self, m, n, k):
        """Neither arithmetic nor traffic beats its rate."""
        time = product(m=m, n=n, k=k)
        assert time >= 2.0 * m * n * k / 100e12
        assert time >= 2.0 * (m * k + k * n + m * n) / 1e12
        assert time >= 3e-6

    @given(m=lengths, n=lengths, k=lengths)
    def test_a_float_and_an_array_of_one_are_equal(self, m, n, k):
        """Scalar and array give the same."""
        assert product(m=np.array([m]), n=n, k=k) == pytest.approx(product(m=m, n=n, k=k), rel=1e-14)


class TestAttention:
    @given(work=st.floats(1.0, 1e15), row=st.floats(0.0, 1e10), factor=more)
    def test_more_work_and_a_longer_row_take_longer(self, work, row, factor):
        """Monotone in all that is worked."""
        fixed = {"diagonal_work": 0.0, "traffic": 1e6, "rate": 1e14, "bandwidth": 1e12, "units": 100.0, "tail": 0.5, "start": 1e-6}
        time = attention_seconds(work=work, row_work=row, **fixed)
        assert time <= attention_seconds(work=work * factor, row_work=row, **fixed)
        assert time <= attention_seconds(work=work, row_work=row * factor, **fixed)
        assert np.isfinite(time)


class TestTraffic:
    @given(traffic=payloads, launches=st.floats(1.0, 1e4), factor=more)
    def test_pointwise_kernels_follow_their_bytes(self, traffic, launches, factor):
        """Twice the bandwidth is never slower, more bytes never faster, and each launch has its floor."""
        time = pointwise_seconds(traffic=traffic, launches=launches, bandwidth=1e11, start=1e-6)
        assert time >= pointwise_seconds(traffic=traffic, launches=launches, bandwidth=2e11, start=1e-6)
        assert time <= pointwise_seconds(traffic=traffic * factor, launches=launches, bandwidth=1e11, start=1e-6)
        assert time >= launches * 1e-6

    @given(payload=payloads)
    def test_a_copy_is_its_payload_over_the_link_and_its_start(self, payload):
        """Doubling the link halves what the payload takes."""
        start = transfer_seconds(payload=0.0, launches=1.0, bandwidth=1e10, start=1e-5)
        slow = transfer_seconds(payload=payload, launches=1.0, bandwidth=1e10, start=1e-5) - start
        fast = transfer_seconds(payload=payload, launches=1.0, bandwidth=2e10, start=1e-5) - start
        assert slow == pytest.approx(2.0 * fast)

    def test_host_and_device_wait_for_each_other(self):
        """The slower of execution and launches decides."""
        assert joined(np.array(1.0), np.array(10.0), np.array(0.01)) == 1.0
        assert joined(np.array(1.0), np.array(1000.0), np.array(0.01)) == 10.0


class TestCollectives:
    @pytest.mark.parametrize("kind", sorted(PASSES))
    def test_a_group_of_one_says_nothing(self, kind):
        """There is nobody to send to."""
        assert ring(kind, 1e9, 1.0) == 0.0

    @given(kind=st.sampled_from(sorted(PASSES)), payload=payloads, group=st.integers(2, 512), factor=more)
    def test_more_interconnect_is_never_slower(self, kind, payload, group, factor):
        """Monotone in the links of both tiers; more bytes are never faster."""
        time = ring(kind, payload, float(group))
        assert np.isfinite(time)
        assert time > 0.0
        assert time >= ring(kind, payload, float(group), inner=300e9 * factor)
        assert time >= ring(kind, payload, float(group), outer=25e9 * factor)
        assert time <= ring(kind, payload * factor, float(group))

    @given(payload=st.floats(1e6, 1e12), group=st.integers(2, 64))
    def test_an_all_reduce_is_a_scatter_and_a_gather(self, payload, group):
        """Its traffic and steps are those of both; only the start is paid once, and the ramp is concave."""
        whole = ring("all_reduce", payload, float(group))
        halves = ring("reduce_scatter", payload, float(group)) + ring("all_gather", payload, float(group))
        assert whole <= halves * (1.0 + 1e-12)
        assert whole >= 0.7 * halves - 8e-6

    def test_members_that_share_no_node_use_one_adapter_each(self):
        """With tensor parallelism over eight between them, the members of a group are alone in their nodes."""
        assert ring("all_reduce", 1e9, 16.0, stride=8.0) > 4.0 * ring("all_reduce", 1e9, 16.0)
