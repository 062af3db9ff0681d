"""
The joint graph: forward and backward of a program as one list of nodes over values.

A value is a storage: views are free. Casts of one value to one format are one node, as the compiler drops what it has
computed already; variables of the script hold nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from llmplan.program.kernel import Matmul, Pointwise
from llmplan.program.op import Op, Region, Storage, Tensor
from llmplan.program.size import Number
from llmplan.program.stretch import Program

#: Operations that merge with their neighbours but are never made again (not in the partitioner's list): rows looked up,
#: and concatenations, into which what they read is merged.
_LOOKUPS: Final = ("embedding",)
_CONCATENATIONS: Final = ("cat", "rotary", "pad")

#: Functions of a row, which keep the row's maximum and sum instead of what they make.
_OF_A_ROW: Final = ("softmax", "log_softmax")


@attrs.define(eq=False)
class Node:
    """
    One operation of the joint graph.

    Attributes:
        label: What it is, for people.
        stretch: Index of the stretch that it belongs to.
        reads, writes: Values.
        alone: Whether it is a kernel of its own: a matrix product, an attention.
        again: Whether the partitioner may make it again, and merges it with its neighbours.
        joins: Whether it is a concatenation: what it reads is merged into it.
        scatters: Whether it adds rows to a table, which nothing can be merged behind.
        workspaces: Bytes that it takes while it runs. [byte]
        region: The recomputation that it belongs to, or None.
        pieces: Values that it reads a piece of, by id.
        columns: Whether it sums over rows what a weight's gradient is made of: a kernel of its own shape.
        second: Whether it is a node of the forward that the backward runs again.
    """

    label: str
    stretch: int
    reads: list[Storage]
    writes: list[Storage]
    alone: bool = False
    again: bool = True
    joins: bool = False
    scatters: bool = False
    workspaces: Sequence[Number] = ()
    region: Region | None = None
    pieces: frozenset[int] = frozenset()
    columns: bool = False
    second: bool = False


@attrs.define(eq=False)
class Joint:
    """
    Forward and backward together.

    Attributes:
        forward, backward: Nodes in order.
        gradients: Parameters and the values that are their gradients.
        losses: Values that the forward returns.
        given: Values that are there before: parameters, tables, by id.
        pieces: Tensors that are pieces of others, by id.
    """

    forward: list[Node] = attrs.field(factory=list)
    backward: list[Node] = attrs.field(factory=list)
    gradients: list[tuple[Tensor, Storage]] = attrs.field(factory=list)
    losses: list[Storage] = attrs.field(factory=list)
    given: set[int] = attrs.field(factory=set)
    pieces: set[int] = attrs.field(factory=set)


def joint(program: Program) -> Joint:
    """The joint graph of a *program*."""
    found = Joint()
    placed = list(_placed(program))
    values = _Forward(found).write(placed)
    found.losses = [values[id(x.storage)] for x in program.losses if id(x.storage) in values]
    _Backward(found, values).write(placed, program.losses)
    made = {id(w) for node in (*found.forward, *found.backward) for w in node.writes}
    found.given = {id(r) for node in (*found.forward, *found.backward) for r in node.reads} - made
    return found


def made_by(nodes: Sequence[Node]) -> dict[int, Node]:
    """The node that makes each value, by the value's id."""
    return {id(w): node for node in nodes for w in node.writes}


def read_by(nodes: Sequence[Node]) -> dict[int, list[Node]]:
    """The nodes that read each value, by the value's id."""
    found: dict[int, list[Node]] = {}
    for node in nodes:
        for value in {id(r): r for r in node.reads}.values():
            found.setdefault(id(value), []).append(node)
    return found


_Placed = tuple[int, Region | None, Op]


def _placed(program: Program) -> Iterator[_Placed]:
    """All operations with the index of their stretch and the region that they are in."""
    for index, stretch in enumerate(program.stretches):
        for item in stretch.items:
            if isinstance(item, Region):
                yield from ((index, item, op) for op in item)
            else:
                yield index, None, item


