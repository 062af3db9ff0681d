"""
Measuring: the question of memory put to PyTorch itself, without a GPU.

Two training steps run in a process of their own over tensors that have shapes, formats and storages on a device called
``cuda``, and no bytes. Autograd, autocast and the optimizer are PyTorch's; every storage is followed from birth to
death. So anybody can check a plan for a model of theirs, and find out what an architecture that llmplan does not know
would take.

It needs the extra ``measure`` (torch, transformers) and a C++ compiler, which builds a device guard of a few lines.
Importing this module loads neither.
"""

from llmplan.measure.asking import measure
from llmplan.measure.report import Measured
from llmplan.measure.settings import Settings

__all__ = ["Measured", "Settings", "measure"]
