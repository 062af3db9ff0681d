"""
Emitter: the verbs a model is written in, and the book of what they wrote.

An architecture says ``h = e.norm(x); q = e.linear(h, out, name="q_proj")``; a runtime (:mod:`llmplan.runtimes`) derives
from :class:`Emitter` and says how its code carries each verb out, by writing operations down. Casting is the emitter's
policy, not a rewriting afterwards. What a linear layer is (plain, frozen and packed, with an adapter) is a function
around a function (:mod:`llmplan.program.layer`).
"""

import abc
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from llmplan.errors import UnsupportedError
from llmplan.nouns.format import Format
from llmplan.program.kernel import Collective
from llmplan.program.layer import Layer, plain
from llmplan.program.op import Item, Op, Region, Storage, Tensor, Weight
from llmplan.program.packing import allocated
from llmplan.program.saving import Saves, Saving
from llmplan.program.share import WHOLE, Joined, Share, Split
from llmplan.program.size import Number
from llmplan.program.stretch import Program, Stretch, Unit

if TYPE_CHECKING:
    from llmplan.program.experts import Experts, Router, Routing
    from llmplan.program.scanning import Delta, Scan

#: Parts of a model that can be recomputed. "block" is a whole layer, "attention" its attention half with the norm,
#: "attention-core" the scores and values alone, "loss" a piece of a chunked loss.
Part = Literal["block", "attention", "attention-core", "loss"]

#: Functions of single elements, by the names that config.json uses: "gelu" is exact, "gelu_pytorch_tanh" one kernel of
#: its approximation by a hyperbolic tangent, "gelu_new" the same formula.
Function = Literal[
    "gelu", "gelu_pytorch_tanh", "gelu_new", "gelu_fast", "quick_gelu", "silu", "relu", "relu2", "sigmoid", "softplus"
]

#: Those of a feed-forward half.
FUNCTIONS: Final[tuple[Function, ...]] = (
    "gelu",
    "gelu_pytorch_tanh",
    "gelu_new",
    "gelu_fast",
    "quick_gelu",
    "silu",
    "relu",
    "relu2",
)

#: Which columns are rotated together, and as what: neighbours as real numbers or as complex ones; a column of each half.
PairKind = Literal["neighbours", "complex", "halves"]

#: Where the casts between the weights' format and the compute format happen.
Casts = Literal["none", "autocast", "at-use", "master-copy"]


#: What a model multiplies by a number before its first layer: the rows as they are looked up, or the stream made of them.
Scaled = Literal["rows", "stream"]

#: Which layers of a model have a window.
Windows = Literal["none", "some", "all"]


@attrs.frozen(kw_only=True)
class Job:
    """
    What an emitter must know of a job: sizes, and the structure that its choices depend on.

    Attributes:
        tokens: Tokens of a micro-batch on this rank.
        sequence_length: Tokens of a sequence.
        weights: Format of the weights as they lie in memory.
        compute: Format of the factors of a matrix product.
        casts: Where the casts between the two happen.
        attention: "flash" (one kernel) or "eager" (scores made in full).
        recompute: The part that is recomputed, or None.
        loss_chunks: Pieces that the loss is computed in; 1 is at once.
        adapters_only: Whether all but the adapters is frozen.
        single_sequence: Whether a micro-batch is one sequence, where that decides which copies are made.
        loss: "plain" (FP32 logits), "half" (logits as the product makes them) or "fused" (gradients made with the loss, some
            tokens' logits at a time).
        saves: Whose results a recomputed region keeps.
        offloads: Whether what is needed of a region is copied to the host instead of being recomputed.
        trains: Roles of the weights that are trained; None: all.
        window_binds: Whether a sequence is at least as long as the model's window.
        windows: Which layers have a window.
        share: What of it this rank does.
    """

    tokens: Number
    sequence_length: Number
    weights: str = "bf16"
    compute: str = "bf16"
    casts: Casts = "none"
    attention: str = "flash"
    recompute: Part | None = None
    loss_chunks: int = 1
    adapters_only: bool = False
    single_sequence: bool = False
    loss: Literal["plain", "half", "fused"] = "plain"
    saves: Saves = "nothing"
    offloads: bool = False
    trains: frozenset[str] | None = None
    window_binds: bool = False
    windows: Windows = "none"
    share: Share = WHOLE

    @property
    def sequences(self) -> Number:
        """Sequences of a micro-batch."""
        return self.tokens * self.share.context / self.sequence_length


