"""Random structures with their sizes, for the property tests of the program."""

from hypothesis import strategies as st

from llmplan.architectures.gpt2 import GPT2
from llmplan.architectures.llama import LLAMA
from llmplan.architectures.nanochat import NANOCHAT_2025, NANOCHAT_2026
from llmplan.evaluating.tracing import RANK, SEQUENCE, TOKENS, Structure, repeats, shortened
from llmplan.parallel.data import RANKS
from llmplan.parallel.fsdp import FullyShard
from llmplan.parallel.sharding import COPIES, SHARDS
from llmplan.program.emit import Job
from llmplan.program.layer import Adapter
from llmplan.program.stretch import Run, fold, treated
from llmplan.runtimes.pytorch import PyTorch

EIGHTHS = st.integers(1, 6).map(lambda n: 8 * n)


@st.composite
def configs(draw):
    """An architecture and a small configuration of it."""
    heads, head_dim, layers = draw(st.sampled_from([1, 2, 4])), draw(EIGHTHS), draw(st.integers(1, 13))
    words = draw(st.integers(1, 400))
    which = draw(st.sampled_from([GPT2, LLAMA, NANOCHAT_2025, NANOCHAT_2026]))
    if which is GPT2:
        return which, {
            "n_embd": heads * head_dim,
            "n_head": heads,
            "n_layer": layers,
            "vocab_size": words,
            "n_positions": 64,
            "tie_word_embeddings": draw(st.booleans()),
        }
    if which is LLAMA:
        return which, {
            "hidden_size": draw(EIGHTHS),
            "num_attention_heads": heads,
            "num_key_value_heads": draw(st.sampled_from([k for k in (1, 2, 4) if heads % k == 0])),
            "head_dim": head_dim,
            "num_hidden_layers": layers,
            "intermediate_size": draw(st.integers(1, 200)),
            "vocab_size": words,
            "tie_word_embeddings": draw(st.booleans()),
        }
    return which, {"n_embd": heads * head_dim, "n_head": heads, "n_layer": layers, "vocab_size": words, "sequence_len": 64}


@st.composite
def shardings(draw, weights):
    """A way of sharding a model whose *weights* have that format."""
    early = draw(st.booleans())
    return FullyShard(
        stored=draw(st.sampled_from([weights, "fp32"])),
        reduced=draw(st.sampled_from([weights, "fp32"])),
        reshards=draw(st.booleans()),
        replicates=draw(st.booleans()),
        adds=early,
        unsynced=0 if early else draw(st.integers(0, 2)),
        on_host=draw(st.booleans()),
    )


@st.composite
def cases(draw):
    """A structure in letters, what its letters stand for, and its runs as they are."""
    which, config = draw(configs())
    weights, casts = draw(st.sampled_from([("bf16", "none"), ("fp32", "none"), ("fp32", "autocast")]))
    fp32 = (weights, casts) == ("fp32", "none")
    eager = draw(st.booleans())
    batch, length = draw(st.integers(1, 4)), draw(st.sampled_from([16, 64]))
    lora = draw(st.booleans())
    recompute = draw(st.sampled_from([None, "block", "attention", "attention-core"]))
    job = Job(
        tokens=TOKENS,
        sequence_length=SEQUENCE,
        weights=weights,
        compute="fp32" if fp32 else "bf16",
        casts=casts,
        attention="eager" if eager else "flash",
        recompute=recompute,
        saves=draw(st.sampled_from(["nothing", "products", "every-second-product"])) if recompute == "block" else "nothing",
        offloads=recompute == "block" and draw(st.booleans()),
        loss=draw(st.sampled_from(["plain", "half", "fused"])),
        trains=draw(st.none() | st.just(frozenset({"norm"})) | st.just(frozenset({"head", "matrix"}))),
        loss_chunks=draw(st.sampled_from([1, 2, 4])),
        adapters_only=lora,
        single_sequence=eager and batch == 1,
    )
    every, frozen = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([0, 0, 1]))
    layers = treated(which.layers(config), every, min(frozen, len(which.layers(config)) - 1))
    shape, runs = which.shape(config), tuple(fold(layers))
    # nanochat keeps its tables in BF16 when its other weights are FP32, and FSDP2 takes one format.
    one_format = not which.name.startswith("nanochat") or job.casts == "none"
    sharding = draw(st.none() | shardings(weights)) if one_format else None
    structure = Structure(
        architecture=which,
        emitter=PyTorch,
        shape=shape.in_letters(),
        runs=shortened(runs),
        job=job,
        adapter=Adapter(rank=RANK) if lora else None,
        frozen_layers=frozen > 0,
        fate="stays" if sharding else draw(st.sampled_from(["stays", "taken", "sharded"])),
        sharding=sharding,
    )
    copies = draw(st.integers(1, 3))
    shards = draw(st.integers(1, 8))
    values = {
        **shape.sizes(),
        **repeats(runs),
        str(TOKENS): float(batch * length),
        str(SEQUENCE): float(length),
        str(RANKS): float(copies * shards),
        str(SHARDS): float(shards),
        str(COPIES): float(copies),
        str(RANK): float(draw(st.integers(1, 4))),
    }
    return structure, values, runs


def unrolled(runs):
    """The same layers, each written down by itself."""
    return tuple(Run(run.period, 1) for run in runs for _ in range(run.repeat))
