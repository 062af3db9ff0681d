"""Interconnect: what the cards of a machine talk over."""

from llmplan.nouns._check import Name
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import BytesPerSecond


@noun
class Interconnect(Noun):
    """
    The links of one tier of a machine: inside a node, or between nodes.

    Attributes:
        name: What it is called, such as "NVLink 4" or "InfiniBand NDR".

        bandwidth: What one accelerator can send, which is also what it can receive at the same time. [byte/second]

        switched: Whether any two cards reach each other at that rate. False for a ring, a mesh or a shared bus.

    Raises:
        SpecError: A field has a value that it cannot have.

    Example:
        >>> from llmplan.sources import Source, Sourced
        >>> made_up = Source(kind="assumption", title="for this example")
        >>> Interconnect(name="link", bandwidth=Sourced("450 GB/s", made_up), switched=True)
        Interconnect(name='link', bandwidth=450 GB/s, switched=True)

    .. versionadded:: 0.1.0
    """

    name: Name
    bandwidth: BytesPerSecond
    switched: bool
