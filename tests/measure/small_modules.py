"""Modules that tests measure: found by their address in another process, and torch with them."""

import sys
from typing import Any


def chain(*, own_loss: bool = False) -> Any:
    """A table, two matrices, a head: what it keeps can be counted by hand. It prints, which is no answer."""
    import torch
    from torch import nn

    sys.stdout.write("made\n")

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(1000, 64)
            self.up, self.down = nn.Linear(64, 256, bias=False), nn.Linear(256, 64, bias=False)
            self.head = nn.Linear(64, 1000, bias=False)

        def forward(self, ids: Any) -> Any:
            return self.head(self.down(torch.relu(self.up(self.embed(ids)))))

    class OwnLoss(Chain):
        def forward(self, ids: Any, targets: Any) -> Any:
            return nn.functional.cross_entropy(super().forward(ids).flatten(0, 1), targets.flatten())

    return OwnLoss() if own_loss else Chain()


def with_loss() -> Any:
    """The same, which says its own loss."""
    return chain(own_loss=True)


def number() -> int:
    """No module."""
    return 3


def raises() -> Any:
    """A model that cannot be made."""
    msg = "no weights today"
    raise ValueError(msg)


def leaves() -> Any:
    """A model that ends the program."""
    raise SystemExit(3)
