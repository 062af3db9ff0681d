"""What came out of a measurement."""

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Measured:
    """
    Memory of two training steps. Sizes are rounded up to 512 bytes each, as PyTorch's allocator does. [byte]

    Attributes:
        peak: The most that lived at once, in the second step: that of all later ones.
        first_step_peak: The same in the first step, which makes the optimizer's states only at its end.
        phase: When the peak came: "forward", "backward" or "optimizer".
        operation: The operation that made the last storage before the peak.
        split: The peak by what it is for: parameters, gradients, optimizer, activations, temporary, other.
        saved_for_backward: Activations kept when a forward has ended, without copies of weights.
        saved_weight_casts: Copies of weights in another format that are kept then.
        between_steps: What stays when nothing runs.
        num_parameters: Parameters of the model.
        num_trainable: Those that are trained.
        versions: Of torch and transformers.
    """

    peak: int
    first_step_peak: int
    phase: str
    operation: str
    split: Mapping[str, int]
    saved_for_backward: int
    saved_weight_casts: int
    between_steps: int
    num_parameters: int
    num_trainable: int
    versions: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Measured":
        """The same, read back."""
        return cls(**data)

    def __str__(self) -> str:
        rows = [
            ("peak", self.peak),
            *((f"  {name}", size) for name, size in self.split.items() if size),
            ("first step's peak", self.first_step_peak),
            ("saved for backward", self.saved_for_backward),
            ("saved casts of weights", self.saved_weight_casts),
            ("between steps", self.between_steps),
        ]
        lines = [f"{name:24}{size / 2**30:10.3f} GiB {size:>20,} bytes" for name, size in rows]
        with_what = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines.append(f"in the {self.phase}, at {self.operation}; {self.num_parameters:,} parameters; {with_what}")
        return "\n".join(lines)
