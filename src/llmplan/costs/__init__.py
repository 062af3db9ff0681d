"""
What a step costs: kernels in, seconds, watts and joules out.

Pure functions of floats and numpy arrays in SI units. Nothing here knows a model, a family or a price.
"""
