"""The settings of the demonstration, as anybody could plan them."""

from collections.abc import Iterator

import llmplan
from llmplan.cli.demo.rows import Setting

MODEL, CARD, LAPTOP, SERVER = "nanochat-d32", "rtx-4070", "rtx-4070-laptop", "8x h100-sxm"
TOKENS = 38e9
#: Half a million tokens a step, as nanochat trains.
STEP = 256


def home() -> "llmplan.Site":
    """A household in Taiwan that uses 345 kWh a month, the job beginning in December."""
    return llmplan.Site(
        tariff="tw-residential",
        grid="tw",
        baseline_kwh_per_month=345,
        start="2026-12-01",
        exchange_rate="31.828 TWD/USD on 2026-03-10",
    )


def asked() -> Iterator[Setting]:
    """The four settings of the table that people are given."""
    yield Setting(
        title="FP16/BF16, no quantization",
        make=lambda: llmplan.plan(MODEL, CARD, _training(), precision="bf16", site=home()),
    )
    yield Setting(
        title="4-bit (QLoRA style) with gradient checkpointing: as pre-training",
        make=lambda: llmplan.plan(MODEL, CARD, _training(recompute="full"), precision="qlora-nf4", site=home()),
    )
    yield Setting(
        title="  ... what it really is: adapters of rank 16 beside a frozen 4-bit base",
        remark="This adapts a model that somebody has pre-trained; it cannot make one.",
        make=lambda: llmplan.plan(
            MODEL, CARD, _training(recompute="full", adapter=llmplan.LoRA(rank=16)), precision="qlora-nf4", site=home()
        ),
    )
    yield Setting(
        title="3-bit or NF4 with AdamW-8bit: adapters again",
        remark="8-bit states of the adapters save megabytes; of the frozen weights there are none to save.",
        make=lambda: llmplan.plan(
            MODEL,
            CARD,
            _training(recompute="full", optimizer="adamw-8bit", adapter=llmplan.LoRA(rank=16)),
            precision="qlora-nf4-dq",
            site=home(),
        ),
    )
    yield Setting(
        title="Experimental 2.5-2.7 bit",
        remark=_no_such_format(),
        make=lambda: llmplan.plan(
            MODEL,
            CARD,
            _training(),
            precision=llmplan.precisions["bf16"].evolve(name="2.5-bit", frozen_weights="2.5-bit"),
            site=home(),
        ),
    )


def fitting() -> Iterator[tuple[str, str, "llmplan.Training", str]]:
    """What makes full training fit, step by step: name, model, workload, precision."""
    yield "BF16, AdamW", MODEL, _training(), "bf16"
    eight = _training(optimizer="adamw-8bit")
    yield "+ 8-bit states", MODEL, eight, "bf16"
    yield "+ full recompute", MODEL, eight.evolve(recompute="full"), "bf16"
    chunked = eight.evolve(recompute="full", loss="chunked")
    yield "+ chunked loss", MODEL, chunked, "bf16"
    host = llmplan.optimizers["adamw-8bit"].evolve(states_on="host")
    yield "+ states on the host", MODEL, chunked.evolve(optimizer=host), "bf16"
    backward = llmplan.optimizers["adamw-8bit"].evolve(when="backward")
    in_backward = chunked.evolve(optimizer=backward, global_batch_size=None, micro_batch_size=None)
    yield "or optimizer in backward", MODEL, in_backward, "bf16"
    yield "... depth 20 instead", "nanochat-d20", in_backward, "bf16"
    yield "... 15e9 tokens", MODEL, in_backward.evolve(tokens=15e9), "bf16"


def laptop() -> Iterator[Setting]:
    """The laptop card, 8 GB and 115 W."""
    backward = llmplan.optimizers["adamw-8bit"].evolve(when="backward")
    work = _training(recompute="full", loss="chunked", optimizer=backward).evolve(global_batch_size=None, micro_batch_size=None)
    yield Setting(
        title="BF16, 8-bit AdamW in backward, full recompute, chunked loss",
        make=lambda: llmplan.plan(MODEL, LAPTOP, work, precision="bf16", site=home()),
    )
    yield Setting(
        title="the same for depth 20",
        make=lambda: llmplan.plan("nanochat-d20", LAPTOP, work, precision="bf16", site=home()),
    )
    host = backward.evolve(states_on="host")
    yield Setting(
        title="depth 32, states on the host as well",
        make=lambda: llmplan.plan(MODEL, LAPTOP, work.evolve(optimizer=host), precision="bf16", site=home()),
    )


def server(runtime: str, micro_batch_size: int | None = None) -> "llmplan.Plan":
    """Eight H100 with nanochat's optimizer, its states sharded, by eager or compiled code."""
    work = llmplan.Training(tokens=TOKENS, global_batch_size=STEP, micro_batch_size=micro_batch_size, optimizer="muon")
    where = llmplan.Site(price="aws-p5-48xlarge", grid="us")
    return llmplan.plan(MODEL, SERVER, work, runtime=runtime, parallelism=llmplan.Parallelism(shard=1), site=where)


def _training(**changes: object) -> "llmplan.Training":
    work = llmplan.Training(tokens=TOKENS, sequence_length=2048, micro_batch_size=1, global_batch_size=STEP)
    return work.evolve(**changes) if changes else work


def _no_such_format() -> str:
    """What is known of formats below four bits."""
    formats = [llmplan.formats[name] for name in sorted(llmplan.formats)]
    trained = ", ".join(f.name for f in formats if f.trainable)
    return (
        f"No format of 2.5 to 2.7 bits is known here, and none below 16 bits holds weights that can be trained "
        f"({trained} can): a step of the optimizer is far smaller than the distance between two of its values."
    )
