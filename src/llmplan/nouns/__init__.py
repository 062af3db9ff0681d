"""
The nouns of a plan: frozen, hashable, equal by value, one class a file.

A noun that refers to another holds its name or the noun itself, and looks nothing up.
"""
