"""
Tracing: an architecture says its model to a runtime's emitter, the walk runs what comes out, once a structure.

Here architectures and runtimes meet. A trace belongs to a *structure* (all that an ``if`` may look at) and is kept;
its sizes are letters, which :mod:`llmplan.evaluating.memory` gives their values.
"""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

import attrs

from llmplan.architectures.architecture import Architecture, Shape
from llmplan.errors import JobError
from llmplan.nouns.format import Format
from llmplan.parallel.data import RANKS
from llmplan.parallel.deepspeed import FlatPartition
from llmplan.parallel.fsdp import FullyShard
from llmplan.program.compiling import run_compiled
from llmplan.program.emit import Emitter, Job
from llmplan.program.layer import Adapter, Layer, packed, plain, with_lora
from llmplan.program.op import Tensor
from llmplan.program.optimizer import Rule
from llmplan.program.packing import scale_table
from llmplan.program.rows import Rows
from llmplan.program.size import Evaluator, Number, Size
from llmplan.program.stretch import Program, Run, Treated
from llmplan.program.walk import GradientFate, Habits, Passage, walk

#: A run of more repetitions than this is walked as its first, its middle and its last.
_WALKED = 3

#: What letters stand for where a compiler chooses between sizes; letters of a count that is not here are small.
_TYPICAL: Final = {
    "tokens": 8192.0,
    "sequence_length": 1024.0,
    "lora_rank": 16.0,
    "hidden_size": 1024.0,
    "intermediate_size": 4096.0,
    "vocab_size": 32768.0,
    "num_positions": 1024.0,
    "head_dim": 64.0,
    "num_attention_heads": 16.0,
}
_TYPICAL_COUNT: Final = 8.0

TOKENS, SEQUENCE, RANK = (Size.letter(n) for n in ("tokens", "sequence_length", "lora_rank"))
TENSOR, CONTEXT, EXPERT = (Size.letter(n) for n in ("tensor", "context", "expert"))


@attrs.frozen(kw_only=True)
class Structure:
    """
    All that decides which operations there are, and in which order things live and die.

    Attributes:
        architecture: Who says the model.
        emitter: Who carries the verbs out.
        shape: The model's shape in letters.
        runs: Descriptions of the layers; a run longer than three stands for any longer one.
        job: The emitter's job, in letters.
        stored: Format that frozen matrices are packed in, or None.
        adapter: What is beside linear layers, or None.
        fate: What becomes of gradients.
        sharding: What is done around blocks and passes to share parameters or gradients, or None.
        steps_in_backward: The optimizer, where it runs in backward.
        makes_states: Whether it makes its states there, as in the first step.
        frozen_layers: Whether the embedding and some first layers are not trained.
        visits_in_backward: Whether a weight's optimizer states come from the host for its step in backward.
        compiled: Whether it runs as compiled code.
        unrolled: Whether every layer is said, and no run has a middle that stands for others.
    """

    architecture: Architecture[Any]
    emitter: Callable[..., Emitter]
    shape: Shape
    runs: tuple[Run, ...]
    job: Job
    stored: Format | None = None
    adapter: Adapter | None = None
    fate: GradientFate = "stays"
    sharding: FullyShard | FlatPartition | None = None
    steps_in_backward: Rule | None = None
    makes_states: bool = False
    visits_in_backward: bool = False
    frozen_layers: bool = False
    compiled: bool = False
    unrolled: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Trace:
    """
    What a structure comes to.

    Attributes:
        program: The operations.
        passages: The walk's log.
        rows: Its closed form.
    """

    program: Program
    passages: list[Passage]
    rows: Rows


def repeats(runs: tuple[Run, ...]) -> dict[str, float]:
    """How often the middle of each run stands, by letter."""
    return {f"n{i}": float(run.repeat - 2) for i, run in enumerate(runs) if run.repeat >= _WALKED}