@attrs.frozen(kw_only=True)
class Heads:
    """
    The heads of an attention.

    Attributes:
        query, kv: How many of queries; of keys and values.
        grouped: Whether a key-value head serves several query heads.
        multi_query: Whether there is one, and it serves all.
        aligned: Whether a head's columns are a multiple of eight.
        window: Tokens that a query may look back; None for all.
        value_dim: Columns of a head of values, where they are not those of queries and keys.
        aligned_to_four: Whether a head's columns are a multiple of four.
        wide: Whether a head has more than 256 columns.
        masked: Whether a tensor says which pairs count or what is added to their scores, beside causality.
        softcap: Whether a hyperbolic tangent caps the scores.
        beside_queries: Whether a group's keys and values lie beside its queries in one product, so that a script which keeps
            heads apart copies them.
        narrow_softmax: Whether shares are made of scores in their own format, where a framework's script widens them.
        dropout: Share of the probabilities that is dropped in training.
    """

    query: Number
    kv: Number
    grouped: bool
    aligned: bool
    window: Number | None = None
    value_dim: Number | None = None
    aligned_to_four: bool = True
    wide: bool = False
    masked: bool = False
    softcap: bool = False
    multi_query: bool = False
    beside_queries: bool = False
    narrow_softmax: bool = False
    dropout: float = 0.0


@attrs.frozen(kw_only=True)
class Rotation:
    """
    How rotary positions are written.

    Attributes:
        table: Which pair of tables, where a model has several.
        doubled: Whether tables have a column for two neighbouring ones that are turned together, before heads are put in
            front of tokens; otherwise columns of either half are.
        cut: Whether columns are cut off and put back beside the rotated ones even where there are none.
        narrowed: Whether tables are in FP32 and the result is brought back to the format that came in.
        widened: Whether what comes in is made FP32 first.
    """

    table: str = ""
    doubled: bool = False
    cut: bool = False
    narrowed: bool = False
    widened: bool = False


#: As most models have it.
ROTATION: Final = Rotation()


class HasTable(Protocol):
    """A shape with a vocabulary."""

    @property
    def vocab_size(self) -> Number:
        """Words."""

    @property
    def hidden_size(self) -> Number:
        """Columns of the residual stream."""


