"""Plugin code is run here and nowhere else: it may raise, exit, print, or return the wrong thing."""

import contextlib
import re
import sys
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from llmplan.errors import SpecError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from importlib_metadata import EntryPoint

    from llmplan.nouns._noun import Noun

__all__ = ["API", "LoadError", "guarded", "load_family", "load_member", "load_object", "told", "toml_loader"]

API = 1
"""The version of the agreement between llmplan and its plugins that this llmplan keeps."""

# A reader forgives its absence, as a noun that a program wrote down a moment ago needs none; a file in a wheel may be old.
_API_LINE = re.compile(r"""^[ \t]*["']?api["']?[ \t]*=""", re.MULTILINE)

T = TypeVar("T")
N = TypeVar("N", bound="Noun")


class LoadError(Exception):
    """An item that keeps no agreement; the text says which. It never leaves the registry, which names the owner."""


def load_object(entry: "EntryPoint", cls: type[T]) -> T:
    """
    The object that *entry* points at, or what it returns where it is a function without arguments.

    Raises:
        LoadError: for another ``llmplan_api`` or another type. Whatever the plugin raises passes through.
    """
    found = entry.load()
    _check_api(found, entry)
    return found if isinstance(found, cls) else _checked(found() if callable(found) else found, cls)


def load_family(entry: "EntryPoint") -> Callable[..., object]:
    """
    The function of a family.

    Raises:
        LoadError: for another ``llmplan_api``, or where there is no function.
    """
    found = entry.load()
    _check_api(found, entry)
    if not callable(found):
        msg = f"a family must point at a function of its fields, not at a {type(found).__qualname__}"
        raise LoadError(msg)
    return found  # type: ignore[no-any-return]  # all that is known of it


def load_member(entry: "EntryPoint", cls: type[T], fields: dict[str, int]) -> T:
    """The member of a family that has these *fields*. Raises LoadError as :func:`load_object` does."""
    return _checked(load_family(entry)(**fields), cls)


def toml_loader(file: "Traversable", cls: type[N]) -> Callable[[], N]:
    """A function that gives the noun that the TOML *file* describes, or raises SpecError with all faults, or OSError."""
    # Imported here and not under guard: what is wrong with llmplan itself is no plugin's fault.
    from llmplan.reading import read

    def load() -> N:
        text = file.read_text(encoding="utf-8")
        faults = () if _API_LINE.search(text) else (f"required field missing: api = {API}, the version of this format @ api",)
        try:
            # A text of one line could be taken for a path.
            noun = read(f"{text}\n", cls, where=str(file))
        except SpecError as exc:
            raise SpecError(exc.where, (*faults, *exc.faults)) from exc
        if faults:
            raise SpecError(str(file), faults)
        return noun

    return load


def told(error: BaseException) -> str:
    """The kind of *error* and what it says; an error that cannot even say so is still told."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # a plugin's exception is plugin code too
        return type(error).__name__


def guarded(load: Callable[[], T], *, answers: tuple[type[BaseException], ...] = ()) -> T:
    """
    Run *load* with what it prints sent to standard error.

    A program that reads our standard output (``--json``) must not read a plugin's greetings there.

    Args:
        load: what to run.

        answers: errors that are an answer to the caller and no fault of the plugin.

    Raises:
        LoadError: from whatever else *load* raised, SystemExit included; KeyboardInterrupt passes through.
    """
    try:
        with _prints_to_stderr():
            return load()
    except BaseException as exc:
        if isinstance(exc, (KeyboardInterrupt, LoadError, *answers)):
            raise
        raise LoadError(told(exc)) from exc


def _check_api(found: object, entry: "EntryPoint") -> None:
    """An object, or else its module, may state ``llmplan_api``; one that does not has its type for an agreement."""
    stated: Any = getattr(found, "llmplan_api", None)
    if stated is None:
        stated = getattr(sys.modules.get(entry.module), "llmplan_api", API)
    if type(stated) is not int or stated != API:
        msg = f"it is made for version {stated!r} of the plugin agreement (llmplan_api), and this llmplan keeps version {API}"
        raise LoadError(msg)


def _checked(found: object, cls: type[T]) -> T:
    if not isinstance(found, cls):
        kind = f"{type(found).__module__}.{type(found).__qualname__}"
        msg = f"expected a {cls.__name__}, or a function that returns one, and got a {kind}"
        raise LoadError(msg)
    return found


_lock = threading.Lock()
_thread = threading.local()


class _Router:
    """Standard output for everybody, and standard error for the threads that are loading a plugin."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401  # whatever a host has put there
        self._stream = stream
        self.loading = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        elsewhere = getattr(_thread, "depth", 0) and sys.stderr is not None
        return getattr(sys.stderr if elsewhere else self._stream, name)


@contextlib.contextmanager
def _prints_to_stderr() -> Generator[None, None, None]:
    router = _enter()
    _thread.depth = getattr(_thread, "depth", 0) + 1
    try:
        yield
    finally:
        _thread.depth -= 1
        _leave(router)


def _enter() -> _Router:
    with _lock:
        router = sys.stdout if isinstance(sys.stdout, _Router) else _Router(sys.stdout)
        router.loading += 1
        if sys.stdout is not None:  # there is none under a windowed interpreter, and print() knows that
            sys.stdout = router
        return router


def _leave(router: _Router) -> None:
    with _lock:
        router.loading -= 1
        if not router.loading and sys.stdout is router:
            sys.stdout = router._stream  # noqa: SLF001
