"""Framework: whose code carries the verbs out, as a plugin offers it."""

import attrs

from llmplan.program.emit import Emitter


@attrs.frozen(kw_only=True)
class Framework:
    """
    A body of code by its name, and the emitter that says how it carries the verbs of a model out.

    A plugin offers one by an entry point of the group ``llmplan.framework`` whose name is the framework's, and a
    :class:`~llmplan.Runtime` that names it. The emitter derives from :class:`~llmplan.program.emit.Emitter`, or from one
    of ours where its code does most things alike.

    Attributes:
        name: What :attr:`llmplan.Runtime.framework` calls it.
        emitter: The emitter's class.

    Example:
        >>> from llmplan.runtimes.pytorch import PyTorch
        >>> class Fork(PyTorch):
        ...     '''PyTorch, but for what a fork does its own way.'''
        >>> Framework(name="fork", emitter=Fork).emitter is Fork
        True

    .. versionadded:: 0.1.0
    """

    llmplan_api = 1

    name: str
    emitter: type[Emitter] = attrs.field()

    @emitter.validator
    def _is_an_emitter(self, _: "attrs.Attribute[type[Emitter]]", value: object) -> None:
        if not (isinstance(value, type) and issubclass(value, Emitter)):
            msg = f"the emitter of {self.name!r} must derive from llmplan.program.emit.Emitter, and {value!r:.80} does not"
            raise TypeError(msg)
