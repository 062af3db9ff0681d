"""The ledger: every storage of a device from birth to death, as PyTorch runs."""

import contextlib
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llmplan.measure.inside.workspaces import workspaces

_UNIT = 512  # PyTorch's allocator gives out multiples of it [byte]
#: A gradient that the engine alone holds is known, seen from here, to the engine, to this call and to Python's wrapper.
_HOLDERS_OF_A_GRADIENT, _HOLDERS_OF_ITS_STORAGE = 4, 2


@attrs.define(eq=False)
class Entry:
    """
    A storage.

    Attributes:
        bytes: What the allocator gives.
        phase: The one that it was made in.
        operation: What made it.
        kind: "parameters", "gradients", "optimizer", "other", "cast" (of a weight), or "" where nobody has said.
        died: The stretch of the run in which it died; None while it lives.
        stretch: The one in which it was made.
    """

    bytes: int
    phase: str
    stretch: int
    operation: str
    kind: str = ""
    died: int | None = None


class Ledger(TorchDispatchMode):  # type: ignore[misc]  # torch is not there when types are checked
    """
    Writes down what comes and goes on a device.

    Attributes:
        events: (1 or -1, entry) in order, and (0, phase) where a phase begins.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.events: list[tuple[int, Any]] = []
        self._device = device
        self._entries: dict[int, Entry] = {}  # by address of the storage, which nobody reuses while it lives
        self._watched: dict[int, Any] = {}
        self._phase, self._stretch = "setup", 0
        self._workspaces = workspaces(torch.ops.aten)

    # -- what happens -----------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        in_place = self._in_place(func, args, kwargs)
        if in_place is not None:
            in_place(*args)
            return args[0]
        out = func(*args, **kwargs)
        for tensor in self._tensors(out):
            entry = self._seen(tensor, str(func))
            if entry and func is torch.ops.aten._to_copy.default:  # noqa: SLF001
                source = self._entries.get(id(args[0].untyped_storage()))
                entry.kind = "cast" if source and source.kind == "parameters" else ""
        if func in self._workspaces:
            self._pass_through(self._workspaces[func](args), str(func))
        return out

    def _in_place(self, func: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """
        What the engine does in place where nobody watches.

        It adds into a gradient that it alone holds, and scatters into fresh zeros; under a mode it makes a new tensor.
        """
        aten = torch.ops.aten
        if self._phase != "backward" or torch.is_grad_enabled():
            return None
        scattered = {
            aten.index_put.default: aten.index_put_.default,
            aten.scatter_add.default: aten.scatter_add_.default,
        }
        if func in scattered:
            return scattered[func]
        if func is not aten.add.Tensor or kwargs:
            return None
        a, b = args
        alike = isinstance(b, torch.Tensor) and a.shape == b.shape and a.dtype == b.dtype
        return aten.add_.Tensor if alike and _held_by_the_engine_alone(a) else None

    def _tensors(self, out: object) -> Iterator[Any]:
        return (t for t in tree_leaves(out) if isinstance(t, torch.Tensor) and t.device.type == self._device)

    def _seen(self, tensor: Any, operation: str) -> Entry | None:  # noqa: ANN401
        """The entry of a storage that is new; None for one that is known or empty."""
        storage = tensor.untyped_storage()
        address = id(storage)
        size = -(-storage.nbytes() // _UNIT) * _UNIT
        if address in self._entries or not size:
            return None
        entry = Entry(size, self._phase, self._stretch, operation)
        self._entries[address] = entry
        self._watched[address] = weakref.ref(storage, lambda _: self._gone(address))
        self.events.append((1, entry))
        return entry

    def _gone(self, address: int) -> None:
        entry = self._entries.pop(address)
        del self._watched[address]
        entry.died = self._stretch
        self.events.append((-1, entry))

    def _pass_through(self, sizes: list[int], operation: str) -> None:
        """Workspaces that are there together, and gone again."""
        spaces = [Entry(-(-size // _UNIT) * _UNIT, self._phase, self._stretch, operation, died=self._stretch) for size in sizes]
        self.events += [(sign, entry) for sign in (1, -1) for entry in spaces]

    # -- what is said -----------------------------------------------------------------------------------------------

    def begin(self, phase: str) -> None:
        """A phase begins."""
        self._phase, self._stretch = phase, self._stretch + 1
        self.events.append((0, phase))

    @contextlib.contextmanager
    def recomputing(self) -> Iterator[None]:
        """Around a function that is run again in backward: what it makes then are activations."""
        if self._phase != "backward":
            yield
            return
        self.begin("recompute")
        yield
        self.begin("backward")

    def name(self, tensors: Any, kind: str) -> None:  # noqa: ANN401  any iterable of what may be tensors
        """Say what some tensors are for."""
        for tensor in self._tensors(list(tensors)):
            self._seen(tensor, kind)
            entry = self._entries.get(id(tensor.untyped_storage()))
            if entry:
                entry.kind = kind


def _held_by_the_engine_alone(tensor: Any) -> bool:  # noqa: ANN401
    storage = tensor.untyped_storage()
    uses: int = torch._C._storage_Use_Count(storage._cdata)  # noqa: SLF001
    return bool(tensor._use_count() <= _HOLDERS_OF_A_GRADIENT and uses <= _HOLDERS_OF_ITS_STORAGE)  # noqa: SLF001
