"""
Optimizers: what they keep for each parameter, what they take while they step, and what clipping gradients takes.

Sizes are those of PyTorch 2.13, bitsandbytes 0.50, torchao 0.18 and Transformers 5.24, read in their sources and measured
event by event: see the notes at each.
"""

from llmplan.program.optimizer.clipping import clipping_bytes
from llmplan.program.optimizer.rule import Rule, update_bytes
from llmplan.program.optimizer.states import Algorithm, Implementation, States
from llmplan.program.optimizer.tensors import is_hidden_matrix

__all__ = ["Algorithm", "Implementation", "Rule", "States", "clipping_bytes", "is_hidden_matrix", "update_bytes"]
