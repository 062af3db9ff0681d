"""
Plain PyTorch, run eagerly: each verb as the operations that ``torch.nn.functional`` makes of it.

What each operation keeps for its derivative, and what it takes while it runs, is PyTorch's (``derivatives.yaml`` and
the kernels' sources, version 2.13), found by measuring and checked against measured cases. Each module holds the verbs
of one theme.
"""

from llmplan.runtimes.framework import Framework
from llmplan.runtimes.pytorch.attention import Attentions
from llmplan.runtimes.pytorch.experts import GroupedExperts
from llmplan.runtimes.pytorch.latent import LatentVerbs
from llmplan.runtimes.pytorch.norms import Norms
from llmplan.runtimes.pytorch.products import Products
from llmplan.runtimes.pytorch.scans import Scans
from llmplan.runtimes.pytorch.shares import Shares
from llmplan.runtimes.pytorch.views import Views

__all__ = ["FRAMEWORK", "PyTorch"]


class PyTorch(Attentions, GroupedExperts, LatentVerbs, Scans, Shares, Views, Norms, Products):
    """The verbs in eager PyTorch."""


FRAMEWORK = Framework(name="pytorch", emitter=PyTorch)
