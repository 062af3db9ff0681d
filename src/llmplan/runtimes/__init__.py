"""Emitters by framework: how one body of code carries the verbs of :mod:`llmplan.program.emit` out."""

from typing import Final

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter
from llmplan.runtimes.megatron import Megatron
from llmplan.runtimes.pytorch import PyTorch
from llmplan.runtimes.transformers import Transformers

_EMITTERS: Final[dict[str, type[Emitter]]] = {"megatron": Megatron, "pytorch": PyTorch, "transformers": Transformers}


def emitter_of(framework: str) -> type[Emitter]:
    """
    The emitter of a framework.

    Raises:
        UnsupportedError: Where there is none yet.
    """
    if framework not in _EMITTERS:
        known = ", ".join(sorted(_EMITTERS))
        raise UnsupportedError(f"the operations of the framework {framework!r}", f"known are: {known}")
    return _EMITTERS[framework]
