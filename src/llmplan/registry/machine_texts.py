"""Machines by name, and by a text that says how many of what: ``"8x h100-sxm"``, ``"16x8 h100-sxm"``."""

import functools
from typing import TYPE_CHECKING

from llmplan.errors import SpecError, UnknownNameError
from llmplan.registry import discovery
from llmplan.registry.discovery import Finder
from llmplan.registry.mapping import Registry

if TYPE_CHECKING:
    from llmplan.nouns.hardware import Hardware
    from llmplan.nouns.machine import Machine

__all__ = ["Machines"]


class Machines(Registry["Machine"]):
    """
    The registry of machines, which also reads how many of what.

    ``"8x h100-sxm"`` is a node of eight, ``"16x8 h100-sxm"`` sixteen nodes of eight: the published machine with so many
    of that hardware in a node, and as many nodes as the text says. The id ``8x-h100-sxm`` is the first choice; where
    several other machines would do, none is chosen. Where no machine is published the text is an unknown name: what
    connects the cards would have to be guessed. A single card, ``"1x rtx-4070"``, needs no link; it stands in the
    default host for its kind.

    Args:
        kind: as of :class:`Registry`.

        cls: as of :class:`Registry`.

        group: as of :class:`Registry`.

        hardwares: the registry that the hardware's name is looked up in.

        find: as of :class:`Registry`.

    Example:
        >>> from llmplan.registry import machines
        >>> machines["16x8 h100-sxm"].count
        128
    """

    def __init__(
        self,
        kind: str,
        cls: "type[Machine] | str",
        group: str,
        *,
        hardwares: "Registry[Hardware]",
        find: Finder = discovery.installed,
    ) -> None:
        super().__init__(kind, cls, group, find=find)
        self._hardwares = hardwares

    def __contains__(self, name: object) -> bool:
        """Whether somebody offers *name*; for a text such as ``"8x h100-sxm"`` machines are loaded to find out."""
        if super().__contains__(name):
            return True
        try:
            return _parse(name) is not None and self[str(name)] is not None
        except (UnknownNameError, SpecError):
            return False

    def hosting(self, hardware: "Hardware") -> "Machine":
        """A machine of one *hardware*: the default host for its kind, ``host-desktop``, ``host-laptop``, ``host-server``."""
        return _hosted(self[f"host-{hardware.kind}"], hardware)

    def _load(self, name: str) -> "Machine":
        parsed = None if super().__contains__(name) else _parse(name)
        return super()._load(name) if parsed is None else self._of(*parsed)

    def _of(self, nodes: int, per_node: int, hardware: str) -> "Machine":
        if hardware not in self._hardwares:
            raise UnknownNameError(self._hardwares.kind, hardware, tuple(self._hardwares))
        text = f"{per_node}x {hardware}" if nodes == 1 else f"{nodes}x{per_node} {hardware}"
        found = self._published(per_node, hardware)
        if len(found) == 1:
            (machine,) = found.values()
            return machine.evolve(name=text, nodes=nodes)
        if not found and nodes == per_node == 1:
            return self.hosting(self._hardwares[hardware])
        raise self._not_one(text, found, hardware)

    def _published(self, per_node: int, hardware: str) -> "dict[str, Machine]":
        """The machines with so many of *hardware* in a node, by id; the one with the usual id alone where there is one."""
        usual = f"{per_node}x-{hardware}"
        if super().__contains__(usual):
            return {usual: self[usual]}
        return {name: machine for name, machine in self._of_hardware(hardware).items() if machine.gpus_per_node == per_node}

    def _of_hardware(self, hardware: str) -> "dict[str, Machine]":
        hosts = {f"host-{kind}" for kind in ("desktop", "laptop", "server")}
        return {
            name: machine
            for name, machine in self.usable().items()
            if name not in hosts and (machine.hardware if isinstance(machine.hardware, str) else machine.hardware.name) == hardware
        }

    def _not_one(self, text: str, found: "dict[str, Machine]", hardware: str) -> UnknownNameError:
        if found:
            error = UnknownNameError(self.kind, text, tuple(found))
            error.add_note(f"several machines are such: {', '.join(found)}; ask for one of them")
            return error
        known = tuple(sorted({f"{machine.gpus_per_node}x {hardware}" for machine in self._of_hardware(hardware).values()}))
        error = UnknownNameError(self.kind, text, known)
        error.add_note("what connects the cards is not guessed: describe another machine with llmplan.Machine(...)")
        return error


@functools.lru_cache(maxsize=256)
def _hosted(host: "Machine", hardware: "Hardware") -> "Machine":
    # Kept, as every plan on a single card asks for it.
    return host.evolve(name=hardware.name, hardware=hardware, gpus_per_node=1, nodes=1)


def _parse(name: object) -> tuple[int, int, str] | None:
    if not isinstance(name, str) or " " not in name:  # an id has no blanks, and a list of ids needs no nouns
        return None
    from llmplan.nouns.machine import parse_machine_text

    return parse_machine_text(name)
