"""Precision: which format each part of a job takes, and where values are cast."""

from typing import Literal

from llmplan.nouns._check import Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source


@noun
class Precision(Noun):
    """
    Which format each role takes, and where the casts between them happen. Formats are registry names.

    Attributes:
        name: Its registry id, such as "bf16-autocast".

        weights: Of the weights that the forward reads or casts.

        gradients: Of ``.grad``.

        optimizer_states: Of the optimizer's moments, where the optimizer leaves it to the precision.

        master_weights: Of a second copy of the weights that the optimizer updates. None: there is no such copy.

        activations: Of the residual stream and what is kept for backward.

        compute: In which matrix products are computed.

        kv_cache: Of keys and values that inference keeps.

        casts: Where weights become what computes with them: "none"; "autocast" (PyTorch's: one copy of a weight, kept
            until the forward ends); "at-use" (each use casts anew); "master-copy" (after each step, from the master
            weights); "at-gather" (when a sharded weight is gathered).

        frozen_weights: Of matrices that are not trained, such as "nf4" under an adapter. None: as ``weights``.

        loss_scaling: Whether the loss is multiplied before backward and the gradients divided before the step, as gradients
            in fp16 need (``torch.amp.GradScaler``).

        source: Where this combination is described.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source
        >>> bf16 = Precision(name="bf16", weights="bf16", gradients="bf16", optimizer_states="bf16",
        ...     activations="bf16", compute="bf16", kv_cache="bf16", casts="none", source=Source.assumption("an example"))
        >>> bf16.evolve(casts="autocats")
        Traceback (most recent call last):
        ...
        llmplan.errors.SpecError: ...

    .. versionadded:: 0.1.0
    """

    name: Name
    weights: Name
    gradients: Name
    optimizer_states: Name
    master_weights: Name | None = None
    activations: Name
    compute: Name
    kv_cache: Name
    casts: Literal["none", "autocast", "at-use", "master-copy", "at-gather"]
    frozen_weights: Name | None = None
    loss_scaling: bool = False
    source: Source
