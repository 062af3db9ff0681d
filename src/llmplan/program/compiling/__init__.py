"""
Compiling: what ``torch.compile`` makes of a program, as far as memory goes.

The compiler sees forward and backward as one graph (:mod:`.graph`). Its partitioner decides what the forward keeps for the
backward and what is made again there, by a least cut (:mod:`.cut`). Each of the two graphs then becomes kernels, where
what is pointwise is merged (:mod:`.kernels`), and runs with buffers that live from their first to their last use
(:mod:`.running`).

The rules are those of PyTorch 2.13, read in ``torch/_functorch/partitioners.py`` and ``torch/_inductor`` and checked
against the code that it writes and against measured runs.
"""

from llmplan.program.compiling.running import run_compiled

__all__ = ["run_compiled"]
