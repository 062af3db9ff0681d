"""
Transformers: the verbs as its modelling code carries them out (version 5.24, ``models/*/modeling_*.py``), run eagerly.

It is PyTorch, written out: an RMS norm in six operations, rotations by tables that are made in each forward, scores
with a mask that is added, logits that the output object holds. Each module holds the verbs of one theme.
"""

from llmplan.runtimes.framework import Framework
from llmplan.runtimes.pytorch.experts import GroupedExperts
from llmplan.runtimes.pytorch.views import Views
from llmplan.runtimes.transformers.attention import TransformersAttention
from llmplan.runtimes.transformers.latent import TransformersLatent
from llmplan.runtimes.transformers.loss import TransformersLoss
from llmplan.runtimes.transformers.norms import TransformersNorms
from llmplan.runtimes.transformers.pointwise import TransformersPointwise
from llmplan.runtimes.transformers.rotary import TransformersRotary
from llmplan.runtimes.transformers.scans import TransformersScans
from llmplan.runtimes.transformers.sinks import TransformersSinks
from llmplan.runtimes.transformers.tables import TransformersTables

__all__ = ["FRAMEWORK", "Transformers"]


class Transformers(
    TransformersSinks,
    TransformersAttention,
    TransformersLoss,
    TransformersNorms,
    TransformersRotary,
    TransformersTables,
    TransformersPointwise,
    TransformersLatent,
    GroupedExperts,
    Views,
    TransformersScans,
):
    """The verbs in Transformers' own code."""


FRAMEWORK = Framework(name="transformers", emitter=Transformers)
