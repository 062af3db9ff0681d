"""What of compiled code's memory is not modelled: jobs that the compiler does not see as one graph, or that were never measured."""

from collections.abc import Iterator
from typing import Final

from llmplan.errors import UnsupportedError
from llmplan.evaluating.setup import Setup
from llmplan.evaluating.tracing import trace
from llmplan.program.share import WHOLE

#: The stage of ZeRO from which on gradients are shared.
_GRADIENTS = 2
#: Roles of weights whose products the compiler's choices are not known for.
_NOT_MEASURED = ("expert", "expert-bias")

#: Measured over predicted peak of the 31 compiled runs in tests/data/memory_cases_compiled.json (PyTorch 2.13, without a
#: GPU): 5th, 50th and 95th percentile, which a test computes again. Inductor's choice of buffers is not followed to the last.
MEASURED_OVER_COMPILED: Final = (0.9960, 1.0, 1.0407)


def check_compiled(setup: Setup) -> None:
    """
    Refuse a job whose memory as compiled code is not modelled.

    Raises:
        UnsupportedError: With the first thing that is not.
    """
    for what, reason in _not_modelled(setup):
        raise UnsupportedError(f"the memory of compiled code with {what}", reason)


def _not_modelled(setup: Setup) -> Iterator[tuple[str, str]]:
    structure = setup.structure
    if setup.data.several and setup.data.stage >= _GRADIENTS:
        yield "sharded gradients or parameters", "their messages part the graph in ways that were not measured"
    if setup.buffers is not None:
        yield "gradients in buffers", "the compiler's choices for Megatron-LM's layers were not measured"
    if structure.stored is not None:
        yield "packed weights", "their products are no operations of PyTorch's, and part the graph"
    if structure.job.share != WHOLE:
        yield "matrices, sequences or layers shared among ranks", "the compiler's choices there were not measured"
    if structure.job.offloads:
        yield "activations on the host", "the copies part the graph in ways that were not measured"
    if structure.job.saves != "nothing":
        yield "recomputation operation by operation", "what the partitioner makes of it was not measured"
    if structure.job.loss == "fused":
        yield "a fused loss", "its kernels are no operations of PyTorch's, and part the graph"
    if any(w.weight and w.weight.role in _NOT_MEASURED for w, _ in trace(structure).program.weights()):
        yield "a mixture of experts", "the compiler's choices there were not measured"
