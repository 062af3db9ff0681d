"""The one cattrs converter: from plain dicts to nouns, with the path to every fault."""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from llmplan.errors import LlmplanError, nearest
from llmplan.nouns._check import Faults, Frozen, WrongType, check_of
from llmplan.nouns._noun import Noun, fields_of
from llmplan.reading._faults import Fault, faults_of
from llmplan.sources import Source, Sourced

Hook = Callable[[Any, Any], Any]

# The [sources] tables of the document that is being read: a noun's text names them, and no noun holds them.
_sources: ContextVar[Mapping[str, Source]] = ContextVar("sources")


@contextlib.contextmanager
def citing(sources: Mapping[str, Source]) -> Iterator[None]:
    """Let ``source = "key"`` mean these while a document is structured."""
    token = _sources.set(sources)
    try:
        yield
    finally:
        _sources.reset(token)


@functools.cache
def converter() -> Converter:
    """The converter, made once: making one for every file costs ten times the file."""
    conv = Converter(forbid_extra_keys=True, detailed_validation=True)
    # Plain values pass as they are: the checks of the nouns say more than a conversion that guesses.
    for plain in (int, float, str, bool):
        conv.register_structure_hook(plain, _as_it_is)
    conv.register_structure_hook(Source, _source)
    conv.register_structure_hook(Sourced, _sourced)
    conv.register_structure_hook_factory(_is_noun, lambda cls: _noun_hook(conv, cls))
    conv.register_structure_hook_func(lambda kind: _origin(kind) is Literal, _as_it_is)
    conv.register_structure_hook_factory(lambda kind: _origin(kind) is tuple, lambda kind: _tuple_hook(conv, kind))
    conv.register_structure_hook_factory(_is_mapping, lambda kind: _mapping_hook(conv, kind))
    conv.register_structure_hook_factory(_is_union, lambda kind: _union_hook(conv, kind))
    conv.register_structure_hook_func(_is_frozen, _as_it_is)
    return conv


def _as_it_is(value: Any, _: Any) -> Any:  # noqa: ANN401
    return value


def _origin(kind: Any) -> Any:  # noqa: ANN401  of no common type, and typing's own signature says less than it does
    return get_origin(kind)


