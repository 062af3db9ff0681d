"""Random small jobs, complete or nearly so, for the property tests of plans and of what they are made of."""

from typing import Any

import attrs
from hypothesis import strategies as st

from llmplan.completing import complete
from llmplan.errors import SpecError
from llmplan.evaluating.case import Case
from llmplan.nouns.lora import LoRA
from llmplan.nouns.model import Model
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.training import Training
from llmplan.planning import resolved_case
from llmplan.registry import optimizers, runtimes
from llmplan.sources import Source
from structures import configs

MADE_UP = Source(kind="generated", title="made up for a test")

#: Optimizers whose step is known beside a master copy.
_WITH_MASTER = ("adamw", "muon", "sgd", "sgd-momentum")

#: Names that a layer's count has in the configurations of each family.
LAYERS = ("n_layer", "num_hidden_layers")


@st.composite
def models(draw: st.DrawFn) -> Model:
    """A small model of any family."""
    architecture, config = draw(configs())
    return Model(name="made-up", architecture=architecture.name, config=config, source=MADE_UP)


def optimizers_of_all_kinds() -> st.SearchStrategy[Optimizer]:
    """The published ones, and each of their ways to run."""
    published = st.sampled_from([optimizers[name] for name in sorted(optimizers)])
    loops = st.builds(lambda o: changed(o, implementation="loop"), published)
    on_host = st.builds(lambda o: changed(o, states_on="host"), published)
    return st.one_of(published, loops, on_host)


def changed(optimizer: Optimizer, **changes: Any) -> Optimizer:
    """The *optimizer* changed, or as it is where it cannot be changed so."""
    try:
        return optimizer.evolve(**changes)
    except SpecError:
        return optimizer


@st.composite
def jobs(draw: st.DrawFn, **fixed: Any) -> dict[str, Any]:
    """What :func:`case_of` takes, with some of it *fixed*."""
    model = draw(models())
    grouped = model.get("num_key_value_heads", 1) != model.get("num_attention_heads", 1)
    precision = draw(st.sampled_from(["bf16", "bf16-autocast", "bf16-cast", "bf16-master", "fp32"]))
    eager = draw(st.booleans()) or (precision in ("fp32", "bf16-cast") and grouped)
    micro = draw(st.integers(1, 4))
    made = {
        "model": model,
        "machine": "h100-sxm",
        "precision": precision,
        "attention": "eager" if eager else "flash",
        "micro_batch_size": micro,
        "micro_batches": draw(st.sampled_from([1, 2, 5])),
        "sequence_length": draw(st.sampled_from([16, 64])),
        "optimizer": draw(optimizers_of_all_kinds().filter(lambda o: precision != "bf16-master" or o.algorithm in _WITH_MASTER)),
        "recompute": draw(st.sampled_from(["none", "full", "attention", "attention-core"])),
        "loss": draw(st.sampled_from(["plain", "chunked"])),
        "adapter": draw(st.sampled_from([None, LoRA(rank=1), LoRA(rank=4)])),
        "parallelism": Parallelism(data=1),
    }
    return made | fixed


def case_of(job: dict[str, Any], **changes: Any) -> Case:
    """The complete case of a *job*, with some of it changed."""
    made = job | changes
    ranks = made["parallelism"].data or 1
    training = Training(
        tokens=1e9,
        micro_batch_size=made["micro_batch_size"],
        global_batch_size=made["micro_batch_size"] * made["micro_batches"] * ranks,
        **{name: made[name] for name in ("sequence_length", "optimizer", "recompute", "loss", "adapter")},
        **{name: made[name] for name in ("trainable", "frozen_layers", "dropout") if name in made},
    )
    case, _ = resolved_case(
        made["model"],
        made["machine"],
        training,
        precision=made["precision"],
        parallelism=made["parallelism"],
        runtime=runtimes["pytorch"].evolve(attention=made["attention"]),
    )
    return complete(case)[0]


def with_layers(model: Model, more: int) -> Model:
    """The same *model* with so many layers more."""
    config = dict(model.config)
    for name in LAYERS:
        if name in config:
            config[name] += more
    return attrs.evolve(model, config=config)
