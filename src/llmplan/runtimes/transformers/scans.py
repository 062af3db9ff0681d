"""Scans over tokens, which Transformers writes out in elementary operations where no kernels are installed."""

from typing import NoReturn

from llmplan.errors import UnsupportedError
from llmplan.program.emit import Emitter
from llmplan.program.op import Tensor
from llmplan.program.size import Number


class TransformersScans(Emitter):
    """Scans over tokens."""

    def causal_conv(self, x: Tensor, width: Number, *, bias: bool, name: str) -> NoReturn:  # noqa: ARG002
        """
        In Transformers' own code.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            "state-space and delta-rule layers in Transformers' own code",
            "without kernels it loops over tokens or chunks in elementary operations, which is not modelled yet; "
            'runtime="pytorch" is said with the kernels of mamba-ssm, causal-conv1d and flash-linear-attention',
        )