def shortened(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Runs as structure: a longer one stands for three repetitions."""
    return tuple(attrs.evolve(run, repeat=min(run.repeat, _WALKED)) for run in runs)


@functools.lru_cache(maxsize=4096)
def trace(structure: Structure) -> Trace:
    """The program of a *structure*, its walk and its closed form."""
    program, around = emit(structure), habits(structure)
    _every_target_is_there(structure, program)
    passages = run_compiled(program, _typical, around) if structure.compiled else walk(program, around)
    return Trace(program=program, passages=passages, rows=Rows(passages, len(program.repeats)))


def habits(s: Structure) -> Habits:
    """What is done around autograd's own doing."""
    return Habits(
        fate=s.fate,
        shards=RANKS,
        around=s.sharding.around if s.sharding else None,
        step=_step(s),
        states=s.steps_in_backward.device_bytes if s.steps_in_backward and s.makes_states else None,
    )


def _typical(sizes: Sequence[Number]) -> list[float]:
    """What sizes come to where letters stand for what is usual: a compiler's choices are structure. [byte]"""
    found = Evaluator(sizes)
    return [float(v) for v in found({name: _TYPICAL.get(name, _TYPICAL_COUNT) for name in found.letters})]


def _every_target_is_there(s: Structure, program: Program) -> None:
    """Refuse an adapter for a layer that the model has not."""
    if s.adapter is None or s.adapter.targets is None:
        return
    named = {w.weight.name for w, _ in program.weights() if w.weight and w.weight.role == "matrix"}
    for target in s.adapter.targets:
        if not any(attrs.evolve(s.adapter, targets=(target,)).adapts(name) for name in named):
            raise JobError((f"no linear layer is named {target}: they are {', '.join(sorted(named))} @ LoRA.targets",))


def _step(s: Structure) -> Callable[[Tensor], Number] | None:
    """What the optimizer takes for one weight when it runs in backward. [byte]"""
    rule = s.steps_in_backward
    if rule is None:
        return None

    def taken(weight: Tensor) -> Number:
        visit = rule.state_bytes(weight) if s.visits_in_backward else 0.0
        return rule.temporary_bytes([(weight, 1.0)]) + visit

    return taken


def emit(s: Structure) -> Program:
    """The architecture's model, said to the runtime's emitter stretch by stretch."""
    e = s.emitter(s.job, layer(s))
    middles: list[Number] = []
    share, shape = s.job.share, s.shape
    if share.cuts_matrices:
        shape = shape.shared(s.architecture.cut, share)
    if share.first:
        with e.stretch("embedding"):
            e.inputs()
            with e.layer(recomputes=True, trains=not s.frozen_layers):
                x = s.architecture.embed(e, shape)
                if s.stored is not None:
                    e.constant("table of packed scales", scale_table(s.stored))
    else:
        with e.aside():
            e.inputs()
            stream = s.architecture.embed(e, shape)
        with e.stretch("receive"):
            x = e.receive(stream.cols, stream.format)
    for index, run in enumerate(s.runs):
        for i in range(run.repeat):
            middle = run.repeat == _WALKED and i == 1 and not s.unrolled
            if middle:
                middles.append(Size.letter(f"n{index}"))
            which = str(i) if s.unrolled else ("first", "middle", "last")[i]
            with e.stretch(f"layers {index}.{which}", len(middles) - 1 if middle else None):
                for description in run.period:
                    with e.unit():
                        x = _layer(s, e, shape, x, description)
    if share.last:
        with e.stretch("loss"):
            s.architecture.head(e, shape, x)
    else:
        with e.stretch("send"):
            e.send(x)
    return e.program(middles)


def _layer(s: Structure, e: Emitter, shape: Shape, x: Tensor, description: Hashable) -> Tensor:
    """A layer, as all are treated or in its own way."""
    if not isinstance(description, Treated):
        return s.architecture.block(e, shape, x, description)
    with e.layer(recomputes=description.recomputes, trains=description.trains):
        return s.architecture.block(e, shape, x, description.description)


def layer(s: Structure) -> Layer:
    """What a linear layer is in this structure."""
    base = plain if s.stored is None else packed(s.stored)
    return with_lora(base, s.adapter) if s.adapter else base
