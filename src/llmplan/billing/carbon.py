"""The carbon of a kilowatt-hour."""


def carbon(kwh: float, carbon_intensity: float) -> float:
    r"""
    Greenhouse gas emitted for energy from a grid, location based. [kg CO2e]

    .. math:: m = E\, c / 1000

    The location-based method of the GHG Protocol [1]_ takes the average intensity of the grid on which the energy is
    used, whatever contracts were signed. Whether it counts the stack alone or the fuel's whole life is the intensity's
    basis, and stays so.

    Args:
        kwh: :math:`E`, energy at the meter. [kWh]

        carbon_intensity: :math:`c`, of the grid. [g/kWh]

    Returns:
        Kilograms, as a float or an array, following the arguments.

    Example:
        >>> carbon(216.0, 467.0)
        100.872

    References:
        .. [1] World Resources Institute, "GHG Protocol Scope 2 Guidance," 2015.

    .. versionadded:: 0.1.0
    """
    return kwh * carbon_intensity / 1000