class Emitter(abc.ABC):
    """
    The verbs, and the book.

    A tensor's rows are tokens (times heads where a norm goes over each head), its columns features. A runtime says how
    each verb is carried out; what is written down below the verbs is the same for all.

    Attributes:
        job: What is asked of it.

    Args:
        job: What is asked of it.
        layer: What a linear layer is.
    """

    def __init__(self, job: Job, layer: Layer = plain) -> None:
        self.job = job
        self._layer = layer
        self._stretches: list[Stretch] = []
        self._stretch: Stretch
        self._losses: list[Tensor] = []
        self._constants: list[tuple[str, Number]] = []
        self._batch: set[str] = set()
        self._replaced: list[Number] = []
        self._variables: list[Tensor] = []
        self._items: list[Item] | Region = []
        self._table: Tensor
        self._table_is_here = False
        self._entered: dict[int, tuple[Tensor, Tensor]] = {}
        self._sent: list[Tensor] = []
        self._remembered: dict[str, Tensor] = {}
        self._recomputed, self._trains = job.recompute, True
        self._saving = Saving("nothing")
        self._held: list[Tensor] = []
        self._held_by_attention: list[Tensor] = []
        self._held_beside: list[Tensor] = []
        self._sharing: str | None = None
        self._shared_weights: dict[tuple[str, str] | None, Tensor] = {}
        self._cached_casts: dict[int, tuple[Region | None, Tensor]] = {}
        self._rotary_format = job.weights
        self._rotary_width: Number = 0.0

    # -- the book ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def stretch(self, name: str, run: int | None = None) -> Iterator[None]:
        """All that is said inside belongs to one stretch; *run* is the run whose middle it stands for."""
        self._stretch = Stretch(name, run=run)
        self._stretches.append(self._stretch)
        self._items = self._stretch.items
        yield

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """All that is said inside is done by another rank: nothing is written down but what is there all the time."""
        self._stretch = Stretch("aside")
        self._items = self._stretch.items
        yield
        self._table_is_here = False

    @contextlib.contextmanager
    def unit(self) -> Iterator[None]:
        """All that is said inside is one block: a unit of sharding."""
        stretch = self._stretch
        items, weights = len(stretch.items), len(stretch.weights)
        yield
        stretch.units.append(Unit(stretch.items[items:], stretch.weights[weights:]))

    @contextlib.contextmanager
    def region(self, part: Part) -> Iterator[None]:
        """All that is said inside is *part* of the model, and under one recomputation if the job asks for that."""
        outer = self._items
        if isinstance(outer, Region) or part != (self._recomputed if part != "loss" else "loss"):
            yield
            return
        inner = Region(part, offloads=self.job.offloads and part != "loss")
        self._saving = Saving("nothing" if part == "loss" or self.job.offloads else self.job.saves)
        outer.append(inner)
        self._items = inner
        yield
        self._items = outer

    @contextlib.contextmanager
    def layer(self, *, recomputes: bool, trains: bool) -> Iterator[None]:
        """All that is said inside is a layer that is recomputed or not, as the job asks, and that is trained or not."""
        before = self._recomputed, self._trains
        self._recomputed, self._trains = self.job.recompute if recomputes else None, trains
        yield
        self._recomputed, self._trains = before

    @contextlib.contextmanager
    def module(self, *arguments: Tensor) -> Iterator[None]:
        """
        All that is said inside is a module of the model: what it is called with, and what its variables hold, lives until it
        returns.
        """
        outer, self._variables = self._variables, []
        yield
        held, self._variables = [*self._variables, *arguments], outer
        self.write(Op("return", held, [], forward=[]))

    def hold(self, *variables: Tensor) -> None:
        """Variables of the module that is being said hold these until it returns."""
        self._variables += variables

    @property
    def place(self) -> Region | None:
        """The region that is being written, or None."""
        return self._items if isinstance(self._items, Region) else None

    def program(self, repeats: Sequence[Number]) -> Program:
        """What was said, where the middle of each run stands as often as *repeats* says."""
        held = self._sent if self._keeps_what_it_sends else []
        return Program(
            self._stretches,
            self._losses,
            self._constants,
            list(repeats),
            sent=self._sent,
            held=held,
            batch=self._batch,
            replaced=self._replaced,
        )

    def weight(
        self,
        rows: Number,
        cols: Number,
        *,
        role: str,
        name: str,
        format: str | None = None,  # noqa: A002  the field's word
        stored: Format | None = None,
    ) -> Tensor:
        """
        A parameter of the model.

        Args:
            rows, cols: Its shape; one row for a vector.
            role: What it is for: see :class:`~llmplan.program.op.Weight`.
            name: Its name, for people.
            format: Of its elements, where it is not the job's.
            stored: The format that its bytes are packed in, where it is frozen and quantized.
        """
        shared = None if self._sharing is None else (self._sharing, name)
        if shared in self._shared_weights:
            return self._shared_weights[shared]
        trainable = role == "adapter" or (self._trains and not self.job.adapters_only and self._is_trained(role))
        tensor = Tensor(rows, cols, format or self.job.weights, needs_gradient=trainable)
        size = tensor.bytes if stored is None else allocated(stored, rows * cols)
        tensor.weight = Weight(role, trainable=trainable, stored=size, name=name)
        tensor.storage = Storage(size, name, "parameters")
        self._stretch.weights.append(tensor)
        if shared is not None:
            self._shared_weights[shared] = tensor
        return tensor

    def _is_trained(self, role: str) -> bool:
        """A part that the job trains; no gradient reaches what only picks keys."""
        return role != "indexer" and (self.job.trains is None or role in self.job.trains)

    @contextlib.contextmanager
    def shared_weights(self, name: str) -> Iterator[None]:
        """Parameters that are asked for inside are made once, and are the same wherever *name* is said again."""
        self._sharing = name
        yield
        self._sharing = None

    def words(self, s: "HasTable") -> Number:
        """Rows of the vocabulary's tables that this rank has."""
        return s.vocab_size / self.job.share.tensor

    def token_table(self, s: "HasTable", format: str | None = None) -> Tensor:  # noqa: A002  the field's word
        """The embedding's parameter: a row for each word of the vocabulary."""
        self._table = self.weight(self.words(s), s.hidden_size, role="embedding", name="embedding", format=format)
        self._table_is_here = True
        return self._table

    def head_weight(self, s: "HasTable", *, tied: bool) -> Tensor:
        """
        The output head's parameter: the embedding's where they are *tied*, or a copy of it on another stage. Scripts make a
        matrix of the head's own first, and then replace it.
        """
        if tied and self._table_is_here:
            self._replaced.append(self._table.bytes)
            return self._table
        return self.weight(self.words(s), s.hidden_size, role="embedding" if tied else "head", name="head")

    def remember(self, name: str, x: Tensor) -> None:
        """Keep *x* for a later verb."""
        self._remembered[name] = x

    def recall(self, name: str) -> Tensor:
        """What was remembered."""
        return self._remembered[name]

    def constant(self, label: str, size: Number, *, of_batch: bool = False) -> None:
        """Bytes that are there all the time and no parameter; *of_batch*: each micro-batch brings them anew. [byte]"""
        self._constants.append((label, size))
        if of_batch:
            self._batch.add(label)

    def write(self, op: Op) -> Op:
        """Put *op* down as the next operation."""
        if isinstance(self._items, Region):
            op.saved = self._saving.keeps(op)
        self._items.append(op)  # a region holds operations only, and that is what this is
        return op

    def still_holds(self, x: Tensor) -> None:
        """The script's variable holds *x* until what was written last is done."""
        last = self._items[-1]
        if isinstance(last, Op):
            last.inputs.append(x)

    # -- the verbs --------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def inputs(self) -> None:
        """The batch as it lies on the device."""

    @abc.abstractmethod
    def embedding(self, table: Tensor, *, scaled: Scaled | None = None) -> Tensor:
        """The rows of *table* that the tokens name, multiplied by a number where they or the stream are *scaled*."""

    @abc.abstractmethod
    def positions(self, table: Tensor, *, counted: bool = False) -> Tensor:
        """The rows of *table* for each position: one sequence long, or of each sequence where positions are *counted* in it."""

    @abc.abstractmethod
    def rotary_table(
        self,
        head_dim: Number,
        format: str | None = None,  # noqa: A002  the field's word
        *,
        name: str = "",
        positions: Number | None = None,
    ) -> None:
        """
        The tables of cosines and sines.

        Args:
            head_dim: Columns of a head that are rotated.
            format: Of the tables, where it is not that of the weights.
            name: Of this pair, where a model has several.
            positions: How many positions the tables stand for all the time; None: those of a sequence.
        """

    @abc.abstractmethod
    def norm(
        self,
        x: Tensor,
        kind: Literal["rms", "layer"],
        *,
        weighted: bool,
        name: str = "norm",
        bias: bool | None = None,
        offset: bool = False,
        wide: bool = False,
    ) -> Tensor:
        """
        A norm over the columns.

        Args:
            x: What is normed.
            kind: Root mean square, or mean and variance.
            weighted: Whether each column has a weight.
            name: Of the norm, for people.
            bias: Whether each column has a bias; None: a layer norm has one where it is weighted.
            offset: Whether one is added to the weights.
            wide: Whether the product with the weights is made in FP32, before the result is narrowed.
        """

    @abc.abstractmethod
    def head_norm(
        self, x: Tensor, heads: Number, *, weighted: bool, name: str = "norm", offset: bool = False, wide: bool = False
    ) -> Tensor:
        """An RMS norm over the columns of each head; all as of :meth:`norm`."""

    def linear(
        self,
        x: Tensor,
        out: Number,
        *,
        name: str,
        bias: bool = False,
        split: Split | None = None,
        joined: Joined | None = None,  # noqa: ARG002  runtimes that join matrices look at it
    ) -> Tensor:
        """
        A linear layer of the model, with a weight of its own, as the job has them.

        Heads and the columns between two matrices are numbers of a shape that are this rank's share already (see
        :attr:`llmplan.architectures.architecture.Architecture.cut`): a pair of matrices is cut by columns, then by rows, and
        only what happens at the two ends is left to say.

        Args:
            x: What comes in: all its columns, or this rank's where the matrix is cut by rows.
            out: Columns that come out: this rank's where the matrix is cut by columns, all where by rows.
            name: Of the layer.
            bias: Whether it has a bias.
            split: How ranks that share matrices cut this one; None: each has all of it.
            joined: Which matrices of the same input some runtimes keep as one with this.
        """
        if not self.job.share.cuts_matrices or split is None:
            return self._layer(self, x, out, name=name, bias=bias)
        if split == "column":
            return self._layer(self, self.enter(x), out, name=name, bias=bias)
        y = self.leave(self._layer(self, x, out, name=name, bias=False))
        return self.plus(y, self.weight(1.0, out, role="bias", name=f"{name}.bias"), broadcast=True) if bias else y

    def enter(self, x: Tensor) -> Tensor:
        """
        All rows of *x*, for a matrix that is cut by columns; its gradient is summed over the ranks.

        Raises:
            UnsupportedError: The runtime is not known with shared matrices.
        """
        raise UnsupportedError(f"tensor parallelism in the runtime {type(self).__name__}", f"what it does with {x.rows} rows")

    def leave(self, x: Tensor) -> Tensor:
        """
        The sum of *x* over the ranks, of which each keeps its share of rows where the sequence is shared too.

        Raises:
            UnsupportedError: The runtime is not known with shared matrices.
        """
        raise UnsupportedError(f"tensor parallelism in the runtime {type(self).__name__}", f"what it does with {x.rows} rows")

    def receive(self, cols: Number, format: str) -> Tensor:  # noqa: A002  the field's word
        """The residual stream as it comes from the stage before; its gradient goes back there."""
        share = self.job.share
        rows = self.job.tokens / share.tensor if share.sequence else self.job.tokens
        x = Tensor(rows, cols, format, label="received")
        self.write(Op("receive", [], [x], forward=[]))
        return x

    def send(self, x: Tensor) -> None:
        """The residual stream goes to the stage after, from where its gradient comes."""
        sent = Tensor(x.rows, x.cols, x.format, storage=x.storage)
        kept = [x] if self._keeps_what_it_sends else []
        message = [Collective(kind="send_receive", payload=x.bytes, group=2.0)]
        self.write(Op("send", [x], [sent], keeps=kept, gradients=[(x, "same")], forward=message, backward=message))
        self._losses.append(sent)
        self._sent.append(sent)

    #: Whether a stage's output is kept until its gradient has gone backward.
    _keeps_what_it_sends = True

    @abc.abstractmethod
    def cast(self, x: Tensor, format: str) -> Tensor:  # noqa: A002  the field's word
        """A copy of *x* in another format, or *x*."""

    @abc.abstractmethod
    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The product of *x* with the transposed *weight*."""

    @abc.abstractmethod
    def unpacked_product(self, x: Tensor, weight: Tensor, stored: Format, bias: Tensor | None = None) -> Tensor:
        """The same for a frozen weight that is unpacked to the compute format while the product runs."""

    @abc.abstractmethod
    def split(self, x: Tensor, parts: int | Sequence[Number]) -> list[Tensor]:
        """Views of equal shares of the columns, or of so many columns each."""

    @abc.abstractmethod
    def first_columns(self, x: Tensor, cols: Number, *, from_second_token: bool = False) -> Tensor:
        """The first columns, of all tokens or of all but each sequence's first."""

    @abc.abstractmethod
    def columns(self, x: Tensor, cols: Number) -> Tensor:
        """So many of the columns: a slice of its own."""

    @abc.abstractmethod
    def rotary(
        self,
        x: Tensor,
        heads: Number,
        *,
        columns: Number | None = None,
        negated_sines: bool = False,
        rotation: Rotation = ROTATION,
    ) -> Tensor:
        """
        Rotary position embedding.

        Args:
            x: Queries or keys.
            heads: How many heads its columns are.
            columns: How many columns of each head are rotated, the first ones; None: all.
            negated_sines: Whether the script multiplies by minus the table of sines.
            rotation: How it is written.
        """

    @abc.abstractmethod
    def scaled_by_position(self, x: Tensor, heads: Number) -> Tensor:
        """A product with a number for each position of a sequence."""

    @abc.abstractmethod
    def clipped(self, x: Tensor) -> Tensor:
        """*x* with each element brought into a range, in place."""

    @abc.abstractmethod
    def scaled_by(self, x: Tensor, factor: Tensor) -> Tensor:
        """A product with one learned number."""

    @abc.abstractmethod
    def gated(self, x: Tensor, gate: Tensor, heads: Number) -> Tensor:
        """A product with one number a token and head."""

    @abc.abstractmethod
    def next_to(self, x: Tensor, gate: Tensor) -> Tensor:
        """*x* plus, for each token but the first, the gated vector of the token before it."""

    @abc.abstractmethod
    def scale(self, x: Tensor) -> Tensor:
        """A product with a plain number."""

    @abc.abstractmethod
    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: "Heads") -> Tensor:
        """Causal attention of each token to those before it."""

    def complex_rotary_table(self, head_dim: Number) -> None:  # noqa: ARG002
        """The table of rotations as complex numbers."""
        raise self._unsaid("rotations as complex numbers")

    def split_heads(self, x: Tensor, heads: Number, widths: Sequence[Number]) -> list[Tensor]:  # noqa: ARG002
        """Views of so many columns of each head."""
        raise self._unsaid("heads in parts")

    def rotary_pairs(self, x: Tensor, *, kind: "PairKind") -> Tensor:  # noqa: ARG002
        """
        Rotary position embedding, pair by pair: of neighbouring columns, as real or as complex numbers, or of a column of
        either half.
        """
        raise self._unsaid("rotations pair by pair")

    def pick_keys(self, x: Tensor, latent: Tensor, *, heads: Number, head_dim: Number) -> None:  # noqa: ARG002
        """
        The keys that each query looks at, by scores of a lighter attention that no gradient goes through.

        Args:
            x: What its keys and the weights of its heads are made of.
            latent: What its queries are made of.
            heads: Its heads.
            head_dim: Columns of a head; all heads share one key.
        """
        raise self._unsaid("keys that are picked")

    def half_rotary_table(self, head_dim: Number) -> None:  # noqa: ARG002
        """The tables of cosines and sines, a column for each pair."""
        raise self._unsaid("rotations pair by pair")

    def sink_attention(self, q: Tensor, k: Tensor, v: Tensor, heads: "Heads", *, sinks: Tensor) -> Tensor:  # noqa: ARG002
        """Attention in which each head has a learned score beside the others, which takes its share and gives nothing."""
        raise self._unsaid("attention with sinks")

    def beside(self, a: Tensor, b: Tensor) -> Tensor:  # noqa: ARG002
        """Each head's columns of *a*, and after them its columns of *b*."""
        raise self._unsaid("heads in parts")

    def beside_shared(self, a: Tensor, shared: Tensor, heads: Number) -> Tensor:  # noqa: ARG002
        """Each head's columns of *a*, and after them those that all heads share."""
        raise self._unsaid("columns that all heads share")

    def causal_conv(self, x: Tensor, width: Number, *, bias: bool, name: str) -> Tensor:  # noqa: ARG002
        """A convolution of each column over the last *width* tokens, and a SiLU."""
        raise self._unsaid("a convolution over tokens")

    def selective_scan(self, x: Tensor, step: Tensor, b: Tensor, c: Tensor, gate: Tensor, *, name: str) -> Tensor:  # noqa: ARG002
        """
        A scan of each column, times the SiLU of its gate.

        Args:
            x: What is scanned.
            step: How far the state of each column moves.
            b, c: What is written into the state and read from it: a column for each of its elements.
            gate: What the result is weighted by.
            name: Of its parameters, for people.
        """
        raise self._unsaid("a selective scan")

    def head_scan(self, x: Tensor, b: Tensor, c: Tensor, step: Tensor, scan: "Scan") -> Tensor:  # noqa: ARG002
        """A scan whose decay is one number a head; all as of :meth:`selective_scan`, without a gate."""
        raise self._unsaid("a scan by heads")

    def gated_norm(self, x: Tensor, gate: Tensor, weights: Number, *, rows: Number, gate_first: bool, name: str) -> Tensor:  # noqa: ARG002
        """
        An RMS norm and a product with the SiLU of a gate, one before the other.

        Args:
            x: What is normed.
            gate: What weighs it.
            weights: How many weights the norm has: a head's columns, or all.
            rows: How often it is normed for each token: once for a head or a group of columns.
            gate_first: Whether the gate comes before the norm.
            name: Of the norm, for people.
        """
        raise self._unsaid("a gated norm")

    def delta_rule(self, q: Tensor, k: Tensor, v: Tensor, decay: Tensor, beta: Tensor, *, delta: "Delta") -> Tensor:  # noqa: ARG002
        """
        The gated delta rule on normed queries and keys.

        Args:
            q, k, v: Queries, keys, values.
            decay, beta: For each head what decides how much is forgotten, and how much is written.
            delta: Its sizes.
        """
        raise self._unsaid("the gated delta rule")

    def _unsaid(self, what: str) -> UnsupportedError:
        """What to raise for a verb that a runtime does not carry out."""
        return UnsupportedError(what, f"{type(self).__name__} is not known to do it in a way that is modelled")

    @abc.abstractmethod
    def activation(self, x: Tensor, kind: Function) -> Tensor:
        """A function of each element."""

    @abc.abstractmethod
    def route(self, x: Tensor, router: "Router") -> "Routing":
        """Each token's experts, and the score of each."""

    @abc.abstractmethod
    def experts(self, x: Tensor, routing: "Routing", experts: "Experts") -> Tensor:
        """Each token through its experts, and the sum of what they make of it, each times its score."""

    @abc.abstractmethod
    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """*x* with a share of its elements set to zero at random: *x* itself where the *rate* is zero."""

    @abc.abstractmethod
    def plus(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A sum; *broadcast* where b has fewer rows."""

    @abc.abstractmethod
    def times(self, a: Tensor, b: Tensor, *, broadcast: bool = False) -> Tensor:
        """A product; *broadcast* where b is smaller."""

    @abc.abstractmethod
    def loss(self, x: Tensor, head: Tensor, *, softcap: bool, bias: Tensor | None = None, scaled: bool = False) -> None:
        """
        Logits by the *head* and the cross-entropy of the next token.

        Args:
            x: What the head reads.
            head: Its weight.
            softcap: Whether a hyperbolic tangent caps the logits.
            bias: Its bias, if it has one.
            scaled: Whether the logits are multiplied by a number.
        """
