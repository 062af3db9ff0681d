"""
Megatron-LM with Transformer Engine: each verb as its fused kernels and its parallel layers carry it out.

Read from Megatron-LM at commit 23e00ed (core 0.14) and Transformer Engine 2.11: ``megatron/core/tensor_parallel``,
``megatron/core/fusions``, ``transformer_engine/pytorch/module``. Weight gradients are summed by the matrix products
into one FP32 buffer; what stands there all the time is :mod:`llmplan.parallel.buffers`'s to say. Each module holds the
verbs of one theme.
"""

from llmplan.runtimes.framework import Framework
from llmplan.runtimes.megatron.attention import MegatronAttention
from llmplan.runtimes.megatron.experts import MegatronExperts
from llmplan.runtimes.megatron.latent import MegatronLatent
from llmplan.runtimes.megatron.loss import MegatronLoss
from llmplan.runtimes.megatron.tables import MegatronTables
from llmplan.runtimes.pytorch.norms import Norms
from llmplan.runtimes.pytorch.views import Views

__all__ = ["FRAMEWORK", "Megatron"]


class Megatron(MegatronAttention, MegatronExperts, MegatronLatent, MegatronLoss, MegatronTables, Norms, Views):
    """The verbs in Megatron-LM with Transformer Engine."""

    #: A stage lets go of its output once it is sent, and keeps its place in the graph (``deallocate_output_tensor``).
    _keeps_what_it_sends = False


FRAMEWORK = Framework(name="megatron", emitter=Megatron)
