"""
Share: what of a job one rank does, where ranks cut matrices, tokens, sequences or layers among them.

Cutting is said by the verbs, not done to operations afterwards: what comes out of an emitter is already one rank's.
"""

from typing import Final, Literal

import attrs

from llmplan.program.size import Number

#: How a matrix is cut among ranks (Shoeybi et al., arXiv 1909.08053, section 3): "column": each has some of the
#: outputs, of all inputs; "row": some of the inputs, so that outputs are summed over ranks.
Split = Literal["column", "row"]

#: Matrices of one input that some runtimes keep as one: queries, keys and values; a gate and what it gates.
Joined = Literal["qkv", "gate"]

#: How ranks that share a sequence let tokens see each other: "a2a" trades tokens for heads before the attention and
#: back after it (DeepSpeed Ulysses, arXiv 2309.14509); "p2p" passes keys and values round a ring (arXiv 2310.01889).
Exchange = Literal["a2a", "p2p"]


@attrs.frozen(kw_only=True)
class Share:
    """
    One rank's share.

    A degree of one is the float 1.0; any other is a letter or a number, and structure sees only that it is there.

    Attributes:
        tensor: Ranks that share each matrix.
        sequence: Whether these ranks share the tokens between matrices too (arXiv 2205.05198, section 4.2.2).
        context: Ranks that share each sequence.
        exchange: How they let its tokens see each other.
        expert: Ranks that share the experts of a layer.
        first: Whether the tokens come in here: the first stage of a pipeline.
        last: Whether the loss is made here: the last stage of a pipeline.
    """

    tensor: Number = 1.0
    sequence: bool = False
    context: Number = 1.0
    exchange: Exchange = "a2a"
    expert: Number = 1.0
    first: bool = True
    last: bool = True

    @property
    def cuts_matrices(self) -> bool:
        """Whether matrices are shared."""
        return several(self.tensor)

    @property
    def cuts_sequences(self) -> bool:
        """Whether sequences are shared."""
        return several(self.context)

    @property
    def cuts_experts(self) -> bool:
        """Whether experts are shared."""
        return several(self.expert)


#: All of a job on one rank.
WHOLE: Final = Share()


def several(ways: Number) -> bool:
    """Whether a degree is more than one: structure, so a degree of one is the float 1.0 and nothing else."""
    return not (isinstance(ways, (int, float)) and ways == 1)
