"""The host's side of a step: how long a framework takes to launch a kernel, and what it does once a step."""

import numpy as np

from llmplan.costs.constants import Array, Constants


def launch_seconds(framework: str, mode: str, constants: Constants) -> Array:
    """
    Seconds of the host's time a kernel launch costs.

    A framework with a constant of its own ("megatron") has that; for others the mode decides ("eager", "compiled").
    """
    return constants.first(f"launch.{framework}", f"launch.{mode}")


def joined(execution: Array, launches: Array, per_launch: Array) -> Array:
    r"""
    Device and host together: whichever is slower, over a stretch in which the host may run ahead.

    .. math:: t = \max(t_{exec},\; n\, t_{launch})

    Taken for a whole micro-batch, not kernel by kernel: the queue between host and device holds about a thousand
    launches, so large kernels pay for small ones.

    Example:
        >>> float(joined(np.array(0.1), np.array(20_000.0), np.array(8e-6)))
        0.16
    """
    return np.maximum(execution, launches * per_launch)
