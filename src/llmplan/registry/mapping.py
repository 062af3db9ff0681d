"""``Registry``: the names of one kind, and the noun behind a name once somebody asks for it."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from llmplan.errors import JobError, PluginError, SpecError, UnknownNameError, UnsupportedError
from llmplan.registry import discovery
from llmplan.registry.catalogue import CatalogueError, files_in
from llmplan.registry.discovery import Finder, Origin, origin_of
from llmplan.registry.families import Family, fault_of_name
from llmplan.registry.loading import LoadError, guarded, load_family, load_member, load_object, toml_loader

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from importlib_metadata import EntryPoint

__all__ = ["Offer", "Registry"]

# What a family may answer to a number that it cannot build: that is nobody's fault but the number's.
_REFUSALS = (JobError, SpecError, UnknownNameError, UnsupportedError)

T_co = TypeVar("T_co", covariant=True)


class Offer(NamedTuple):
    """
    One package's promise of one name.

    Attributes:
        name: the id, or a family's pattern.

        entry: the entry point that promises it.

        file: the TOML file behind it; None where the entry point names an object.
    """

    name: str
    entry: "EntryPoint"
    file: "Traversable | None"

    @property
    def line(self) -> str:
        """The entry point as it is written, ``name = value``."""
        return f"{self.entry.name} = {self.entry.value}"

    @property
    def origin(self) -> Origin:
        """The package, its version and its entry point."""
        return origin_of(self.entry)


class _Listing:
    """What was found at one time: names to offers, families, entry points that name nothing, and the items loaded."""

    def __init__(self) -> None:
        self.offers: dict[str, list[Offer]] = {}
        self.families: dict[str, list[Offer]] = {}
        self.faults: list[tuple[Offer, str]] = []
        self.items: dict[str, object] = {}
        self.names: tuple[str, ...] = ()

    def add(self, offer: Offer) -> None:
        fault = fault_of_name(offer.name)
        is_family = fault is None and Family.is_pattern(offer.name)
        if is_family and offer.file is not None:
            fault = f"the file {offer.name!r} names a family, and only a function can resolve one"
        if fault is not None:
            self.faults.append((offer, fault))
        else:
            (self.families if is_family else self.offers).setdefault(offer.name, []).append(offer)


class Registry(Mapping[str, T_co], Generic[T_co]):
    """
    Names of one kind of noun, and the nouns behind them.

    Names come from the entry points of a group (see *How plugins are found*). Listing them, ``len`` and ``in`` import
    no plugin; asking for one name loads that item alone, once. An item that cannot be loaded is the fault of whoever
    asks for its name and of nobody else. ``in`` says that somebody offers a name, not that it can be loaded, and it
    knows families too, whose members are too many to be listed.

    Args:
        kind: what an item is called in messages: ``"hardware"``.

        cls: the class of the items, or ``"module:Class"``, imported when the first item is asked for.

        group: the entry-point group: ``"llmplan.hardware"``.

        find: group to entry points. By default those of the installed packages, read once in a process.

    Raises:
        UnknownNameError: from a look-up of a name that nobody offers.

        PluginError: from a look-up of a name whose item is broken, or that two packages offer.

    Example:
        >>> from llmplan.registry import hardwares
        >>> "rtx-4070" in hardwares
        True
        >>> hardwares["rtx-4070"].vendor
        'NVIDIA'
        >>> hardwares["rtx-4071"]
        Traceback (most recent call last):
        llmplan.errors.UnknownNameError: ...
    """

    def __init__(self, kind: str, cls: "type[T_co] | str", group: str, *, find: Finder = discovery.installed) -> None:
        self.kind = kind
        self.group = group
        self._cls = cls
        self._find = find

    # -- names ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        return iter(self._listing().names)

    def __len__(self) -> int:
        return len(self._listing().names)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return name in self._listing().offers or bool(self._families_of(name))

    @property
    def families(self) -> tuple[str, ...]:
        """The patterns of names that are resolved when asked for: ``nanochat-2025-d{depth}``."""
        return tuple(sorted(self._listing().families))

    # A registry is one thing among others, not the sum of its items: comparing must load nothing.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<llmplan registry of {self.kind}: {len(self)} names>"

    def _ipython_key_completions_(self) -> list[str]:  # IPython's name for it
        return list(self)

    # -- items ---------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> T_co:
        listing = self._listing()
        try:
            return listing.items[name]  # type: ignore[return-value]  # only items that passed the check of type are kept
        except (KeyError, TypeError):  # TypeError: it cannot even be hashed
            pass
        item = self._load(name)
        # Two threads may have loaded it; both get the one that was kept.
        return listing.items.setdefault(name, item)  # type: ignore[return-value]

    def usable(self) -> dict[str, T_co]:
        """Every item that loads, by name. What does not is in :meth:`failures`."""
        return {name: item for name, item, _ in self._every() if item is not None}

    def failures(self) -> dict[str, PluginError]:
        """
        Everything that does not load, told by name; everything is loaded to find out.

        An entry point that names nothing (a catalogue that cannot be read, a name that is none) stands under its own
        line, ``name = value``.
        """
        listing = self._listing()
        faults = {offer.line: self._error(offer.name, [offer], text) for offer, text in listing.faults}
        faults |= {name: error for name, _, error in self._every() if error is not None}
        return faults | {pattern: error for pattern in self.families if (error := self._fault_of_family(pattern)) is not None}

    def origin(self, name: str) -> Origin:
        """The package, version and entry point that *name* comes from; nothing is loaded."""
        return self._only(name, self._offers_of(name)).origin

    def offers(self) -> tuple[Offer, ...]:
        """Every promise of every package, the broken ones included, sorted by name and package; nothing is loaded."""
        listing = self._listing()
        every = [offer for offers in (*listing.offers.values(), *listing.families.values()) for offer in offers]
        every += [offer for offer, _ in listing.faults]
        return tuple(sorted(every, key=lambda offer: (offer.name, offer.origin)))

    def refresh(self) -> None:
        """Forget what was found and loaded, and look again when next asked."""
        discovery.forget()
        self.__dict__.pop("_found", None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _listing(self) -> _Listing:
        found: _Listing | None = self.__dict__.get("_found")
        if found is None:
            # setdefault is one step for the interpreter: of two threads that looked, both go on with one listing.
            found = self.__dict__.setdefault("_found", self._discover())
        return found

    def _discover(self) -> _Listing:
        listing = _Listing()
        for entry in self._find(self.group):
            if ":" in entry.value:
                listing.add(Offer(entry.name, entry, None))
                continue
            try:
                files = files_in(entry.value.strip())
            except CatalogueError as exc:
                listing.faults.append((Offer(entry.name, entry, None), str(exc)))
            except Exception as exc:  # noqa: BLE001  # an importer or an archive may fail in any way it likes
                listing.faults.append((Offer(entry.name, entry, None), f"{type(exc).__name__}: {exc}"))
            else:
                for stem, file in files.items():
                    listing.add(Offer(stem, entry, file))
        listing.names = tuple(sorted(listing.offers))
        return listing

    def _load(self, name: str) -> T_co:
        offers = self._offers_of(name)
        offer = self._only(name, offers)
        load = self._loader(name, offer)
        try:
            return guarded(load, answers=_REFUSALS if offer.name != name else ())
        except LoadError as exc:
            raise self._error(name, offers, str(exc)) from (exc.__cause__ or exc)

    def _fault_of_family(self, pattern: str) -> PluginError | None:
        """What can be told of a family without asking for a member: that its function is there."""
        offers = self._listing().families[pattern]
        try:
            offer = self._only(pattern, offers)
            guarded(lambda: load_family(offer.entry))
        except LoadError as exc:
            return self._error(pattern, offers, str(exc))
        except PluginError as exc:
            return exc
        return None

    def _loader(self, name: str, offer: Offer) -> Callable[[], T_co]:
        cls = self.cls
        if offer.file is not None:
            return toml_loader(offer.file, cast("type[Any]", cls))
        if offer.name == name:
            return lambda: load_object(offer.entry, cls)
        fields = Family(offer.name).fields(name) or {}
        return lambda: load_member(offer.entry, cls, fields)

    def _offers_of(self, name: str) -> list[Offer]:
        """Who promises *name*: an id comes before any family."""
        if not isinstance(name, str):
            raise self._unknown(repr(name))
        offers = self._listing().offers.get(name) or self._families_of(name)
        if not offers:
            raise self._unknown(name)
        return offers

    def _families_of(self, name: str) -> list[Offer]:
        families = self._listing().families
        return [offer for pattern in families if Family(pattern).fields(name) is not None for offer in families[pattern]]

    def _only(self, name: str, offers: list[Offer]) -> Offer:
        if len(offers) == 1:
            return offers[0]
        told = " and by ".join(sorted(f"{o.origin.package} {o.origin.version} ({o.line})" for o in offers))
        way_out = f"uninstall one, or leave one out of {discovery.VARIABLE}"
        raise self._error(name, offers, f"it is offered {len(offers)} times, by {told}: {way_out}")

    def _error(self, name: str, offers: list[Offer], cause: str) -> PluginError:
        origins = sorted({offer.origin for offer in offers})
        return PluginError(
            kind=self.kind,
            name=name,
            package=", ".join(origin.package for origin in origins),
            version=", ".join(origin.version for origin in origins),
            entry_point=", ".join(origin.entry_point for origin in origins),
            cause=cause,
        )

    def _unknown(self, name: str) -> UnknownNameError:
        error = UnknownNameError(self.kind, name, (*self, *self.families))
        for offer, text in self._listing().faults:
            error.add_note(f"{offer.origin.package} {offer.origin.version} ({offer.line}) may offer more: {text}")
        wanted = discovery.narrowed()
        if wanted is not None:
            error.add_note(f"{discovery.VARIABLE} lets only these packages offer anything: {', '.join(sorted(wanted))}")
        return error

    def _every(self) -> "Iterator[tuple[str, T_co | None, PluginError | None]]":
        for name in self:
            try:
                yield name, self[name], None
            except PluginError as exc:
                yield name, None, exc

    @property
    def cls(self) -> "type[T_co]":
        """The class of the items; asking for it imports it."""
        known = self._cls  # looked at once: another thread may replace the text between two looks
        if not isinstance(known, str):
            return known
        from importlib import import_module

        module, _, attribute = known.partition(":")
        found: type[T_co] = getattr(import_module(module), attribute)
        self._cls = found
        return found
