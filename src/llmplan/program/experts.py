"""
What a mixture of experts is said with: a router, what it chose, and the experts.

A router scores all experts for each token, a few are chosen, and the token goes through those alone (Shazeer et al.,
arXiv 1701.06538). The experts of a layer are stacked: one tensor holds the first matrices of all, another the second.
"""

from typing import Literal

import attrs

from llmplan.program.emit import Function
from llmplan.program.op import Tensor
from llmplan.program.size import Number

#: How a gated expert joins its two halves: "glu" is function(gate) x up; "clamped-swiglu" clamps both, takes the gate
#: times the sigmoid of its multiple and the other half plus one (gpt-oss, arXiv 2508.10925, section 2.2).
Gate = Literal["glu", "clamped-swiglu"]

#: How experts are chosen: the highest scores; or one after the other, each with a gradient of its own estimated by
#: Heun's method ("sparse-mixer", arXiv 2409.12136).
Choice = Literal["top-k", "sparse-mixer"]


@attrs.frozen(kw_only=True)
class Router:
    """
    How a token's experts are chosen.

    Attributes:
        experts: Experts of a layer that are routed to.
        per_token: How many of them a token goes through.
        score: What makes scores of logits.
        choice: How experts are chosen.
        chosen_first: Whether logits are chosen first and scores made of those alone.
        normalized: Whether a token's scores are divided by their sum.
        scaled: Whether they are multiplied by a number.
        wide: Whether the logits' product is made in FP32.
        narrowed: Whether the scores are cast back to the format of the logits or the input.
        bias: Whether the logits have a trainable bias.
        corrected: Whether a bias that is no parameter is added for the choice alone (arXiv 2408.15664).
        grouped: Whether groups of experts are chosen first (arXiv 2405.04434, section 2.2.2).
        groups: How many groups there are; 0 where they are not grouped.
        linear: Whether its matrix is a linear layer like others, which gets an adapter where they do.
        name: Of its weight, for people.
    """

    experts: Number
    per_token: Number
    score: Literal["softmax", "sigmoid"] = "softmax"
    choice: Choice = "top-k"
    chosen_first: bool = False
    normalized: bool = False
    scaled: bool = False
    wide: bool = False
    narrowed: bool = False
    bias: bool = False
    corrected: bool = False
    grouped: bool = False
    groups: Number = 0.0
    linear: bool = False
    name: str = "router"


@attrs.frozen(kw_only=True)
class Routing:
    """
    What a router chose.

    Attributes:
        scores: A row a token, a column for each of its experts.
        indices: Which experts, likewise.
        router: Who chose.
        held: What the router's script still holds until the experts are done.
    """

    scores: Tensor
    indices: Tensor
    router: Router
    held: tuple[Tensor, ...] = ()


@attrs.frozen(kw_only=True)
class Experts:
    """
    The experts of a layer.

    Attributes:
        intermediate_size: Columns between an expert's matrices.
        function: Their activation.
        gated: Whether a second projection gates the first; both are one product.
        gate: How the two are joined.
        bias: Whether their matrices have biases.
        name: Of their weights, for people.
    """

    intermediate_size: Number
    function: Function
    gated: bool = True
    gate: Gate = "glu"
    bias: bool = False
    name: str = "experts"
