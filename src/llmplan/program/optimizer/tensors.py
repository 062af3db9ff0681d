"""What an optimizer looks at in a parameter: its place in the model and its shape."""

from llmplan.program.op import Tensor


def is_hidden_matrix(weight: Tensor) -> bool:
    """Whether Muon takes it: a matrix inside the layers."""
    return weight.weight is not None and weight.weight.role in ("matrix", "adapter", "router")


def is_vector(weight: Tensor) -> bool:
    """Whether it has one dimension or none: Adafactor factorises matrices only."""
    return weight.weight is not None and weight.weight.role in ("norm", "bias", "scalar")
