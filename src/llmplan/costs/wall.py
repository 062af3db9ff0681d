"""From the time of a step to the days on the calendar: files written, evaluations, failures and restarts."""

import attrs
import numpy as np

from llmplan.costs.constants import Array


@attrs.frozen(kw_only=True, eq=False)
class WallTime:
    """
    Wall-clock time of a run and what it is made of. [s]

    Attributes:
        training: Steps alone.
        evaluation: Evaluations on the way.
        checkpoints: Writing checkpoint files.
        failures: Work done twice and restarts.
        interval: Time between two checkpoint files that costs least; infinite where nothing fails.
    """

    training: Array
    evaluation: Array
    checkpoints: Array
    failures: Array
    interval: Array

    @property
    def total(self) -> Array:
        """All of it. [s]"""
        return self.training + self.evaluation + self.checkpoints + self.failures


def wall_time(
    *,
    steps: Array,
    step_seconds: Array,
    devices: Array,
    device_hours_between_failures: Array,
    checkpoint_seconds: Array,
    restart_seconds: Array,
    evaluation_seconds: Array | float = 0.0,
) -> WallTime:
    r"""
    Wall-clock time of a run with files written as often as pays.

    .. math::

        \tau = \sqrt{2\,\delta\, M}, \qquad
        T = T_0 \left(1 + \frac{\delta}{\tau} + \frac{\tau / 2 + R}{M}\right), \qquad M = \frac{H}{N}

    Young's first order: one device fails every H hours of use, so N of them fail every H / N; each failure costs half an
    interval of work and a restart R. On one desktop the terms are a few thousandths; on ten thousand devices they are
    what a schedule is made of. Where the interval would be longer than the run, one file is written at its end.

    Args:
        steps: Optimizer steps.

        step_seconds: Time of one. [s]

        devices: :math:`N`.

        device_hours_between_failures: :math:`H`, device hours for one interruption of the job. [h]

        checkpoint_seconds: :math:`\delta`, the time that writing one file stops the run. [s]

        restart_seconds: :math:`R`, from failure to the next step. [s]

        evaluation_seconds: All evaluations of the run together. [s]

    Returns:
        The parts; their sum is ``total``.

    Example:
        54 days on 16,384 devices that fail as Meta's did, files in 20 s, back after 10 minutes: 7 % more.

        >>> wall = wall_time(steps=1e6, step_seconds=4.6656, devices=16384.0, device_hours_between_failures=50676.0,
        ...                  checkpoint_seconds=20.0, restart_seconds=600.0)
        >>> round(float(wall.total / wall.training), 3)
        1.114

    References:
        .. [1] J. Young, "A first order approximation to the optimum checkpoint interval," CACM 17 (1974).
        .. [2] A. Dubey et al., "The Llama 3 Herd of Models," 2024. arXiv:2407.21783, section 3.3.4.

    .. versionadded:: 0.1.0
    """
    training = steps * step_seconds
    run = training + evaluation_seconds
    between = device_hours_between_failures * 3600.0 / devices
    interval = np.sqrt(2.0 * checkpoint_seconds * between)
    files = np.maximum(1.0, run / np.maximum(interval, 1e-9))
    lost = np.minimum(interval, run) / 2.0
    return WallTime(
        training=training,
        evaluation=np.broadcast_to(evaluation_seconds, np.shape(run)),
        checkpoints=files * checkpoint_seconds,
        failures=run / between * (lost + restart_seconds),
        interval=interval,
    )
