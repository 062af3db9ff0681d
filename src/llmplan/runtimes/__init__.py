"""Emitters by framework: how one body of code carries the verbs of :mod:`llmplan.program.emit` out."""

import functools

from llmplan.program.emit import Emitter


@functools.cache
def emitter_of(framework: str) -> type[Emitter]:
    """
    The emitter of a framework, ours or a plugin's.

    Raises:
        UnknownNameError: There is none of that name; the message lists those that are known.
        PluginError: The plugin that offers it is broken.
    """
    from llmplan.registry import frameworks

    found: type[Emitter] = frameworks[framework].emitter
    return found
