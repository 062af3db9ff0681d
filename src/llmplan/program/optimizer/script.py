"""
A step that goes tensor by tensor, as its script: local variables hold tensors until they are bound to others.

What the last parameter's step left in the script's variables is still there while the next one's begins, so the most
that such a step takes depends on parameters that follow one another.
"""

from collections.abc import Callable, Iterable

from llmplan.program.op import Tensor
from llmplan.program.size import Number, largest, total


class Locals:
    """
    The variables of a script, and the most that they held. [byte]

    Example:
        >>> v = Locals()
        >>> v.bind("root", 100.0)
        >>> v.bind("root", 40.0)  # the old value is let go once the new one is there
        >>> v.high()
        140.0
    """

    def __init__(self) -> None:
        self._held: dict[str, Number] = {}
        self._highs: dict[int, Number] = {}

    def bind(self, name: str, size: Number) -> None:
        """The variable's new value comes to be, then the old one goes."""
        self.passing(size)
        self._held[name] = size

    def passing(self, size: Number) -> None:
        """Something is there for a moment, beside what the variables hold."""
        high = total(self._held.values()) + size
        self._highs[id(high)] = high  # equal sizes in letters are one object

    def free(self, *names: str) -> None:
        """The variables let go of what they hold."""
        for name in names:
            self._held.pop(name, None)

    def rename(self, old: str, new: str) -> None:
        """Another variable takes over a value, and lets go of its own."""
        self._held[new] = self._held.pop(old)

    def high(self) -> Number:
        """The most that was held at once."""
        return largest(self._highs.values())


#: What a script does for one parameter.
Visit = Callable[[Locals, Tensor], None]


def most_held(visit: Visit, weights: Iterable[Tensor]) -> Number:
    """The most that a script holds that visits *weights* one after the other. [byte]"""
    variables = Locals()
    for weight in weights:
        visit(variables, weight)
    return variables.high()
