"""
What a program is made of: storages hold bytes, tensors are views of them, operations make and keep tensors.

Nothing here decides anything. The emitters (:mod:`llmplan.program.emit`) write operations down; the walk
(:mod:`llmplan.program.walk`) runs them as autograd does.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from llmplan.program.kernel import Kernel, Pointwise
from llmplan.program.size import Number, rounded, total

#: Bytes of an element by format. [byte]
ELEMENT_BYTES: Final = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int64": 8.0, "int32": 4.0, "uint8": 1.0, "bool": 1.0}

#: What a storage is for: the parts that a peak is split into.
Category = Literal["parameters", "gradients", "optimizer", "activations", "temporary", "other"]

#: How an input's gradient comes about: in a new storage, the output's own gradient passed on, or written over the input
#: itself, which the derivative keeps.
Passing = Literal["new", "same", "in place"]


class Storage:
    """
    Bytes that live and die together.

    Attributes:
        bytes: What the allocator gives: a multiple of 512. [byte]
        category: What it is for.
        label: The operation that made it, for people.
        holders: How many of those who need it are left; it dies with the last.
        to_the_end: Whether the script or autocast's cache holds it until the forward ends, whoever else needs it.
        place: The part of the model in which it was first there: "embedding", "layers 0", "loss"; the walk says it.
    """

    __slots__ = ("bytes", "category", "holders", "label", "place", "to_the_end")

    def __init__(self, size: Number, label: str, category: Category = "temporary") -> None:
        self.bytes = rounded(size)
        self.label = label
        self.category: Category = category
        self.holders = 0
        self.to_the_end = False
        self.place = ""


class Weight:
    """
    What a tensor is to the model if it is one of its parameters.

    Attributes:
        role: "embedding", "head", "matrix", "norm", "bias", "position", "adapter", "scalar", "router", "expert" (stacked
            matrices of all experts of a layer), "expert-bias", "conv" (a convolution over tokens),
            "scan" (a state's) or "indexer" (no gradient reaches it).
        trainable: Whether it gets a gradient and optimizer states.
        stored: Bytes that it takes, packed in its own format. [byte]
    """

    __slots__ = ("name", "role", "stored", "trainable")

    def __init__(self, role: str, *, trainable: bool, stored: Number, name: str) -> None:
        self.role, self.trainable, self.stored, self.name = role, trainable, stored, name


class Tensor:
    """
    A view of a storage.

    Attributes:
        rows, cols: Its shape as a matrix; rows are tokens (or tokens x heads) of activations.
        format: Of its elements.
        storage: Where its bytes lie.
        needs_gradient: Whether backward must reach it.
        weight: What it is as a parameter, or None.
        node: The tensor whose gradient is this one's: another only for a copy made again in a recomputation.
        heads_first: Whether a sequence's heads lie after one another, each with all its tokens, and not token by token.
    """

    __slots__ = ("cols", "format", "heads_first", "needs_gradient", "node", "rows", "storage", "weight")

    def __init__(
        self,
        rows: Number,
        cols: Number,
        format: str,  # noqa: A002  the field's word
        *,
        label: str = "",
        storage: Storage | None = None,
        needs_gradient: bool = True,
        weight: Weight | None = None,
        heads_first: bool = False,
    ) -> None:
        self.rows, self.cols, self.format = rows, cols, format
        self.heads_first = heads_first
        self.needs_gradient, self.weight = needs_gradient, weight
        self.storage = storage or Storage(rows * cols * ELEMENT_BYTES[format], label)
        self.node = self

    @property
    def elements(self) -> Number:
        """Elements."""
        return self.rows * self.cols

    @property
    def bytes(self) -> Number:
        """Bytes of its elements, without the allocator's rounding. [byte]"""
        return self.elements * ELEMENT_BYTES[self.format]


class Op:
    """
    One operation, and what autograd needs to know of it.

    Attributes:
        name: The operation, in the words of the field.
        inputs, outputs: Tensors.
        keeps: Tensors that its derivative needs.
        gradients: Each input that gets one, and how: or the tensor that is its gradient, where the forward made that.
        workspace: Bytes that it takes while it runs forward; None for none. [byte]
        backward_workspaces: The same for its derivative: each taken while all are. [byte]
        forward, backward: Kernels that it launches.
        narrowed: Inputs whose gradients are made wide first, and summed or narrowed when the derivative is done: what a
            recomputation made for it has been let go by then, what the forward kept has not.
        again: Whether it runs in a recomputation only, because the first run found its result in a cache.
        saved: Whether a recomputation finds its result kept.
        parameters: Parameters that its derivative needs: they are there anyway, but for what copies all that is needed.
    """

    __slots__ = (
        "again",
        "backward",
        "backward_workspaces",
        "forward",
        "gradients",
        "inputs",
        "keeps",
        "name",
        "narrowed",
        "outputs",
        "parameters",
        "saved",
        "workspace",
    )

    def __init__(
        self,
        name: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        *,
        keeps: Sequence[Tensor] = (),
        gradients: Sequence[tuple[Tensor, "Passing | Tensor"]] = (),
        workspace: Number | None = None,
        backward_workspaces: Sequence[Number] = (),
        forward: Sequence[Kernel] | None = None,
        backward: Sequence[Kernel] | None = None,
        narrowed: Sequence[Tensor] = (),
        again: bool = False,
    ) -> None:
        self.name = name
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.gradients = [(x, how) for x, how in gradients if x.needs_gradient]
        # Parameters are there anyway; an operation without a gradient to make keeps nothing.
        self.keeps = [k for k in keeps if k.weight is None] if self.gradients else []
        self.parameters = [k for k in keeps if k.weight] if self.gradients else []
        self.saved = False
        self.workspace, self.backward_workspaces = workspace, list(backward_workspaces)
        self.forward = list(forward) if forward is not None else [self._traffic()]
        self.backward = (list(backward) if backward is not None else self._traffic_back()) if self.gradients else []
        self.again, self.narrowed = again, [id(x) for x in narrowed]

    def made(self) -> list[Storage]:
        """Storages that it makes: not those that an output shares with an input."""
        given = {id(i.storage) for i in self.inputs}
        return list({id(o.storage): o.storage for o in self.outputs if id(o.storage) not in given}.values())

    def _traffic(self) -> Pointwise:
        """What a kernel that touches each operand once moves."""
        return Pointwise(read=bytes_of(self.inputs), written=bytes_of(self.outputs))

    def _traffic_back(self) -> list[Kernel]:
        """The same for its derivative: the gradient and what was kept read, new gradients written."""
        new = [x for x, how in self.gradients if how == "new"]
        if not new:
            return []
        needed = [k for k in self.keeps if all(k is not o for o in self.outputs)]
        return [Pointwise(read=bytes_of(self.outputs) + bytes_of(needed), written=bytes_of(new))]


class Region(list[Op]):
    """
    Operations under one recomputation: of all that they make only the inputs are kept, and they run again in backward.

    Attributes:
        name: What part of the model it is.
        offloads: Whether nothing runs again: what derivatives need is copied to the host, and back for each of them.
    """

    def __init__(self, name: str, *, offloads: bool = False) -> None:
        super().__init__()
        self.name, self.offloads = name, offloads

    def on_host(self) -> Number:
        """What lies in the host's memory between forward and backward. [byte]"""
        return bytes_of(t for op in self for t in (*op.keeps, *op.parameters)) if self.offloads else 0.0

    def inputs(self) -> list[Storage]:
        """Storages from outside that it needs to run again; parameters are there anyway."""
        made = {id(s) for op in self for s in op.made()}
        needed = {id(i.storage): i.storage for op in self for i in op.inputs if i.weight is None}
        return [s for key, s in needed.items() if key not in made]

    def last_needed(self) -> Op | None:
        """Where a recomputation stops: at the last operation that keeps something."""
        keeping = [op for op in self if op.keeps]
        return keeping[-1] if keeping else None


Item = Op | Region


def operations(items: Sequence[Item]) -> list[Op]:
    """All operations, those in regions among them, in order."""
    return [op for item in items for op in (item if isinstance(item, Region) else [item])]


def bytes_of(tensors: Iterable[Tensor]) -> Number:
    """Bytes of all elements of some tensors. [byte]"""
    return total(t.bytes for t in tensors)
