"""What clipping gradients by their norm takes, against figures worked out by hand."""

from hypothesis import given
from hypothesis import strategies as st

from llmplan.program.op import Tensor
from llmplan.program.optimizer import clipping_bytes

BLOCK = 512


def test_of_two_matrices() -> None:
    """
    Two norms of a block each. Beside them a partial sum in FP32 for each tensor and each 65,536 elements of the largest
    (4,000,000 elements: 62 chunks, so 2 x 62 x 4 = 496 bytes), or the stack and its norm: two blocks.
    """
    weights = [(Tensor(1000.0, 1000.0, "bf16"), 1.0), (Tensor(1000.0, 4000.0, "bf16"), 1.0)]
    assert clipping_bytes(weights) == 4 * BLOCK


def test_partial_sums_of_a_large_table() -> None:
    """A table of 128,256 x 4,096 has 8,016 chunks, and each of 100 tensors has room for as many sums."""
    weights = [(Tensor(128256.0, 4096.0, "fp32"), 1.0), (Tensor(1.0, 4096.0, "fp32"), 99.0)]
    assert clipping_bytes(weights) == 100 * BLOCK + 6263 * BLOCK  # 3,206,400 bytes are 6,262.5 blocks
    assert clipping_bytes([]) == 0


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=20))
def test_it_is_small_beside_the_gradients(shapes: list[tuple[int, int]]) -> None:
    """A few bytes for each chunk, and a few blocks for each tensor; never more than the sums of all as the largest."""
    weights = [(Tensor(float(rows), float(cols), "fp32"), 1.0) for rows, cols in shapes]
    largest = max(w.elements for w, _ in weights)
    assert clipping_bytes(weights) <= len(weights) * (BLOCK + 4 * (largest / 65536 + 1)) + 4 * BLOCK
