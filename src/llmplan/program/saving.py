"""
Recomputation operation by operation: whose results are kept although a region runs again.

PyTorch's selective activation checkpointing (``torch.utils.checkpoint.create_selective_checkpoint_contexts``) asks of each
operation whether its result is saved; one that was saved is not run again.
"""

from typing import Literal

from llmplan.program.op import Op

#: Whose results a region keeps: nobody's; those of products of matrices and attention; those of fused attention and of
#: every second product without a bias, counted from the first, as torchtitan has it ("op" in its ``activation_checkpoint``).
Saves = Literal["nothing", "products", "every-second-product"]

_PRODUCTS = ("linear", "bmm", "attention")


class Saving:
    """
    Says of each operation of a region, in order, whether its result is kept.

    Args:
        saves: The rule.
    """

    def __init__(self, saves: Saves) -> None:
        self._saves = saves
        self._products = 0

    def keeps(self, op: Op) -> bool:
        """Whether the result of the next operation is kept."""
        if self._saves == "nothing" or op.name not in _PRODUCTS:
            return False
        if self._saves == "products" or op.name == "attention":
            return True
        if op.name != "linear" or _has_bias(op):  # a product with a bias is another operation, which the rule does not name
            return False
        self._products += 1
        return self._products % 2 == 1


def _has_bias(op: Op) -> bool:
    return len(op.inputs) > 2  # noqa: PLR2004  a factor, a weight, and a bias where there is one
