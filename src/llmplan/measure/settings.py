"""What is measured: the settings of a run, as they travel to the process that runs it."""

from typing import Any, Literal

import attrs

from llmplan.errors import SpecError, UnsupportedError, nearest

#: Precisions that PyTorch itself carries out, by registry name: the weights' format, and whether autocast is on.
PRECISIONS = {"fp32": ("float32", False), "bf16": ("bfloat16", False), "bf16-autocast": ("float32", True)}
#: Optimizers of ``torch.optim``, by registry name.
OPTIMIZERS = ("adamw", "adamw-foreach", "sgd", "sgd-momentum", "muon")
_MOST = 10**9


@attrs.frozen(kw_only=True)
class Settings:
    """
    How a model is trained while it is measured.

    Attributes:
        sequence_length: Tokens of a sequence. [token]
        micro_batch_size: Sequences that are taken at a time. [sequence]
        micro_batches: Micro-batches of a step.
        precision: "bf16-autocast", "bf16" or "fp32".
        optimizer: "adamw" (fused), "adamw-foreach", "sgd", "sgd-momentum" or "muon".
        recompute: "none", or "full" where the model is one of Transformers.
        attention: "flash" (fused kernels) or "eager", where the model is one of Transformers.

    Raises:
        SpecError: A number that cannot be.
        UnsupportedError: A name that PyTorch has no counterpart of.

    Example:
        >>> Settings(sequence_length=1024, precision="bf16").micro_batch_size
        1
        >>> Settings(sequence_length=0)
        Traceback (most recent call last):
        ...
        llmplan.errors.SpecError: ...
    """

    sequence_length: int = 1024
    micro_batch_size: int = 1
    micro_batches: int = 1
    precision: str = "bf16-autocast"
    optimizer: str = "adamw"
    recompute: Literal["none", "full"] = "none"
    attention: Literal["flash", "eager"] = "flash"

    def __attrs_post_init__(self) -> None:
        faults = []
        for name in ("sequence_length", "micro_batch_size", "micro_batches"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
                faults.append(f"expected a whole number from 1 to {_MOST:,}, got {value!r:.80} @ {name}")
        if faults:
            raise SpecError("measure()", tuple(faults))
        for name, known in (
            ("precision", tuple(PRECISIONS)),
            ("optimizer", OPTIMIZERS),
            ("recompute", ("none", "full")),
            ("attention", ("flash", "eager")),
        ):
            self._known(name, known)

    def _known(self, name: str, known: tuple[str, ...]) -> None:
        value: Any = getattr(self, name)
        if value not in known:
            close = nearest(str(value), known)
            hint = f"; did you mean {close!r}?" if close else ""
            raise UnsupportedError(f"measuring with the {name} {value!r:.80}", f"PyTorch is asked for {', '.join(known)}{hint}")