def _is_noun(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and issubclass(kind, Noun)


def _is_mapping(kind: Any) -> bool:  # noqa: ANN401
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_union(kind: Any) -> bool:  # noqa: ANN401
    return get_origin(kind) in (Union, types.UnionType)


def _is_frozen(kind: Any) -> bool:  # noqa: ANN401
    return get_origin(kind) is Annotated and any(isinstance(mark, Frozen) for mark in get_args(kind))


def _noun_hook(conv: Converter, cls: type) -> Hook:
    fields: dict[str, Any] = {field.name: override(struct_hook=_field_hook(conv, field.type)) for field in fields_of(cls)}
    inner: Hook = make_dict_structure_fn(cls, conv, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **fields)

    def structure(value: Any, kind: Any) -> Any:  # noqa: ANN401
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise WrongType(f"a table that describes a {cls.__name__}", value)
        return inner(value, kind)

    return structure


def _field_hook(conv: Converter, annotation: Any) -> Hook:  # noqa: ANN401
    """Structure and check: a check that waits for the constructor never runs where another field is missing."""
    check = check_of(annotation)
    structure: list[Hook] = []

    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        # Asked for when first used: a noun may hold a noun of its own class.
        if not structure:
            structure.append(conv.get_structure_hook(annotation))
        return check(structure[0](value, annotation))

    return hook


def _tuple_hook(conv: Converter, kind: Any) -> Hook:  # noqa: ANN401
    members = get_args(kind)
    hooks = [conv.get_structure_hook(member) for member in members if member is not Ellipsis]

    def structure(value: Any, _: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, (list, tuple)):
            return value
        each = hooks * len(value) if members[-1] is Ellipsis else hooks
        if len(each) != len(value):
            return value
        steps = zip(each, members * len(value), value, strict=False)
        return tuple(_gathered((f"[{i}]", functools.partial(hook, item, member)) for i, (hook, member, item) in enumerate(steps)))

    return structure


def _mapping_hook(conv: Converter, kind: Any) -> Hook:  # noqa: ANN401
    item_kind = get_args(kind)[1]
    hook = conv.get_structure_hook(item_kind)

    def structure(value: Any, _: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, Mapping):
            return value
        items = _gathered((f".{key}", functools.partial(hook, item, item_kind)) for key, item in value.items())
        return dict(zip(value, items, strict=True))

    return structure


def _gathered(steps: Iterator[tuple[str, Callable[[], Any]]]) -> list[Any]:
    done: list[Any] = []
    faults: list[Fault] = []
    for path, step in steps:
        try:
            done.append(step())
        except Exception as exc:  # noqa: BLE001  every fault is told, with its path
            faults += [(path + inner, message) for inner, message in faults_of(exc)]
    if faults:
        raise Faults(*faults)
    return done


def _union_hook(conv: Converter, kind: Any) -> Hook:  # noqa: ANN401
    members = [member for member in get_args(kind) if member is not type(None)]

    def structure(value: Any, _: Any) -> Any:  # noqa: ANN401
        for member in members:
            if _takes(member, value):
                return conv.get_structure_hook(member)(value, member)
        return value

    return structure


def _takes(member: Any, value: Any) -> bool:  # noqa: ANN401
    """Whether a *value* of plain data can only be meant for this *member* of a union."""
    base = get_args(member)[0] if get_origin(member) is Annotated else member
    if isinstance(value, Mapping):
        return _is_noun(base) or _is_mapping(base) or base in (Source, Sourced)
    # Text for a measured field has no source: its hook says how to write one.
    return base is Sourced or (get_origin(base) is tuple and isinstance(value, (list, tuple)))


def _sourced(value: Any, _: Any) -> Sourced | None:  # noqa: ANN401
    if isinstance(value, Mapping):
        return _sourced_table(value)
    if not (value is None or isinstance(value, Sourced)):
        bare = isinstance(value, (int, float))
        what = f"the bare number {value!r}" if bare else f"{value!r:.80}"
        unit = " and a unit" if bare else ""
        raise Faults(("", f'a source{unit} is needed for {what}: write {{ value = "80 GB", source = "key" }}'))
    return value


def _sourced_table(value: Mapping[str, Any]) -> Sourced:
    faults = list(_unlike(value, ("value", "source")))
    source = _tried(faults, ".source", lambda: _source(value["source"], Source)) if "source" in value else None
    made: Sourced | None = None
    if "value" in value:
        made = _tried(faults, ".value", lambda: Sourced(_measured_text(value["value"]), source or _PENDING))
    if faults or made is None:
        raise Faults(*faults)
    return made


_PENDING = Source.assumption("stands in while the value itself is looked at")


def _measured_text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        return value
    raise WrongType('a text such as "80 GB"', value)


def _source(value: Any, _: Any) -> Source:  # noqa: ANN401
    if isinstance(value, str):
        return _cited(value)
    if isinstance(value, Source):
        return value
    if not isinstance(value, Mapping):
        raise WrongType("a table that describes a source, or the key of one", value)
    faults = list(_unlike(value, _SOURCE_FIELDS, _SOURCE_NEEDS))
    texts = {name: _tried(faults, f".{name}", functools.partial(_text, item)) for name, item in value.items()}
    made: Source | None = None if faults else _tried(faults, "", lambda: Source(**texts))
    if faults or made is None:
        raise Faults(*faults)
    return made


_text = check_of(str)
_SOURCE_FIELDS = tuple(field.name for field in attrs.fields(Source))
_SOURCE_NEEDS = tuple(field.name for field in attrs.fields(Source) if field.default is attrs.NOTHING)


def _cited(key: str) -> Source:
    known = _sources.get({})
    if key in known:
        return known[key]
    near = nearest(key, tuple(known))
    hint = f". Did you mean {near!r}?" if near else ""
    raise Faults(("", f"no source {key!r:.80} under [sources]{hint}"))


def _unlike(value: Mapping[str, Any], names: tuple[str, ...], needed: tuple[str, ...] | None = None) -> Iterator[Fault]:
    for key in value:
        if key not in names:
            near = nearest(str(key), names)
            hint = f". Did you mean {near!r}?" if near else ""
            yield "", f"unknown field {key!r:.80}{hint}"
    for name in names if needed is None else needed:
        if name not in value:
            yield f".{name}", "required field missing"


def _tried(faults: list[Fault], path: str, step: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return step()
    except (Faults, LlmplanError, ValueError, TypeError) as exc:
        faults += [(path + inner, message) for inner, message in faults_of(exc)]
        return None
