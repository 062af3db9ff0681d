"""Setup: the structure of a case, the sizes that go with it, and the rules that a job of that structure must keep."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from llmplan.architectures.architecture import Architecture, Shape
from llmplan.errors import JobError, UnsupportedError
from llmplan.evaluating import sharing
from llmplan.evaluating.case import Case
from llmplan.evaluating.partition import largest_part, most_touched
from llmplan.evaluating.tracing import CONTEXT, EXPERT, RANK, SEQUENCE, TENSOR, TOKENS, Structure
from llmplan.evaluating.treatment import contradictions, not_modelled, shape_of, treatment_of
from llmplan.nouns.model import Model
from llmplan.nouns.precision import Precision
from llmplan.parallel.buffers import Buffers
from llmplan.parallel.data import RANK_STATES, RANK_TEMPORARIES, RANKS, DataParallel
from llmplan.parallel.deepspeed import BUCKET_ELEMENTS, TOUCHED_ELEMENTS, FlatPartition
from llmplan.parallel.fsdp import FullyShard
from llmplan.parallel.sharding import COPIES, SHARDS
from llmplan.program.emit import Casts, Job
from llmplan.program.layer import Adapter
from llmplan.program.optimizer import Rule, States
from llmplan.program.share import Share
from llmplan.program.stretch import Run, fold
from llmplan.runtimes import emitter_of

_CASTS: Final[dict[str, Casts]] = {
    "none": "none",
    "autocast": "autocast",
    "at-use": "at-use",
    "master-copy": "master-copy",
    "at-gather": "none",  # what is gathered is in the compute format already
}
#: Algorithms that are known on FP32 states of weights in 16 bits, or on a master copy.
_KEPT_IN_FULL: Final = ("adamw", "muon", "sgd", "sgd-momentum")
#: Formats of optimizer states, as the rules call them.
_STATES: Final[dict[str, States]] = {"fp32": "fp32", "8bit-block": "8bit", "4bit-block": "4bit", "fp8-block": "fp8"}
#: ZeRO stages that share optimizer states, gradients too, parameters too.
_DEALT_OUT, _GRADIENTS, _PARAMETERS = 1, 2, 3
#: Where :func:`sizes_of` says which rank has the most states, where that is not the first.
LARGEST_RANK: Final = "largest_rank"
#: Casts that leave the weights as they are and compute in another format.
_COPYING: Final = ("autocast", "at-use", "at-gather")
#: Formats that PyTorch's operations are known in here.
_TRAINED_IN: Final = ("fp32", "bf16", "fp16")


@attrs.frozen(kw_only=True)
class Setup:
    """
    The structure of a job: what is traced, and what stands around it.

    Attributes:
        structure: What is traced.
        rule: The optimizer.
        data: The data-parallel ranks.
        accumulates: Whether gradients of several micro-batches are added up.
        states_on_host: Whether optimizer states live in the host's memory and come to the device for the step.
        shards_on_host: Whether the optimizer runs on the host, where parameters, gradients and states are.
        compiled: Whether a compiler merges what is pointwise.
        clips: Whether gradients are scaled by their norm before the optimizer's step.
        scales_loss: Whether the loss is scaled, for gradients in FP16.
        buffers: What stands beside the work where weights and gradients lie in buffers, as Megatron-LM has them.
    """

    structure: Structure
    rule: Rule
    data: DataParallel
    accumulates: bool
    states_on_host: bool
    shards_on_host: bool
    compiled: bool
    clips: bool
    scales_loss: bool
    buffers: Buffers | None = None


def setup_of(case: Case) -> Setup:
    """
    The structure of a *case*.

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It asks for something that is not modelled yet.
    """
    check(case)
    rule = _rule(case)
    in_backward = case.optimizer.when == "backward"
    accumulates = case.micro_batches > 1
    data = _data(case)
    buffers = _buffers(case)
    shape, runs, _ = shape_of(case)
    structure = Structure(
        architecture=case.architecture,
        emitter=emitter_of(case.runtime.framework),
        shape=shape,
        runs=runs,
        job=_job(case),
        stored=case.frozen_format,
        adapter=_adapter(case),
        fate=data.fate(used_up=in_backward or accumulates or buffers is not None),
        sharding=data.sharding or data.flat,
        steps_in_backward=rule if in_backward else None,
        frozen_layers=case.training.frozen_layers > 0,
        visits_in_backward=in_backward and case.optimizer.states_on == "host",
    )
    return Setup(
        structure=structure,
        rule=rule,
        data=data,
        accumulates=accumulates,
        states_on_host=case.optimizer.states_on == "host" and not data.on_host,
        shards_on_host=data.on_host,
        compiled=case.runtime.mode == "compiled",
        clips=case.training.max_grad_norm is not None,
        scales_loss=case.precision.loss_scaling,
        buffers=buffers,
    )


def _buffers(case: Case) -> Buffers | None:
    """The buffers of Megatron-LM; other runtimes have none."""
    if case.runtime.framework != "megatron":
        return None
    p = case.parallelism
    return Buffers(
        shared=p.shard > 0,
        several=case.ranks * p.context > 1,
        gradients_in=case.precision.gradients,
        expert=EXPERT if p.expert > 1 else 1.0,
    )


def sizes_of(case: Case) -> dict[str, float]:
    """What the letters of a case's structure stand for."""
    adapter, p = case.training.adapter, case.parallelism
    sizes = {
        **shape_of(case)[2],
        str(TOKENS): float(case.micro_batch_size * case.sequence_length / p.context),
        str(SEQUENCE): float(case.sequence_length),
        str(RANKS): float(case.ranks * p.context),
        **{str(letter): float(ways) for letter, ways in ((TENSOR, p.tensor), (CONTEXT, p.context), (EXPERT, p.expert))},
        str(SHARDS): float(case.ranks // p.replicate),
        str(COPIES): float(p.replicate),
        str(RANK): float(adapter.rank if adapter else 0),
    }
    if _is_deepspeed(case):
        return sizes | _touched(case, sizes)
    deals_out = p.shard == _DEALT_OUT and case.ranks > 1 and case.runtime.framework != "megatron"
    return sizes | _dealt_out(case, sizes) if deals_out else sizes


def _dealt_out(case: Case, sizes: Mapping[str, float]) -> dict[str, float]:
    """The same of the rank with the most optimizer states, where whole parameters are dealt out."""
    setup = setup_of(case)
    found = largest_part(setup.structure, setup.rule, tuple(sizes.items()), case.ranks)
    return {str(RANK_STATES): found.states, str(RANK_TEMPORARIES): found.temporaries, LARGEST_RANK: float(found.rank)}


def _touched(case: Case, sizes: Mapping[str, float]) -> dict[str, float]:
    """The same of the rank whose share of DeepSpeed's flat buffer touches the most."""
    rank, elements = most_touched(setup_of(case).structure, tuple(sizes.items()), case.ranks)
    bucket = float(case.parallelism.reduce_bucket_size)
    return {str(TOUCHED_ELEMENTS): elements, str(BUCKET_ELEMENTS): bucket, LARGEST_RANK: float(rank)}


def _is_deepspeed(case: Case) -> bool:
    return case.parallelism.implementation == "deepspeed" and case.ranks > 1


@functools.lru_cache(maxsize=1024)
def shape_and_runs(architecture: Architecture[Any], model: Model) -> tuple[Shape, tuple[Run, ...]]:
    """
    What an *architecture* makes of a *model*'s configuration.

    Raises:
        SpecError: With all faults of the configuration.
    """
    shape: Shape = architecture.shape(model.config)
    return shape, tuple(fold(architecture.layers(model.config)))


def _data(case: Case) -> DataParallel:
    """The data-parallel ranks; a single one shares nothing."""
    p, several = case.parallelism, case.ranks > 1
    if not several:
        return DataParallel()
    early = p.gradient_sync == "every" or (p.gradient_sync is None and p.shard >= _GRADIENTS)
    return DataParallel(
        stage=p.shard,
        several=True,
        sharding=_sharding(case, early=early) if p.shard == _PARAMETERS else None,
        flat=FlatPartition(ranks=RANKS) if _is_deepspeed(case) else None,
        bucket_views=p.gradient_as_bucket_view,
        last_only=not early,
    )


def _sharding(case: Case, *, early: bool) -> FullyShard:
    """How FSDP2 shards a case's parameters; *early* where each micro-batch sums its gradients between ranks."""
    p, precision = case.parallelism, case.precision
    on_host, several = p.parameters_on == "host", case.micro_batches > 1
    return FullyShard(
        stored=precision.weights,
        reduced=p.reduce_format or precision.gradients,
        reshards=p.reshard_after_forward,
        replicates=p.replicate > 1,
        adds=several and early,
        unsynced=0 if early else min(case.micro_batches - 1, 2),
        on_host=on_host,
    )


def _job(case: Case) -> Job:
    return Job(
        tokens=TOKENS,
        sequence_length=SEQUENCE,
        weights=case.precision.compute if case.precision.casts == "at-gather" else case.precision.weights,
        compute=case.precision.compute,
        casts=_CASTS[case.precision.casts],
        attention=case.runtime.attention,
        **treatment_of(case),
        adapters_only=case.training.adapter is not None,
        single_sequence=case.runtime.attention == "eager" and case.micro_batch_size == 1,
        window_binds=_window_binds(case),
        share=_share(case),
        windows=case.architecture.windows(case.model.config),
    )


def _share(case: Case) -> Share:
    """What one rank does of a job that is not cut into stages; degrees of more than one are letters."""
    p = case.parallelism
    tensor, context, expert = (
        letter if ways > 1 else 1.0 for letter, ways in ((TENSOR, p.tensor), (CONTEXT, p.context), (EXPERT, p.expert))
    )
    return Share(tensor=tensor, sequence=p.sequence > 1, context=context, exchange=p.context_exchange, expert=expert)


def _window_binds(case: Case) -> bool:
    """Whether a sequence is at least as long as the model's window."""
    window = case.architecture.window(case.model.config)
    return window is not None and case.sequence_length >= window


def _adapter(case: Case) -> Adapter | None:
    lora = case.training.adapter
    if lora is None:
        return None
    return Adapter(
        rank=RANK,
        targets=lora.names,
        format=lora.format,
        dropout=float(lora.dropout > 0),  # which share is dropped changes no size
        beside_packed=case.frozen_format is not None,
    )


def _rule(case: Case) -> Rule:
    """The optimizer, where the precision has a say in its states."""
    o, full = case.optimizer, case.precision.optimizer_states == "fp32" and case.precision.weights != "fp32"
    states: dict[str, States] = {"parameter": "fp32" if full and o.algorithm != "adafactor" else "parameter", **_STATES}
    return Rule(
        algorithm=o.algorithm,
        implementation="bitsandbytes" if o.state_format == "8bit-block" and o.implementation != "torchao" else o.implementation,
        states=states[o.state_format],
        master=o.master or case.precision.master_weights is not None,
        paged=o.states_on == "paged",
        embeddings_in_full=o.embedding_states == "fp32",
    )


def check(case: Case) -> None:
    """
    Refuse a case that contradicts itself, or asks for what is not modelled.

    Raises:
        JobError: With all contradictions.
        UnsupportedError: With the first thing that is not modelled.
    """
    faults = tuple(_contradictions(case))
    if faults:
        raise JobError(faults)
    for what, reason in _not_modelled(case):
        raise UnsupportedError(what, reason)


def _contradictions(case: Case) -> Iterator[str]:
    training, optimizer = case.training, case.optimizer
    if optimizer.when == "backward" and case.micro_batches > 1:
        yield (
            f"an optimizer that runs in backward uses gradients up before a second micro-batch could add to them, and a "
            f"step of {training.global_batch_size} sequences has {case.micro_batches} micro-batches of "
            f"{case.micro_batch_size} on each of {case.ranks} ranks: set global_batch_size to "
            f"{case.micro_batch_size * case.ranks}, or run the optimizer at the step @ Training.global_batch_size"
        )
    if optimizer.when == "backward" and training.max_grad_norm is not None:
        yield (
            "an optimizer that runs in backward uses gradients up before the norm of all of them is known: leave "
            "max_grad_norm out, or run the optimizer at the step @ Training.max_grad_norm"
        )
    if optimizer.when == "backward" and case.ranks > 1:
        yield "an optimizer that runs in backward uses gradients up before ranks could add theirs @ Optimizer.when"
    if case.frozen_format and training.adapter is None:
        yield (
            f"weights in {case.frozen_format.name} cannot be trained ({case.frozen_format.reason}): train an adapter "
            f"beside them, as Training(adapter=LoRA(rank=16)), or choose a precision that can be trained, such as 'bf16' "
            f"@ Precision.frozen_weights"
        )
    longest = case.architecture.position_limit(case.model.config)
    if longest is not None and case.sequence_length > longest:
        yield f"the model has a table of {longest} positions, and a sequence has {case.sequence_length} @ Training.sequence_length"
    if case.ranks > case.machine.count:
        yield f"{case.ranks} data-parallel ranks need as many devices, and the machine has {case.machine.count} @ Parallelism.data"
    if case.price is not None and case.price.hardware != case.hardware.name:
        yield f"{case.price.name} is the price of a {case.price.hardware}, and the job runs on {case.hardware.name} @ Site.price"
    rest = (training.global_batch_size or 1) % (case.micro_batch_size * case.ranks)
    if rest:
        yield (
            f"a step of {training.global_batch_size} sequences cannot be cut into micro-batches of {case.micro_batch_size} on "
            f"{case.ranks} ranks: {rest} would be left over @ Training.global_batch_size"
        )
    yield from sharing.contradictions(case)
    yield from contradictions(case)
    if training.loss == "chunked" and training.loss_chunks > case.micro_batch_size * case.sequence_length:
        yield f"{training.loss_chunks} chunks are more than the tokens of a micro-batch @ Training.loss_chunks"


def _not_modelled(case: Case) -> Iterator[tuple[str, str]]:
    precision = case.precision
    yield from sharing.not_modelled(case)
    yield from _sharding_not_modelled(case)
    if precision.casts not in _CASTS:
        yield f"casts {precision.casts!r}", f"modelled are: {', '.join(_CASTS)}"
    for role in ("weights", "compute"):
        if getattr(precision, role) not in _TRAINED_IN:
            yield (
                f"training with {role} in {getattr(precision, role)}",
                f"PyTorch's operations are modelled for {', '.join(_TRAINED_IN)}",
            )
    yield from _optimizer_not_modelled(_rule(case), precision)
    yield from _formats_not_modelled(precision, case.runtime.framework)
    yield from not_modelled(case)


def _optimizer_not_modelled(rule: Rule, precision: Precision) -> Iterator[tuple[str, str]]:
    """States in FP32 or a master copy beside weights in 16 bits, where the step's copies are not known."""
    in_full = rule.master or (rule.states == "fp32" and rule.implementation != "bitsandbytes")
    if in_full and precision.weights != "fp32" and rule.algorithm not in _KEPT_IN_FULL:
        yield (
            f"{rule.algorithm} with states in fp32 or a master copy beside weights in {precision.weights}",
            f"that is modelled for {', '.join(_KEPT_IN_FULL)}",
        )


def _sharding_not_modelled(case: Case) -> Iterator[tuple[str, str]]:
    """What DeepSpeed and FSDP2 cannot do, or is not known of them."""
    if _is_deepspeed(case):
        yield from _deepspeed_not_modelled(case)
    sharded = case.parallelism.shard == _PARAMETERS and case.ranks > 1
    if case.precision.casts == "at-gather" and not sharded:
        yield "casts at-gather without gathers", "weights are cast when they are gathered, which is stage 3 on several ranks"
    if not sharded:
        return
    if case.optimizer.algorithm == "muon":
        yield "Muon over FSDP2's shards", "it orthogonalises whole matrices, and what gathers them for it is not modelled"
    if case.frozen_format:
        yield f"FSDP2 over weights packed in {case.frozen_format.name}", "how packed weights are cut and gathered is not modelled"


def _deepspeed_not_modelled(case: Case) -> Iterator[tuple[str, str]]:
    p, o = case.parallelism, case.optimizer
    if p.shard != _GRADIENTS:
        yield f"DeepSpeed's stage {p.shard}", "its flat buffers and buckets are known in stage 2"
    if case.precision.casts != "master-copy":
        yield (
            f"the precision {case.precision.name} in DeepSpeed",
            "modelled are 16-bit weights with a master copy, as 'bf16-master'",
        )
    if (o.algorithm, o.when, o.states_on) != ("adamw", "step", "device"):
        yield f"the optimizer {o.name} in DeepSpeed", "modelled is AdamW at the step, on the device"
    if case.training.adapter or case.frozen_format:
        yield "adapters in DeepSpeed", "what it does with frozen weights is not known"


def _formats_not_modelled(precision: Precision, framework: str) -> Iterator[tuple[str, str]]:
    """Roles whose format follows from another's wherever it is modelled."""
    weights, compute = precision.weights, precision.compute
    carried = compute if precision.casts in _COPYING else weights
    modelled: dict[str, tuple[str | None, ...]] = {
        "compute": (carried,),
        "activations": (carried,),
        "gradients": (weights, "fp32") if framework == "megatron" else (weights,),
        "optimizer_states": (weights, "fp32"),
        "master_weights": (None, "fp32"),
    }
    for role, formats in modelled.items():
        given = getattr(precision, role)
        if given not in formats:
            known = " or ".join(str(f) for f in dict.fromkeys(formats))
            beside = f"weights in {weights} and casts {precision.casts!r}"
            yield f"{role} in {given} beside {beside}", f"modelled there is {known} @ Precision.{role}"
