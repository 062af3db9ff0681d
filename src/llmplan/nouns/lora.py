"""LoRA: a low-rank adapter that is trained while the model stays as it is."""

from collections.abc import Iterable
from typing import Annotated, Literal

from llmplan.nouns._check import Between, Name, Positive
from llmplan.nouns._noun import Noun, noun


@noun
class LoRA(Noun):
    """
    Two thin matrices beside each chosen linear layer: y = W x + (alpha / rank) B A x [1]_.

    Attributes:
        rank: Rows of A and columns of B.

        alpha: The numerator of the scale. It changes results, and neither memory nor time.

        targets: Names of the linear layers that get an adapter, such as ``("q_proj", "v_proj")``, or "all-linear":
            all of them but the output head. A layer's name is a target, or ends in one after a dot, as in PEFT.

        format: Of the two matrices, their gradients and optimizer states: "fp32" is PEFT's default beside a model in 16
            bits (``autocast_adapter_dtype``). Without autocast the layer's input is then cast to it, and the copy kept.
            None: the format of the weights.

        dropout: Share of the input that is set to zero at random before the first matrix (PEFT's ``lora_dropout``).

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> LoRA(rank=16)
        LoRA(rank=16)

    References:
        .. [1] E. J. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models," 2021. arXiv:2106.09685

    .. versionadded:: 0.1.0
    """

    rank: Annotated[int, Between(1, 1e6)]
    alpha: Positive = 16.0
    targets: Literal["all-linear"] | tuple[Name, ...] = "all-linear"
    format: Literal["fp32", "bf16", "fp16"] | None = None
    dropout: Annotated[float, Between(0, 1)] = 0.0

    def _contradictions(self) -> Iterable[str]:
        if not self.targets:
            yield "an adapter has at least one target @ LoRA.targets"

    @property
    def names(self) -> tuple[str, ...] | None:
        """The targets in order, each once; None for all linear layers."""
        return None if self.targets == "all-linear" else tuple(sorted(set(self.targets)))
