"""
What state-space layers are said with: sizes of a scan over the tokens of a sequence, as one record a kind.

A state of fixed size is carried from token to token: a diagonal one for each column (Mamba, arXiv 2312.00752), one for
each head whose decay is a single number (Mamba-2, arXiv 2405.21060), or one that is corrected by the difference between
a value and what the state says of it (gated delta rule, arXiv 2412.06464).
"""

import attrs

from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class Scan:
    """
    A scan whose decay is one number a head: Mamba-2's.

    Attributes:
        heads: Heads.
        state_size: Columns of a head's state beside those of the head.
        groups: Groups of heads that share what is written into the state and read from it.
        chunk: Tokens that are taken at once.
        name: Of the layer's parameters, for people.
    """

    heads: Number
    state_size: Number
    groups: Number
    chunk: Number
    name: str = "mixer"


@attrs.frozen(kw_only=True)
class Delta:
    """
    The gated delta rule.

    Attributes:
        key_heads, value_heads: Heads of queries and keys; of values.
        name: Of the layer's parameters, for people.
    """

    key_heads: Number
    value_heads: Number
    name: str = "linear_attn"
