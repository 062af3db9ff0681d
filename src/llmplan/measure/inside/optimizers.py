"""PyTorch's optimizers by registry name."""

from typing import Any

import torch

#: Parts of names of matrices that Muon leaves to AdamW: tables and the head.
_NOT_HIDDEN = ("embed", "head", "wte", "wpe", "positions")


def optimizers(name: str, parameters: list[tuple[str, Any]]) -> list[Any]:
    """The optimizers that share the named *parameters*; Muon takes hidden matrices and leaves the rest to AdamW."""
    every = [p for _, p in parameters]
    if name == "muon":
        hidden = [p for n, p in parameters if p.ndim == 2 and not any(part in n for part in _NOT_HIDDEN)]  # noqa: PLR2004  a matrix
        rest = [p for p in every if all(p is not h for h in hidden)]
        made = [torch.optim.Muon(hidden)] if hidden else []
        return [*made, torch.optim.AdamW(rest, fused=True)] if rest else made
    if name.startswith("adamw"):
        return [torch.optim.AdamW(every, fused=name == "adamw", foreach=name == "adamw-foreach")]
    return [torch.optim.SGD(every, lr=0.1, momentum=0.9 if name == "sgd-momentum" else 0.0, foreach=True)]


def states(made: list[Any]) -> list[Any]:
    """All that the optimizers keep."""
    return [value for optimizer in made for state in optimizer.state.values() for value in state.values()]
