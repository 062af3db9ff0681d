"""
Size: a number that is a float or an array, with the few functions that sizes need.

Asking an array true or false is a TypeError in numpy already for more than one element; a :class:`Size` makes it one
always, so that a branch that should have been a ``where`` fails with floats too.
"""
