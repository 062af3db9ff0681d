"""From power and time to the energy that a meter counts."""

import attrs

from llmplan.costs.constants import Array


@attrs.frozen(kw_only=True, eq=False)
class Energy:
    """
    Energy of a run, one value a draw. [J]

    Attributes:
        device: All accelerator boards.
        host: Everything else in the nodes.
        site: What the meter counts: both, with the losses of supplies and of the building.
    """

    device: Array
    host: Array
    site: Array


def energy(
    *, seconds: Array, board_power: Array, boards: Array, host_power: Array, nodes: Array, supply_efficiency: Array, pue: Array
) -> Energy:
    r"""
    Energy of a run. [J]

    .. math:: E_{site} = \left(N_{boards}\, P_{board} / \eta + N_{nodes}\, P_{host}\right) T \cdot \mathrm{PUE}

    Args:
        seconds: :math:`T`, wall-clock time. [s]

        board_power: :math:`P_{board}`, average of one accelerator. [W]

        boards, nodes: How many.

        host_power: :math:`P_{host}`, of a node without its accelerators. [W]

        supply_efficiency: :math:`\eta`, of the supply on its way to the boards; a host's power is what it draws at the wall.

        pue: Power usage effectiveness of the building; 1 at home.

    Returns:
        The three energies.

    Example:
        A desktop card at 190 W and its host at 65 W for a day: 6.52 kWh at the wall.

        >>> e = energy(seconds=86400.0, board_power=190.0, boards=1.0, host_power=65.0, nodes=1.0,
        ...            supply_efficiency=0.92, pue=1.0)
        >>> round(e.site / 3.6e6, 2)
        6.52

    .. versionadded:: 0.1.0
    """
    device, host = seconds * boards * board_power, seconds * nodes * host_power
    return Energy(device=device, host=host, site=(device / supply_efficiency + host) * pue)
