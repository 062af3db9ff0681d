"""Sharing: what a job must keep that cuts matrices, sequences, experts or layers among ranks, and what is modelled of it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmplan.evaluating.case import Case
from llmplan.parallel.pipeline import pieces

#: Frameworks whose code is known with each way of cutting.
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "tensor": ("megatron", "pytorch"),
    "sequence": ("megatron", "pytorch"),
    "context": ("megatron",),
    "pipeline": ("megatron", "pytorch"),
    "expert": ("megatron",),
}
#: What the fields of a shape are called that ranks must divide.
_DIVIDED: Final = {"num_attention_heads": "query heads", "num_key_value_heads": "key-value heads"}


def contradictions(case: Case) -> Iterator[str]:
    """What cannot be cut so."""
    p, length = case.parallelism, case.sequence_length
    devices = case.ranks * p.ranks_per_replica
    if p.ranks_per_replica > 1 and devices > case.machine.count:
        yield (
            f"{case.ranks} data-parallel ranks of {p.ranks_per_replica} devices each need {devices}, and the machine has "
            f"{case.machine.count} @ Parallelism.data"
        )
    if length % (p.context * (2 if p.context > 1 else 1)):
        yield f"{p.context} ranks share a sequence in two pieces each, which do not divide {length} tokens @ Parallelism.context"
    if p.sequence > 1 and case.micro_batch_size * length / p.context % p.tensor:
        yield f"{p.tensor} ranks do not divide the tokens of a micro-batch @ Parallelism.sequence"
    yield from _heads(case)
    yield from _experts(case)
    try:
        pieces(len(case.architecture.layers(case.model.config)), *_stages(case))
    except ValueError as error:
        yield f"{error} @ Parallelism.pipeline"
    if p.virtual_stages > 1 and case.micro_batches % p.pipeline:
        yield (
            f"interleaving takes {p.pipeline} micro-batches at a time, one a stage, and a step has {case.micro_batches} "
            f"@ Parallelism.virtual_stages"
        )


def _heads(case: Case) -> Iterator[str]:
    """Whole heads, and whole columns, on each rank."""
    p, shape = case.parallelism, case.architecture.shape(case.model.config)
    for name in case.architecture.cut if p.tensor > 1 else ():
        if float(getattr(shape, name)) % p.tensor:
            what = _DIVIDED.get(name, name)
            yield f"{p.tensor} ranks do not divide the model's {getattr(shape, name):g} {what} @ Parallelism.tensor"
    for name, what in _DIVIDED.items():
        heads = getattr(shape, name, None)
        if p.context > 1 and p.context_exchange == "a2a" and heads is not None and heads / p.tensor % p.context:
            yield f"{p.context} ranks trade tokens for {what} and do not divide {heads / p.tensor:g} @ Parallelism.context"


def _experts(case: Case) -> Iterator[str]:
    """Whole experts on each rank, and ranks to take them from."""
    p, shape = case.parallelism, case.architecture.shape(case.model.config)
    experts = getattr(shape, "num_experts", None)
    if p.expert > 1 and experts is None:
        yield f"the model has no experts that {p.expert} ranks could share @ Parallelism.expert"
    elif p.expert > 1 and experts is not None and experts % p.expert:
        yield f"{p.expert} ranks do not divide the model's {experts:g} experts @ Parallelism.expert"
    if case.ranks * p.context % p.expert:
        others = case.ranks * p.context
        yield f"{p.expert} ranks that share experts are taken from the {others} that see other tokens @ Parallelism.expert"


def _stages(case: Case) -> tuple[int, int, int | None, int | None]:
    p = case.parallelism
    return p.pipeline, p.virtual_stages, p.first_stage_layers, p.last_stage_layers


def layers_by_stage(case: Case) -> list[list[range]]:
    """The layers of each piece of each stage."""
    return pieces(len(case.architecture.layers(case.model.config)), *_stages(case))


def not_modelled(case: Case) -> Iterator[tuple[str, str]]:
    """What a way of cutting is not modelled with, and why."""
    p, framework = case.parallelism, case.runtime.framework
    asked = {name: getattr(p, name) for name in _KNOWN if getattr(p, name) > 1}
    for name in asked:
        if framework not in _KNOWN[name]:
            known = " and ".join(_KNOWN[name]) or "none"
            yield f"{name} parallelism in the runtime {framework}", f"what it keeps and sends is known of: {known}"
    if p.tensor > 1 and not case.architecture.cut:
        yield f"tensor parallelism of {case.architecture.name}", "how its matrices are cut is not said"
    if p.pipeline > 1 and not case.architecture.streams_alone:
        yield f"pipeline parallelism of {case.architecture.name}", "its blocks need more than the stream of the stage before"
    if p.pipeline > 1 and p.schedule == "zero-bubble":
        yield "the zero-bubble schedule", "what waits for the weights' gradients is not walked apart"
    if asked:
        yield from _with_sharing(case, asked)
    if framework == "megatron":
        yield from _of_megatron(case)


def _with_sharing(case: Case, asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ways = " and ".join(asked)
    if case.training.adapter is not None or case.frozen_format is not None:
        yield f"adapters with {ways} parallelism", "how an adapter is cut is not modelled"
    if case.runtime.attention != "flash":
        yield f"scores made in full with {ways} parallelism", "modelled is flash attention"
    if case.precision.casts not in ("none", "master-copy"):
        yield f"casts {case.precision.casts!r} with {ways} parallelism", "modelled are weights that are computed with as they are"
    if case.parallelism.shard > 1 and case.ranks > 1:
        yield f"ZeRO stage {case.parallelism.shard} with {ways} parallelism", "modelled are stages 0 and 1"
    training = case.training
    if training.loss != "plain" and case.runtime.framework != "megatron":
        yield f"a {training.loss} loss with {ways} parallelism", "modelled is the plain one over shared words"
    if training.dropout or training.frozen_layers or training.trainable not in (None, "all"):
        yield f"dropout or frozen weights with {ways} parallelism", "their masks and what needs no gradient are not cut"
    if case.recompute.every != 1 and "pipeline" in asked:
        yield "recomputing every few layers of a stage", "modelled is every layer, or none"
    if case.optimizer.when == "backward" or case.optimizer.states_on == "host" or case.optimizer.algorithm == "muon":
        yield (
            f"the optimizer {case.optimizer.name} with {ways} parallelism",
            "modelled are optimizers of single elements at the step",
        )


def _of_megatron(case: Case) -> Iterator[tuple[str, str]]:
    o, p = case.optimizer, case.precision
    if (o.algorithm, o.when, o.states_on) != ("adamw", "step", "device") or o.state_format == "8bit-block":
        yield f"the optimizer {o.name} in Megatron-LM", "modelled is AdamW with FP32 states, at the step, on the device"
    if p.casts != "master-copy" or p.master_weights != "fp32":
        yield (
            f"the precision {p.name} in Megatron-LM",
            "modelled are 16-bit weights with a master copy in FP32, such as 'bf16-master'",
        )
    if case.parallelism.shard > 1:
        yield f"ZeRO stage {case.parallelism.shard} in Megatron-LM", "its distributed optimizer is stage 1"
    if case.training.adapter is not None or case.training.loss == "chunked":
        yield "adapters and chunked losses in Megatron-LM", "modelled are whole models and whole logits"
