"""Recompute: what is thrown away in forward and made again in backward."""

from typing import Annotated, Literal

from llmplan.nouns._check import Between
from llmplan.nouns._noun import Noun, noun


@noun
class Recompute(Noun):
    """
    Trade of time for memory: activations that are dropped and computed a second time. Others call it activation
    checkpointing; a checkpoint is here a file written during a run, and nothing else.

    Attributes:
        name: What it is called. May be left empty: ``what`` says it all.

        what: "none"; "full" (a whole block: only its input is kept); "attention" (the attention half of a block);
            "attention-core" (scores, softmax and their product with the values, which is what Megatron's selective
            mode drops); "pointwise" (a block, but for products of matrices and attention, whose results are kept);
            "selective" (a block, but for attention and every second product without a bias: torchtitan's mode of that name by
            operation); "offload" (nothing: what derivatives need of a block is copied to the host's memory and back).

        every: 1: in every block; 2: in every second one, and so on.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> Recompute(what="full", every=2)
        Recompute(what='full', every=2)

    .. versionadded:: 0.1.0
    """

    name: str = ""
    what: Literal["none", "full", "attention", "attention-core", "pointwise", "selective", "offload"]
    every: Annotated[int, Between(1, 1e6)] = 1
