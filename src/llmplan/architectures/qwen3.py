"""Qwen 3: Qwen 2's decoder with heads of a width of their own, normed queries and keys, and no biases."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llmplan.architectures.architecture import Reader
from llmplan.architectures.decoder import Decoder
from llmplan.architectures.qwen2 import Qwen2


class Qwen3(Qwen2):
    """The dense decoder of "Qwen3 Technical Report", arXiv 2505.09388."""

    name = "qwen3"
    qk_norm = True
    defaults: ClassVar[dict[str, Any]] = {**Qwen2.defaults, "head_dim": 128}

    def _choices(self, read: Reader, config: Mapping[str, Any]) -> dict[str, Any]:
        return Decoder._choices(self, read, config)  # noqa: SLF001  a base of this class


QWEN3 = Qwen3()
