"""What optimizers keep and take, against figures worked out by hand from what PyTorch was seen to allocate."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.program.op import Tensor, Weight
from llmplan.program.optimizer import Rule, update_bytes

#: A block of the allocator's, which a step count takes. [byte]
BLOCK = 512


def weight(rows: int, cols: int, number_format: str = "bf16", role: str = "matrix") -> Tensor:
    """A parameter."""
    made = Tensor(float(rows), float(cols), number_format)
    made.weight = Weight(role, trainable=True, stored=made.bytes, name="w")
    return made


# 1,000 x 1,000: a million elements; in BF16 2,000,000 bytes are 3,906.25 blocks, in FP32 7,812.5, in 8 bits 1,953.125.
BF16, FP32, BYTES = 3907 * BLOCK, 7813 * BLOCK, 1954 * BLOCK
# A scale of four bytes for each 256 elements, 3,907 of them: 15,628 bytes, 30.5 blocks.
SCALES = 31 * BLOCK


class TestStates:
    @pytest.mark.parametrize(
        ("rule", "number_format", "expected"),
        [
            (Rule(implementation="fused"), "bf16", 2 * BF16 + BLOCK),
            (Rule(implementation="fused"), "fp32", 2 * FP32 + BLOCK),
            (Rule(implementation="foreach"), "bf16", 2 * BF16),
            (Rule(implementation="loop"), "fp32", 2 * FP32),
            (Rule(states="fp32"), "bf16", 2 * FP32 + BLOCK),
            (Rule(states="fp32", master=True), "bf16", 3 * FP32 + BLOCK),
            (Rule(master=True), "bf16", 3 * FP32 + BLOCK),
            (Rule(states="8bit"), "bf16", 2 * (BYTES + SCALES)),
            (Rule(states="8bit"), "fp32", 2 * (BYTES + SCALES)),
            (Rule(states="8bit", master=True), "bf16", 2 * (BYTES + SCALES) + FP32),
            (Rule(algorithm="sgd"), "bf16", 0),
            (Rule(algorithm="sgd", master=True), "bf16", FP32),
            (Rule(algorithm="sgd-momentum"), "bf16", BF16),
            (Rule(algorithm="sgd-momentum"), "fp32", FP32),
            (Rule(algorithm="sgd-momentum", master=True), "bf16", 2 * FP32),
            (Rule(algorithm="muon"), "bf16", BF16),
            (Rule(algorithm="muon"), "fp32", FP32),
            (Rule(algorithm="muon", master=True), "bf16", 2 * FP32),
        ],
        ids=str,
    )
    def test_of_a_matrix(self, rule: Rule, number_format: str, expected: int) -> None:
        """Bytes as the allocator gives them."""
        assert rule.state_bytes(weight(1000, 1000, number_format)) == expected

    def test_muon_leaves_the_rest_to_adamw(self) -> None:
        """Embedding, head, norms and biases."""
        for role in ("embedding", "head", "norm", "bias", "position"):
            assert Rule(algorithm="muon").state_bytes(weight(1000, 1000, role=role)) == 2 * BF16 + BLOCK
        assert Rule(algorithm="muon").state_bytes(weight(1000, 1000, role="adapter")) == BF16

    def test_small_tensors_keep_states_of_32_bits(self) -> None:
        """Below 4,096 elements; 4,096 in 8 bits are 8 blocks and 64 bytes of scales."""
        rule = Rule(states="8bit")
        assert rule.state_bytes(weight(1, 4095)) == 2 * 32 * BLOCK
        assert rule.state_bytes(weight(1, 4096)) == 2 * (8 * BLOCK + BLOCK)

    @given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(["bf16", "fp32"]))
    def test_eight_bits_are_never_more_than_thirty_two(self, rows: int, cols: int, number_format: str) -> None:
        """The point of them."""
        w: Any = weight(rows, cols, number_format)
        assert Rule(states="8bit").state_bytes(w) <= Rule(states="fp32").state_bytes(w)


class TestTemporaries:
    WEIGHTS = ((weight(1000, 1000), 3.0), (weight(1000, 2000), 1.0), (weight(1, 1000, role="norm"), 7.0))
    # 2,000,000 elements: 7,812.5 blocks in BF16, 15,625 in FP32; 1,000 elements: 3.9 blocks in BF16.
    LARGEST_BF16, LARGEST_FP32, NORM = 7813 * BLOCK, 15625 * BLOCK, 4 * BLOCK

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (Rule(implementation="fused"), 0),
            (Rule(implementation="foreach"), 3 * BF16 + LARGEST_BF16 + 7 * NORM),  # the roots of all second moments at once
            # What the script's variables hold of the matrix before is there when the largest one's step begins.
            (Rule(implementation="loop"), BF16 + 2 * LARGEST_BF16),
            (Rule(states="fp32"), 2 * FP32 + 2 * LARGEST_FP32),
            (Rule(states="fp32", implementation="foreach"), 2 * FP32 + 2 * LARGEST_FP32),
            (Rule(master=True), FP32 + LARGEST_FP32),
            (Rule(master=True, full_gradients=True), 0),
            (Rule(states="8bit"), 0),
            (Rule(algorithm="sgd"), 0),
            (Rule(algorithm="sgd", implementation="foreach"), 0),
            (Rule(algorithm="sgd-momentum"), 0),
        ],
        ids=str,
    )
    def test_of_a_step(self, rule: Rule, expected: int) -> None:
        """Beside parameters, gradients and states."""
        assert rule.temporary_bytes(self.WEIGHTS) == expected

    @pytest.mark.parametrize(("rows", "cols", "copies"), [(4096, 4096, 5.0), (4096, 16384, 3.5), (16384, 4096, 3.5)])
    def test_muon_takes_a_few_copies_of_the_largest_matrix(self, rows: int, cols: int, copies: float) -> None:
        """
        Momentum's look-ahead, two iterates and two Gram matrices of the shorter side, all in BF16: about four and a half
        copies of the matrices that models have.
        """
        taken = Rule(algorithm="muon").temporary_bytes([(weight(rows, cols), 8.0), (weight(64, 64), 1.0)])
        assert taken == copies * 2 * rows * cols

    def test_no_weights_take_nothing(self) -> None:
        """A job may train nothing in a stretch."""
        for rule in (Rule(implementation="foreach"), Rule(implementation="loop"), Rule(algorithm="muon"), Rule(states="fp32")):
            assert rule.temporary_bytes([]) == 0


class TestTraffic:
    def test_of_an_update(self) -> None:
        """The gradient and the weight are read, the weight is written, states go both ways."""
        assert update_bytes(weight(1000, 1000), 100.0) == (4_000_100.0, 2_000_100.0)

    def test_products_of_muon(self) -> None:
        """Three products of the shorter side: 2 n n m, 2 n n n and 2 n m n for a matrix of n by m."""
        rows, cols = 1000.0, 4000.0
        flops = [kernel.flops() for kernel in Rule(algorithm="muon").products(weight(4000, 1000))]
        assert flops == [2 * rows * rows * cols, 2 * rows**3, 2 * rows * cols * rows]
        assert Rule().products(weight(4000, 1000)) == []
        assert Rule(algorithm="muon").products(weight(4000, 1000, role="embedding")) == []
