"""
Everything that goes wrong in llmplan is a :class:`LlmplanError`.

An error keeps its facts as attributes, for programs; ``str()`` says them for people. All of them can be pickled, so an
error that is raised in a worker process arrives whole.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "JobError",
    "LlmplanError",
    "PluginError",
    "SpecError",
    "UnitError",
    "UnknownNameError",
    "UnsupportedError",
    "nearest",
]

# What a person reads of a value or of a list; the whole of it is in the attributes.
_LONGEST_VALUE = 80
_MOST_NAMES = 12


class LlmplanError(Exception):
    """
    The parent of every error that llmplan raises on purpose.

    Example:
        >>> try:
        ...     raise UnknownNameError("hardware", "rtx-4071", ("rtx-4070", "h100-sxm"))
        ... except LlmplanError as error:
        ...     print(error)
        no hardware is named 'rtx-4071'. Did you mean 'rtx-4070'?

    .. versionadded:: 0.1.0
    """

    def __str__(self) -> str:
        return self._message()

    def _message(self) -> str:
        return " ".join(str(arg) for arg in self.args)


class UnitError(LlmplanError):
    """
    A wrong unit, a bare number where a unit is due, a text that is no quantity, or a number that is not finite.

    Attributes:
        value: What was given: a text, a number or a quantity.

        expected: What was expected, in words: ``"a quantity in byte"``.

        reason: What is wrong with the value and what to write instead; may be empty.

    Example:
        >>> print(UnitError(80, "a quantity in byte"))
        expected a quantity in byte, got the bare number 80

    .. versionadded:: 0.1.0
    """

    def __init__(self, value: object, expected: str, reason: str = "") -> None:
        super().__init__(value, expected, reason)
        self.value = value
        self.expected = expected
        self.reason = reason

    def _message(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"expected {self.expected}, got {_told(self.value)}{reason}"


class SpecError(LlmplanError):
    """
    A file, table or set of arguments that does not describe what it should; all of its faults at once.

    Attributes:
        where: The file, or the class that was called.

        faults: One text a fault, each ``"message @ path"``.

    Example:
        >>> print(SpecError("my.toml", ("required field missing @ Hardware.tdp", "unknown field 'tpd' @ Hardware")))
        my.toml:
          - required field missing @ Hardware.tdp
          - unknown field 'tpd' @ Hardware

    .. versionadded:: 0.1.0
    """

    def __init__(self, where: str, faults: "Iterable[str]") -> None:
        self.where = where
        self.faults = _several(faults)
        super().__init__(where, self.faults)

    def _message(self) -> str:
        return "\n  - ".join((f"{self.where}:", *self.faults))


class UnknownNameError(LlmplanError, KeyError):
    """
    A name that nothing has. It is a KeyError too, as a registry is a mapping.

    Attributes:
        kind: What was looked for: ``"hardware"``.

        name: The name that was given.

        known: The names that there are.

    Example:
        >>> print(UnknownNameError("precision", "int3", ("bf16", "fp32")))
        no precision is named 'int3'. Known are 'bf16', 'fp32'

    .. versionadded:: 0.1.0
    """

    def __init__(self, kind: str, name: str, known: "Iterable[str]") -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        super().__init__(kind, name, self.known)

    def _message(self) -> str:
        near = nearest(self.name, self.known)
        hint = f"Did you mean {near!r}?" if near else _listed(self.known)
        return f"no {self.kind} is named {_shortened(repr(self.name))}. {hint}"


class PluginError(LlmplanError):
    """
    A plugin that is broken; it harms whoever asks for its name, and nobody else.

    Attributes:
        kind: The registry: ``"hardware"``.

        name: The name that was asked for.

        package: The distribution that offers it.

        version: That distribution's version.

        entry_point: The entry point's value.

        cause: What went wrong.

    Example:
        >>> print(PluginError("hardware", "b200", "acme-gpus", "1.2", "acme.hardware", "No module named 'acme'"))
        hardware 'b200' of acme-gpus 1.2 (entry point 'acme.hardware') is broken: No module named 'acme'

    .. versionadded:: 0.1.0
    """

    def __init__(  # noqa: PLR0917  six facts, each of which a report shows in a column of its own
        self, kind: str, name: str, package: str, version: str, entry_point: str, cause: str
    ) -> None:
        super().__init__(kind, name, package, version, entry_point, cause)
        self.kind = kind
        self.name = name
        self.package = package
        self.version = version
        self.entry_point = entry_point
        self.cause = cause

    def _message(self) -> str:
        origin = f"{self.package} {self.version} (entry point {self.entry_point!r})"
        return f"{self.kind} {self.name!r} of {origin} is broken: {self.cause}"


class JobError(LlmplanError):
    """
    A job that contradicts itself or that cannot be.

    Attributes:
        faults: One sentence for each thing that is wrong with the job.

    Example:
        >>> print(JobError(("micro_batch_size=3 does not divide global_batch_size=256",)))
        micro_batch_size=3 does not divide global_batch_size=256

    .. versionadded:: 0.1.0
    """

    def __init__(self, faults: "Iterable[str]") -> None:
        self.faults = _several(faults)
        super().__init__(self.faults)

    def _message(self) -> str:
        return "\n".join(self.faults)


class UnsupportedError(LlmplanError):
    """
    Something that is true in the world and that llmplan does not know or does not model yet.

    Attributes:
        what: What was asked.

        reason: Why there is no answer, and what there is an answer for.

    Example:
        >>> print(UnsupportedError("the fp8 peak of rtx-3090", "no source states it; known are bf16, fp32"))
        llmplan has no answer for the fp8 peak of rtx-3090: no source states it; known are bf16, fp32

    .. versionadded:: 0.1.0
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def _message(self) -> str:
        return f"llmplan has no answer for {self.what}: {self.reason}"


def nearest(name: object, known: "Iterable[str]") -> str | None:
    """
    The one of *known* that *name* was most likely meant to be, or None where none is near.

    Args:
        name: What was written. Capitals do not count.

        known: The names that there are.

    Example:
        >>> nearest("RTX4070", ("rtx-4070", "rtx-4090"))
        'rtx-4070'
        >>> nearest("abacus", ("rtx-4070", "rtx-4090")) is None
        True

    .. versionadded:: 0.1.0
    """
    # Here, as most processes never make a spelling mistake.
    import difflib

    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    # A match is quadratic in the length, and nothing that long is a slip of the finger.
    written = str(name)[:_LONGEST_VALUE].casefold()
    close = difflib.get_close_matches(written, folded)
    # Of names that are about as near, the one that was begun: 'adam' is 'adamw' and not 'radam'.
    best = next((candidate for candidate in close if candidate.startswith(written)), close[0] if close else None)
    return folded[best] if best else None


def _several(faults: "Iterable[str]") -> tuple[str, ...]:
    # A text is an iterable of letters too, and a single fault is easily given without its brackets.
    return (faults,) if isinstance(faults, str) else tuple(faults)


def _told(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _shortened(repr(value))
    return f"the bare number {_shortened(repr(value))}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "None are known"
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMES])
    return f"Known are {shown}" + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