class _Forward:
    """Writes the forward's nodes."""

    def __init__(self, found: Joint) -> None:
        self._found = found
        self._values: dict[int, Storage] = {}  # what stands for a storage, by the storage's id
        self._casts: dict[tuple[int, str, int], Storage] = {}
        self._rows: dict[int, Number] = {}  # rows of the product that a value comes from

    def write(self, placed: Sequence[_Placed]) -> dict[int, Storage]:
        """The nodes, and what stands for each storage."""
        for index, region, op in placed:
            if op.made():  # a cast that autocast found in its cache too: a region's own graph has no cache
                self._node(index, region, op)
            elif op.name == "split":
                self._found.pieces.update(id(o) for o in op.outputs)
        return self._values

    def _value(self, storage: Storage) -> Storage:
        return self._values.setdefault(id(storage), storage)

    def _node(self, index: int, region: Region | None, op: Op) -> None:
        reads = [self._value(t.storage) for t in _read(op)]
        made = op.made()
        if op.name == "cast" and reads:
            known = self._casts.setdefault((id(reads[0]), op.outputs[0].format, id(region)), made[0])
            self._values[id(made[0])] = known
            if known is not made[0]:
                return
        node = Node(
            op.name,
            index,
            reads,
            [self._value(s) for s in made],
            alone=_is_alone(op),
            again=not _is_alone(op) and op.name not in (*_LOOKUPS, *_CONCATENATIONS),
            joins=op.name in _CONCATENATIONS,
            workspaces=[op.workspace] if op.workspace is not None and _is_alone(op) else [],
            region=region,
        )
        self._statistics(op, node)
        self._found.forward.append(node)

    def _statistics(self, op: Op, node: Node) -> None:
        """Row by row what a softmax keeps: its maximum and the sum of its exponentials."""
        product = next((k for k in op.forward if isinstance(k, Matmul)), None)
        rows = product.m * product.batch if product else next((self._rows[id(r)] for r in node.reads if id(r) in self._rows), None)
        if rows is None:
            return
        self._rows.update((id(w), rows) for w in node.writes)
        if op.name in _OF_A_ROW:
            node.writes += [Storage(4.0 * rows, f"{op.name} statistics") for _ in range(2)]


