"""Machine: how many of which hardware, and what connects and feeds them."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from llmplan.errors import SpecError
from llmplan.nouns._check import Between, MayBeZero, Name
from llmplan.nouns._noun import Noun, noun
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.interconnect import Interconnect
from llmplan.sources import Bytes, BytesPerSecond, Watts

# Ten times the largest cluster that anyone has announced; beyond it, a number was mistyped.
_MOST_CARDS = 10_000_000

_TEXT = re.compile(r"\s*(?P<first>\d+)\s*[x×](?:\s*(?P<second>\d+)(?=\s))?\s+(?P<name>\S.*?)\s*", re.IGNORECASE)

_Cards = Annotated[int, Between(1, _MOST_CARDS)]


@noun
class Machine(Noun):
    """
    One computer or a cluster of equal ones.

    Attributes:
        name: Its registry id.

        hardware: The accelerator, or its registry name.

        gpus_per_node: Accelerators in one node.

        nodes: How many nodes.

        interconnect: What connects the accelerators of one node. None: PCIe, or not known.

        fabric: What connects the nodes. None: there is one node, or it is not known.

        host_memory: Main memory of one node. [byte]

        host_memory_bandwidth: Between the processors of one node and their memory. [byte/second]

        disk_bandwidth: At which one node writes files that are kept, such as checkpoints. [byte/second]

        host_power: What one whole node draws in training *without* its accelerators. [watt]

        kind: "desktop", "laptop" or "server".

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> Machine(name="two-of-mine", hardware="rtx-4070", gpus_per_node=2, kind="desktop").count
        2

    .. versionadded:: 0.1.0
    """

    name: Name
    hardware: Name | Hardware
    gpus_per_node: _Cards
    nodes: _Cards = 1
    interconnect: Interconnect | None = None
    fabric: Interconnect | None = None
    host_memory: Bytes | None = None
    host_memory_bandwidth: BytesPerSecond | None = None
    disk_bandwidth: BytesPerSecond | None = None
    host_power: Annotated[Watts, MayBeZero()] | None = None
    kind: Literal["desktop", "laptop", "server"]

    def _contradictions(self) -> Iterable[str]:
        if self.count > _MOST_CARDS:
            yield f"{self.nodes} nodes of {self.gpus_per_node} are more than {_MOST_CARDS:,} accelerators @ Machine.nodes"

    @property
    def count(self) -> int:
        """All accelerators of the machine: ``gpus_per_node * nodes``."""
        return self.gpus_per_node * self.nodes


def parse_machine_text(text: str) -> tuple[int, int, str] | None:
    """
    Take a text such as "8x h100-sxm" apart. It names no machine that anyone has described: only how many of what.

    Args:
        text: "8x NAME" is one node of eight, "16x8 NAME" is sixteen nodes of eight.

    Returns:
        ``(nodes, gpus_per_node, name)``, or None where the text is written in another way.

    Raises:
        SpecError: It is written so, but no machine has that many accelerators.

    Example:
        >>> parse_machine_text("8x h100-sxm"), parse_machine_text("16x8 h100-sxm")
        ((1, 8, 'h100-sxm'), (16, 8, 'h100-sxm'))
        >>> parse_machine_text("h100-sxm") is None
        True

    .. versionadded:: 0.1.0
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    nodes, per_node = ("1", found["first"]) if found["second"] is None else (found["first"], found["second"])
    # Lengths first: int() of a hundred thousand digits is refused by Python with an error of its own.
    few = all(len(count.lstrip("0")) <= len(str(_MOST_CARDS)) for count in (nodes, per_node))
    if not few or not 1 <= int(nodes) * int(per_node) <= _MOST_CARDS:
        fault = f"expected 1 to {_MOST_CARDS:,} accelerators in all, got {text.strip()!r:.80} @ Machine"
        raise SpecError("machine text", (fault,))
    return int(nodes), int(per_node), found["name"]
