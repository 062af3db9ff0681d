"""Memory of Megatron-LM's runs on real cards: what PyTorch's counters said on each rank, predicted from the settings alone."""

from collections.abc import Mapping
from typing import Any, Final

from llmplan.errors import SpecError, UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.fitting import reserved
from llmplan.evaluating.memory import memory
from llmplan.evaluating.overheads import TRANSFORMER_ENGINE_WORKSPACE
from llmplan.nouns.model import Model
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.training import Training
from llmplan.planning import resolved_case
from llmplan.registry import resolve
from llmplan.sources import Source

_SOURCE: Final = Source(kind="measurement", title="a measured run")
_MIB: Final = 2.0**20
#: The allocated peak does not depend on the card; this machine has cards enough.
_ANY_MACHINE: Final = "8x a100-sxm-80gb"
#: What PyTorch's counters include beside a program's own tensors: Transformer Engine's workspace on Hopper and later,
#: and two of cuBLAS's, 8.125 MiB each, for the thread of the forward and that of autograd, on ranks whose output layer
#: or router is a product of PyTorch's (PyTorch 2.10, ``aten/src/ATen/cuda/CUDABlas``: 32 MiB are compute capability 9.0's alone).
_COUNTED: Final = TRANSFORMER_ENGINE_WORKSPACE
_COUNTED_WITH_PRODUCTS: Final = 2.0 * 8.125 * _MIB
_PRECISIONS: Final = {("bf16", "fp32"): "fp32", ("bf16", "bf16"): "bf16"}


def is_run(case: Mapping[str, Any]) -> bool:
    """Whether a case is a run on several cards, with what each of them counted."""
    measured = case.get("measured")
    return isinstance(measured, Mapping) and "by_rank_mib" in measured


def inputs_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the predictor may see: neither the run's name nor its result."""
    return {k: v for k, v in run.items() if k not in ("id", "name", "measured")}


def measured_of(run: Mapping[str, Any], path: str) -> dict[str, float]:
    """
    The largest of the ranks. [byte]

    Raises:
        SpecError: The counters are not there.
    """
    try:
        ranks = [*run["measured"]["by_rank_mib"].values()]
        return {
            "peak": max(float(r["max_allocated_mib"]) for r in ranks) * _MIB,
            "reserved": max(float(r["max_reserved_mib"]) for r in ranks) * _MIB,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(path, (f"expected counters by rank, got {error!r} @ cases.measured.by_rank_mib",)) from None


def predict_run(inputs: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """
    Low, likely and high of each quantity of a run. [byte]

    Args:
        inputs: The run's settings, as data/megatron_b200.json states them.

    Raises:
        SpecError: The run does not say something, or what it says cannot be.
        UnsupportedError: It asks for something that is not modelled.
    """
    case = run_of(inputs)
    found = memory(case)
    products = found.stage == case.parallelism.pipeline - 1 or "num_experts" in inputs["model"]
    peak = found.peak + _COUNTED + (_COUNTED_WITH_PRODUCTS if products else 0.0)
    return {"peak": (peak, peak, peak), "reserved": reserved(peak).si}


def run_of(inputs: Mapping[str, Any]) -> Case:
    """The job that a run's settings describe."""
    said = _Said(inputs)
    gradients = _PRECISIONS.get((said["dtype"], said["gradients"]))
    if gradients is None or said["recompute"] not in ("none", "full"):
        raise UnsupportedError(f"{said['dtype']} with {said['gradients']} gradients", "modelled are bf16 weights")
    if said["moe_capacity_factor"] not in (None, 1):
        raise UnsupportedError(
            f"a capacity of {said['moe_capacity_factor']}", "modelled are experts with even shares of the tokens"
        )
    parallelism = Parallelism(
        data=said["data"],
        shard=1 if said["distributed_optimizer"] else 0,
        tensor=said["tensor"],
        sequence=said["tensor"] if said["sequence_parallel"] else 1,
        context=said["context"],
        context_exchange=said["context_comm"],
        pipeline=said["pipeline"],
        expert=said["expert"],
    )
    workload = Training(
        tokens=1e9,
        sequence_length=said["seq"],
        micro_batch_size=said["micro_batch"],
        global_batch_size=said["micro_batch"] * said["micro_batches_per_step"] * said["data"],
        recompute=said["recompute"],
        loss="fused" if said["cross_entropy_fused"] else "plain",
    )
    precision = resolve("precision", "bf16-master").evolve(gradients=gradients)
    case, _ = resolved_case(_model(said), _ANY_MACHINE, workload, precision=precision, parallelism=parallelism, runtime="megatron")
    return case


class _Said(dict[str, Any]):
    """What a run says; what it does not say is a fault of the run."""

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        raise SpecError("a run", (f"required field missing @ cases.{key}",))


def _model(said: Mapping[str, Any]) -> Model:
    """The model of a run."""
    given = _Said(said["model"])
    write = {"dense": _dense, "mla-moe": _latent_mixture}.get(given["kind"])
    if write is None:
        raise UnsupportedError(f"the model {given['kind']!r:.80}", "modelled in Megatron-LM are dense decoders and latent mixtures")
    config = {
        "hidden_size": given["hidden_size"],
        "num_attention_heads": given["num_attention_heads"],
        "intermediate_size": given["intermediate_size"],
        "num_hidden_layers": said["num_hidden_layers"],
        # These runs have no text: their NullTokenizer adds a word that ends a document (``--tokenizer-type``).
        "vocab_size": given["vocab_size"] + 1,
        "max_position_embeddings": said["seq"],
        "tie_word_embeddings": False,
    }
    architecture, own = write(given)
    return Model(name=architecture, architecture=architecture, config=config | own, source=_SOURCE)


def _dense(m: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "llama", {"num_key_value_heads": m["num_key_value_heads"], "head_dim": m["head_dim"]}


def _latent_mixture(m: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """DeepSeek's second generation, by its own names; shared experts stand side by side."""
    names = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "num_experts_per_tok")
    return "deepseek_v2", {name: m[name] for name in names} | {
        "n_routed_experts": m["num_experts"],
        "first_k_dense_replace": m["dense_layers"],
        "moe_intermediate_size": m["moe_intermediate_size"],
        "n_shared_experts": m["shared_intermediate_size"] // m["moe_intermediate_size"],
        "topk_method": "group_limited_greedy",
    }