class _Backward:
    """Writes the backward's nodes: one for each gradient of a product, one for all gradients of anything else."""

    def __init__(self, found: Joint, values: dict[int, Storage]) -> None:
        self._found, self._values = found, values
        self._parts: dict[int, list[Storage]] = {}  # what has come in for a tensor, by the tensor's id
        self._uses: dict[int, int] = {}  # of weights

    def write(self, placed: Sequence[_Placed], losses: Sequence[Tensor]) -> None:
        """The nodes, from the losses on."""
        for x in (x for _, _, op in placed for x, _ in op.gradients if x.weight):
            self._uses[id(x)] = self._uses.get(id(x), 0) + 1
        for loss in losses:
            self._parts[id(loss.node)] = [Storage(4.0, "gradient of the loss")]
        for index, _, op in reversed(placed):
            self._derive(index, op)

    def _value(self, x: Tensor) -> Storage:
        return self._values.get(id(x.storage), x.storage)

    def _derive(self, index: int, op: Op) -> None:
        incoming = [self._sum(index, o) for o in op.outputs if id(o.node) in self._parts]
        if not incoming or not op.gradients:
            return
        if any(isinstance(k, Matmul) for k in op.forward):
            self._product(index, op, incoming)
        elif op.name in _LOOKUPS:
            self._scatter(index, op, incoming)
        else:
            self._other(index, op, incoming)
        for x in (x for x, _ in op.gradients if x.weight):
            self._uses[id(x)] -= 1
            if not self._uses[id(x)]:
                self._weight_is_done(index, x)

    def _sum(self, index: int, x: Tensor) -> Storage:
        """All that has come in for a tensor, added up."""
        parts = self._parts.pop(id(x.node))
        if len(parts) == 1:
            return parts[0]
        whole = Storage(x.bytes, "sum of gradients")
        self._found.backward.append(Node("sum of gradients", index, parts, [whole]))
        return whole

    def _weight_is_done(self, index: int, weight: Tensor) -> None:
        """
        All gradients of a weight together are a result. A product that one other gradient is added to is made with that sum
        as one kernel (Inductor's ``addmm``), and so waits for it.
        """
        parts = self._parts[id(weight)]
        products = [n for n in self._found.backward if n.alone and len(parts) > 1 and n.writes[0] is parts[0]]
        whole = self._sum(index, weight)
        for product in products:
            self._found.backward.remove(product)
            last = self._found.backward[-1]
            last.alone, last.again, last.pieces = True, False, product.pieces
            last.reads = [r for r in (*last.reads, *product.reads) if r is not product.writes[0]]
        whole.label, whole.category = f"gradient of {weight.weight.name if weight.weight else ''}", "gradients"
        self._found.gradients.append((weight, whole))

    def _new(self, x: Tensor, op: Op) -> Storage:
        made = Storage(x.bytes, f"{op.name} backward")
        self._parts.setdefault(id(x.node), []).append(made)
        return made

    def _product(self, index: int, op: Op, incoming: list[Storage]) -> None:
        """The gradient of each factor is a product with the other one; a bias's is a sum over rows."""
        factors = op.inputs[:2]
        wanted = [x for x, _ in op.gradients]
        for x in wanted:
            wholes = [f for f in factors if f is not x] if x in factors else []
            others = [self._value(f) for f in wholes]
            node = Node(f"{op.name} backward", index, [*incoming, *others], [self._new(x, op)], alone=x in factors)
            node.again = node.columns = not node.alone
            node.pieces = frozenset(id(self._value(f)) for f in wholes if id(f) in self._found.pieces)
            self._found.backward.append(node)

    def _scatter(self, index: int, op: Op, incoming: list[Storage]) -> None:
        """Rows are added up in FP32, then narrowed to the table's format."""
        for table, _ in op.gradients:
            in_full = Storage(4.0 * table.elements, "rows added up")
            adds = Node(f"{op.name} backward", index, incoming, [in_full], again=False, scatters=True)
            self._found.backward.append(adds)
            if table.format == "fp32":
                self._parts.setdefault(id(table.node), []).append(in_full)
            else:
                self._found.backward.append(Node("narrowed", index, [in_full], [self._new(table, op)]))

    def _other(self, index: int, op: Op, incoming: list[Storage]) -> None:
        new = [x for x, how in op.gradients if how != "same"]
        for x, how in op.gradients:
            if how == "same":
                self._parts.setdefault(id(x.node), []).append(incoming[0])
        if not new:
            return
        kept = [self._value(k) for k in op.keeps]
        for wanted in ([x for x in new if not x.weight], [x for x in new if x.weight]):
            if not wanted:
                continue
            made = [self._new(x, op) for x in wanted]
            node = Node(f"{op.name} backward", index, [*incoming, *kept], made, alone=_is_alone(op))
            node.again, node.columns = not node.alone, wanted[0].weight is not None
            node.workspaces = op.backward_workspaces if node.alone else []
            self._found.backward.append(node)


def _is_alone(op: Op) -> bool:
    return not all(isinstance(k, Pointwise) and k.fusible for k in op.forward)


def _read(op: Op) -> list[Tensor]:
    """What an operation reads: not what only the script's variables hold meanwhile, which gets no gradient from it."""
    if not op.gradients:
        return op.inputs
    wanted = {id(x) for x, _ in op.gradients}
    return [t for t in op.inputs if id(t) in wanted or not t.needs_gradient]
