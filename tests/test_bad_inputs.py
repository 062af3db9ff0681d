"""
Every wrong input ends in a child of LlmplanError that says what was wrong, where, what was expected and what is near.

Nothing else escapes, whatever is put in, and nothing takes long.
"""

import json
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import llmplan
from llmplan import (
    FineTuning,
    JobError,
    LlmplanError,
    LoRA,
    Machine,
    Parallelism,
    Plan,
    Recompute,
    Runtime,
    Serving,
    Site,
    Source,
    Sourced,
    SpecError,
    Training,
    UnitError,
    UnknownNameError,
    UnsupportedError,
    hardwares,
    machines,
    models,
    optimizers,
    precisions,
    read,
)
from llmplan.evaluating.case import Case

MADE_UP = Source(kind="generated", title="made up for a test")
LLAMA = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 512,
    "vocab_size": 1000,
}
GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_head": 2, "n_layer": 2, "vocab_size": 100, "n_positions": 128}
NANOCHAT = {"model_type": "nanochat-2026", "n_embd": 256, "n_head": 2, "n_layer": 2, "vocab_size": 1000}
CARD = hardwares["rtx-4090"]
IN_BACKWARD = optimizers["adamw"].evolve(when="backward")


def plan(
    model: Any = "gpt2",
    machine: Any = "rtx-4090",
    training: Any = None,
    *,
    site: Any = None,
    precision: Any = None,
    parallelism: Any = None,
    runtime: Any = None,
    calibration: Any = None,
) -> Plan:
    """A plan with one thing in it that a test is about."""
    work = Training(tokens=1e9) if training is None else training
    return llmplan.plan(
        model,
        machine,
        work,
        site=site,
        precision=precision,
        parallelism=parallelism,
        runtime=runtime,
        calibration=calibration,
    )


def job(**knobs: Any) -> Callable[[], Plan]:
    """A plan of a Training of a billion tokens with these *knobs*."""
    return lambda: plan(training=Training(tokens=1e9, **knobs))


def nested(depth: int) -> dict[str, Any]:
    """Tables inside tables."""
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"inner": made}
    return made


def holds_itself() -> dict[str, Any]:
    """A table inside itself."""
    made: dict[str, Any] = dict(GPT2)
    made["self"] = made
    return made


def case_of(**changes: Any) -> Case:
    """A complete case, with some of its fields changed."""
    made = plan(training=Training(tokens=1e9, micro_batch_size=1, global_batch_size=1)).case
    return attrs.evolve(made, **changes)


WORKLOADS = {
    "tokens: not a number": (lambda: Training(tokens=math.nan), SpecError, r"finite number, got nan @ Training\.tokens"),
    "tokens: infinite": (lambda: Training(tokens=math.inf), SpecError, r"finite number, got inf @ Training\.tokens"),
    "tokens: negative": (lambda: Training(tokens=-1), SpecError, r"above 0 .* got -1 @ Training\.tokens"),
    "tokens: none": (lambda: Training(tokens=0), SpecError, r"above 0 .* got 0 @ Training\.tokens"),
    "tokens: absurd": (lambda: Training(tokens=1e30), SpecError, r"at most 1e18, got 1e30 @ Training\.tokens"),
    "tokens: text": (lambda: Training(tokens="38e9"), SpecError, r"expected a number, got the text '38e9' @ Training\.tokens"),
    "tokens: true": (lambda: Training(tokens=True), SpecError, r"expected a number, got the boolean True @ Training\.tokens"),
    "length: zero": (job(sequence_length=0), SpecError, r"from 1 to 1e9, got 0 @ Training\.sequence_length"),
    "length: a fraction": (job(sequence_length=1.5), SpecError, r"a whole number, .* 1\.5 @ Training\.sequence_length"),
    "micro-batch: zero": (job(micro_batch_size=0), SpecError, r"from 1 to 1e9, got 0 @ Training\.micro_batch_size"),
    "step below a micro-batch": (
        job(micro_batch_size=8, global_batch_size=4),
        JobError,
        r"step of 4 sequences is smaller than one micro-batch of 8 @ Training\.global_batch_size",
    ),
    "step not divisible": (
        job(micro_batch_size=3, global_batch_size=256),
        JobError,
        r"256 sequences cannot be cut into micro-batches of 3 on 1 ranks: 1 would be left over @ Training\.global_batch_size",
    ),
    "step not divisible by ranks": (
        lambda: plan(machine="8x h100-sxm", training=Training(tokens=1e9, global_batch_size=12)),
        JobError,
        r"12 sequences cannot be cut .* on 8 ranks: 4 would be left over",
    ),
    "longer than the table of positions": (
        job(sequence_length=2048),
        JobError,
        r"table of 1024 positions, and a sequence has 2048 @ Training\.sequence_length",
    ),
    "loss: unknown": (job(loss="chunkd"), SpecError, r"'chunked', .*got 'chunkd'.*'chunked'\? @ Training\.loss"),
    "loss: more chunks than tokens": (
        job(loss="chunked", sequence_length=4, micro_batch_size=1),
        JobError,
        r"8 chunks are more than the tokens of a micro-batch @ Training\.loss_chunks",
    ),
    "loss: chunks without end": (job(loss="chunked", loss_chunks=10**6), SpecError, r"from 1 to 1024.* @ Training\.loss_chunks"),
    "optimizer: unknown": (job(optimizer="adam"), UnknownNameError, r"no optimizer is named 'adam'\. Did you mean 'adamw'\?"),
    "optimizer: a number": (job(optimizer=3), SpecError, r"a text or a Optimizer, got the number 3 @ Training\.optimizer"),
    "optimizer in backward, two micro-batches": (
        job(optimizer=IN_BACKWARD, micro_batch_size=1, global_batch_size=2),
        JobError,
        r"2 micro-batches of 1 .* set global_batch_size to 1, or run the optimizer at the step @ Training\.global_batch_size",
    ),
    "optimizer in backward, several ranks": (
        lambda: plan(machine="8x h100-sxm", training=Training(tokens=1e9, optimizer=IN_BACKWARD)),
        JobError,
        r"before ranks could add theirs @ Optimizer\.when",
    ),
    "recompute: unknown": (job(recompute="ful"), SpecError, r"got 'ful'\. Did you mean 'full'\? @ Recompute\.what"),
    "recompute: now and never": (lambda: Recompute(what="full", every=0), SpecError, r"from 1 to 1e6, got 0 @ Recompute\.every"),
    "adapter: a number": (job(adapter=16), SpecError, r"expected a LoRA, got the number 16 @ Training\.adapter"),
    "adapter: no rank": (lambda: LoRA(rank=0), SpecError, r"from 1 to 1e6, got 0 @ LoRA\.rank"),
    "adapter: a layer that is not there": (
        job(adapter=LoRA(rank=8, targets=("query",))),
        JobError,
        r"no linear layer is named query: they are .* @ LoRA\.targets",
    ),
    "no workload": (lambda: llmplan.plan("gpt2", "rtx-4090", None), SpecError, r"expected a Training, got None @ workload"),  # type: ignore[arg-type]
    "workload: a table": (lambda: plan(training={"tokens": 1e9}), SpecError, r"expected a Training, got \{.* @ workload"),
    "workload: serving": (
        lambda: plan(training=Serving(prompt_tokens=512, output_tokens=128, concurrency=8)),
        UnsupportedError,
        r"no answer for serving: only training is planned so far",
    ),
}

MODELS = {
    "unknown": (lambda: plan("nanochat-d2O"), UnknownNameError, r"no model is named 'nanochat-d2O'\. Did you mean 'nanochat-d"),
    "of another hub": (lambda: plan("meta-llama/Llama-3.1-8B"), UnknownNameError, r"no model is named .*'llama-3\.1-8b'"),
    "depth that cannot be": (
        lambda: plan("nanochat-2025-d21"),
        JobError,
        r"d21 cannot be built: 11 heads do not divide its width 1344; the nearest depths that can are 20 and 22",
    ),
    "depth of nothing": (lambda: plan("nanochat-2025-d0"), JobError, r"nanochat-2025-d0 cannot be built"),
    "negative depth": (lambda: plan("nanochat-2025-d-1"), UnknownNameError, r"Did you mean 'nanochat-202\d-d"),
    "endless depth": (lambda: plan("nanochat-2025-d" + "9" * 10_000), UnknownNameError, r"no model is named .*\.\.\."),
    "not a name": (lambda: plan(3), SpecError, r"expected a model, its name, the path .*, got int 3 @ model"),
    "bytes": (lambda: plan(b"gpt2"), SpecError, r"expected a model, .* got bytes b'gpt2' @ model"),
    "an empty table": (lambda: plan({}), SpecError, r"required field missing @ config\.model_type"),
    "architecture: unknown": (lambda: plan({"model_type": "gpt-2"}), UnknownNameError, r"named 'gpt-2'\. Did you mean 'gpt2'\?"),
    "architecture: a number": (
        lambda: plan({"model_type": 2}),
        SpecError,
        r"expected a text, got the number 2 @ config\.model_type",
    ),
    "zero layers": (lambda: plan(GPT2 | {"n_layer": 0}), SpecError, r"from 1 to 1e\+06, got 0 @ config\.n_layer"),
    "negative layers": (lambda: plan(GPT2 | {"n_layer": -1}), SpecError, r"from 1 to 1e\+06, got -1 @ config\.n_layer"),
    "layers without end": (lambda: plan(GPT2 | {"n_layer": 10**9}), SpecError, r"1e\+06, got 1000000000 @ config\.n_layer"),
    "layers as text": (lambda: plan(GPT2 | {"n_layer": "2"}), SpecError, r"a whole number .*, got '2' @ config\.n_layer"),
    "layers as a list": (lambda: plan(GPT2 | {"n_layer": [2, 2]}), SpecError, r"whole number, got \(2, 2\) @ n_layer"),
    "no layers said": (lambda: plan(GPT2 | {"n_layer": None}), SpecError, r"required field missing @ n_layer"),
    "absurd width": (lambda: plan(GPT2 | {"n_embd": 10**30}), SpecError, r"from 1 to 1e\+12, got 10+.* @ config\.n_embd"),
    "width beyond printing": (
        lambda: plan(GPT2 | {"n_embd": 10**5000}),
        SpecError,
        r"at most 1,000 bits, got one of 16,610",
    ),
    "width: not a number": (lambda: plan(GPT2 | {"n_embd": math.nan}), SpecError, r"a finite number, got nan @ config"),
    "heads that do not divide": (lambda: plan(GPT2 | {"n_head": 3}), SpecError, r"3 heads do not divide n_embd 64 @ n_head"),
    "key heads that do not divide": (
        lambda: plan(LLAMA | {"num_key_value_heads": 3}),
        SpecError,
        r"3 do not divide 8 query heads @ num_key_value_heads",
    ),
    "odd heads under rotary positions": (lambda: plan(LLAMA | {"head_dim": 7}), SpecError, r"an even width, got 7 @ head_dim"),
    "tied: a text": (lambda: plan(GPT2 | {"tie_word_embeddings": "yes"}), SpecError, r"true or false, got 'yes' @ tie_word_emb"),
    "activation of another family": (
        lambda: plan(LLAMA | {"hidden_act": "swish9"}),
        SpecError,
        r"one of silu, .*got 'swish9'.* @ hidden_act",
    ),
    "windows: letters of no kind": (
        lambda: plan(NANOCHAT | {"window_pattern": "SSX"}),
        SpecError,
        r"letters S and L, got 'SSX' @ window_pattern",
    ),
    "code instead of data": (lambda: plan(GPT2 | {"f": print}), SpecError, r"expected text, .* got builtin_function_or_method"),
    "a key that is no text": (lambda: plan({**GPT2, 3: 4}), SpecError, r"expected text as a key, in Unicode, got int 3 @ config"),
    "inside itself": (lambda: plan(holds_itself()), SpecError, r"more than 32 deep"),
    "deep": (lambda: plan(GPT2 | nested(1000)), SpecError, r"more than 32 deep"),
    "JSON: cut off": (lambda: plan('{"model_type": '), SpecError, r"not JSON: .* line 1 column 16"),
    "JSON: not a number": (lambda: plan('{"model_type": "gpt2", "n_embd": NaN}'), SpecError, r"not JSON: NaN is no number"),
    "JSON: a key twice": (lambda: plan('{"a": 1, "a": 2}'), SpecError, r"the key 'a' is there twice"),
    "JSON: deep": (lambda: plan('{"a":' * 100_000), SpecError, r"more than 32 deep"),
    "no such file": (lambda: plan("nowhere/config.json"), SpecError, r"the file cannot be read: No such file"),
    "no such path": (lambda: plan("a\0/config.json"), SpecError, r"the file cannot be read: embedded null"),
}

MACHINES = {
    "unknown": (lambda: plan(machine="rtx-4071"), UnknownNameError, r"no machine or hardware is named 'rtx-4071'\..*'rtx-4070'\?"),
    "empty": (lambda: plan(machine=""), UnknownNameError, r"no machine or hardware is named ''"),
    "nothing": (lambda: plan(machine=None), SpecError, r"expected a machine, .* got NoneType None @ machine"),
    "in words": (lambda: plan(machine="eight x h100-sxm"), UnknownNameError, r"'eight x h100-sxm'\. Did you mean '8x-h100-sxm'\?"),
    "none of them": (lambda: plan(machine="0x h100-sxm"), SpecError, r"expected 1 to 10,000,000 accelerators in all, got '0x h100"),
    "less than none": (lambda: plan(machine="-1x h100-sxm"), UnknownNameError, r"'-1x h100-sxm'"),
    "too many": (lambda: plan(machine="999999999x h100-sxm"), SpecError, r"expected 1 to 10,000,000 accelerators"),
    "more digits than Python reads": (lambda: plan(machine="9" * 100_000 + "x h100-sxm"), SpecError, r"1 to 10,000,000"),
    "so many as nobody sells": (
        lambda: plan(machine="3x h100-sxm"),
        UnknownNameError,
        r"'3x h100-sxm'\. Did you mean '8x h100-sxm'\?",
    ),
    "many of an unknown card": (lambda: plan(machine="8x h100-smx"), UnknownNameError, r"'h100-smx'\. Did you mean 'h100-sxm'\?"),
    "an unknown card inside": (
        lambda: plan(machine=Machine(name="mine", hardware="rtx-4091", gpus_per_node=1, kind="desktop")),
        UnknownNameError,
        r"no hardware is named 'rtx-4091'\. Did you mean 'rtx-4090'\?",
    ),
    "half a character": (lambda: plan(machine="\ud800"), UnknownNameError, r"no machine or hardware is named"),
    "not a key": (lambda: machines[["rtx-4090"]], UnknownNameError, r"no machine is named"),  # type: ignore[index]
    "nodes that nothing connects": (
        lambda: plan(machine=Machine(name="mine", hardware="h100-sxm", gpus_per_node=8, nodes=2, kind="server")),
        UnsupportedError,
        r"messages between the nodes of mine: its fabric is not known",
    ),
    "a rate that nobody states": (
        lambda: plan(machine=CARD.evolve(peak_flops={"fp32/fp32": CARD.peak("fp32")})),
        UnsupportedError,
        r"bf16 .* rtx-4090: .*known are fp32/fp32",
    ),
}

QUANTITIES = {
    "a bare number": (24, r"expected a quantity in byte with its source, got the bare number 24"),
    "true": (True, r"expected a quantity in byte"),
    "a foreign unit": ("24 W", r"'byte', got 'W': it measures watt and not byte"),
    "a rate for an amount": ("24 GB/s", r"it measures byte/second and not byte"),
    "a unit that is none": ("24 GBit0", r"expected a unit"),
    "not a number": ("nan GB", r"does not begin with a number"),
    "infinite": ("inf GB", r"does not begin with a number"),
    "beyond floats": ("1e999 GB", r"finite"),
    "negative": ("-24 GB", r"above zero and below 1e\+24, got -24 GB"),
    "zero": ("0 GB", r"above zero"),
    "absurd": ("1e30 GB", r"below 1e\+24, got 1e\+30 GB"),
    "powers of powers": ("9**9**9 GB", r"each with at most one power of one digit"),
    "powers of units": ("1 GB^9^9^9", r"each with at most one power of one digit"),
    "a count that looks like one": ("70B", r"70B"),
    "no unit": ("24", r"24"),
    "nothing": ("", r"expected a quantity such as '80 GB'"),
    "code": ("__import__('os').abort() GB", r"does not begin with a number"),
}

NOUNS = {
    "an unknown field": (lambda: CARD.evolve(memory="24 GB"), SpecError, r"unknown field 'memory'\. Did you mean 'memory_type'\?"),
    "a kind that is none": (lambda: CARD.evolve(kind="tablet"), SpecError, r"one of 'desktop', 'laptop', 'server', got 'tablet'"),
    "usable above capacity": (lambda: CARD.evolve(memory_usable="1 TB"), SpecError, r"memory_usable .* above memory_capacity"),
    "a source that is none": (lambda: Sourced("24 GB", "sheet"), SpecError, r"expected a Source, got 'sheet' @ Sourced\.source"),  # type: ignore[arg-type]
    "a value without its unit": (lambda: Sourced("24", MADE_UP), UnitError, r"24"),
    "precision: unknown": (
        lambda: plan(precision="bf61"),
        UnknownNameError,
        r"no precision is named 'bf61'\. Did you mean 'bf16'\?",
    ),
    "precision: a number": (lambda: plan(precision=16), SpecError, r"expected a precision, its name, got int 16 @ precision"),
    "precision: frozen, nothing to train": (
        lambda: plan(precision="qlora-nf4"),
        JobError,
        r"weights in nf4 cannot be trained .* Training\(adapter=LoRA\(rank=16\)\).* @ Precision\.frozen_weights",
    ),
    "precision: a frozen format that is none": (
        lambda: plan(
            precision=precisions["qlora-nf4"].evolve(frozen_weights="nf5"),
            training=FineTuning(tokens=1e6, adapter=LoRA(rank=8)),
        ),
        UnknownNameError,
        r"no format is named 'nf5'\. Did you mean 'nf4'\?",
    ),
    "precision: weights in a format that no operation knows": (
        lambda: plan(precision=precisions["bf16"].evolve(weights="fp8-e4m3")),
        UnsupportedError,
        r"training with weights in fp8-e4m3: .* fp32, bf16, fp16",
    ),
    "precision: gradients of their own": (
        lambda: plan(precision=precisions["bf16"].evolve(gradients="fp32")),
        UnsupportedError,
        r"gradients in fp32 beside weights in bf16 .*: modelled there is bf16 @ Precision\.gradients",
    ),
    "precision: states in a format that is none": (
        lambda: plan(precision=precisions["bf16"].evolve(optimizer_states="bf17")),
        UnsupportedError,
        r"optimizer_states in bf17 .* bf16 or fp32 @ Precision\.optimizer_states",
    ),
    "precision: casts at gather": (
        lambda: plan(precision=precisions["bf16"].evolve(casts="at-gather")),
        UnsupportedError,
        r"casts at-gather without gathers: .* stage 3 on several ranks",
    ),
    "runtime: unknown": (lambda: plan(runtime="vllm"), UnknownNameError, r"no runtime is named 'vllm'\. Known are .*'pytorch'"),
    "runtime: another framework": (
        lambda: plan(runtime=Runtime(name="mine", framework="jax", source=MADE_UP)),
        UnknownNameError,
        r"no framework is named 'jax'\. Known are .*'pytorch'",
    ),
    "calibration: unknown": (lambda: plan(calibration="mine"), UnknownNameError, r"no calibration is named 'mine'"),
    "calibration: a number": (lambda: plan(calibration=3), SpecError, r"expected a calibration, its name, got int 3 @ calibration"),
    "ranks without devices": (
        lambda: plan(parallelism=Parallelism(data=2)),
        JobError,
        r"2 data-parallel ranks need as many devices, and the machine has 1 @ Parallelism\.data",
    ),
    "tensor parallelism": (
        lambda: plan(machine="8x h100-sxm", parallelism=Parallelism(tensor=2)),
        UnsupportedError,
        r"casts 'autocast' with tensor parallelism: modelled are weights that are computed with as they are",
    ),
    "pipeline parallelism": (
        lambda: plan(machine="8x h100-sxm", parallelism=Parallelism(pipeline=2)),
        UnsupportedError,
        r"pipeline parallelism",
    ),
    "sharding that does not exist": (lambda: Parallelism(shard=4), SpecError, r"from 0 to 3, got 4 @ Parallelism\.shard"),
    "parallelism: a text": (lambda: plan(parallelism="tp=2"), SpecError, r"expected a Parallelism, got 'tp=2' @ parallelism"),
    "a case that is none": (lambda: llmplan.evaluate(None), SpecError, r"expected a Case, got None @ case"),  # type: ignore[arg-type]
    "a case with open knobs": (
        lambda: llmplan.evaluate(case_of(training=Training(tokens=1e9))),
        SpecError,
        r"nothing is completed @ Training\.sequence_length\n.*@ Training\.micro_batch_size",
    ),
    "a plan of another version": (
        lambda: Plan.from_dict({"schema_version": 99}),
        SpecError,
        r"schema_version = 99.* @ schema_version",
    ),
    "a plan that is none": (lambda: Plan.from_dict(None), SpecError, r"expected the object that Plan\.to_dict\(\) gave"),  # type: ignore[arg-type]
}

SITES = {
    "start: no such day": (
        lambda: Site(start="2026-02-30"),
        SpecError,
        r"a date such as 2026-12-01, got '2026-02-30' @ Site\.start",
    ),
    "start: a word": (lambda: Site(start="today"), SpecError, r"a date such as 2026-12-01, got 'today' @ Site\.start"),
    "start: out of the calendar": (
        lambda: plan(site=Site(tariff="tw-residential", start="9999-12-31")),
        JobError,
        r"'9999-12-31' is outside the years 1900 to 2500",
    ),
    "longer than any bill": (
        lambda: plan(training=Training(tokens=1e18), site=Site(tariff="tw-residential", start="2026-12-01")),
        JobError,
        r"hours: expected a number from 0 to 878400",
    ),
    "zone: misspelt": (lambda: Site(time_zone="Asia/Taipeh"), SpecError, r"Did you mean 'Asia/Taipei'\? @ Site\.time_zone"),
    "zone: a path": (lambda: Site(time_zone="../../etc/passwd"), SpecError, r"a time zone such as .*passwd' @ Site\.time_zone"),
    "zone: an offset": (lambda: Site(time_zone="+08:00"), SpecError, r"a time zone such as .*'\+08:00' @ Site\.time_zone"),
    "zone: endless": (lambda: Site(time_zone="A" * 100_000), SpecError, r"(?s)\A.{0,250} @ Site\.time_zone\Z"),
    "rate: no day": (lambda: Site(exchange_rate="31.8 TWD/USD"), SpecError, r"a dated exchange rate .* @ Site\.exchange_rate"),
    "rate: zero": (lambda: Site(exchange_rate="0 TWD/USD on 2026-03-10"), SpecError, r"a dated exchange rate"),
    "rate: not a number": (lambda: Site(exchange_rate="nan TWD/USD on 2026-03-10"), SpecError, r"a dated exchange rate"),
    "rate: no such currency": (lambda: Site(exchange_rate="31.8 TWB/USD on 2026-03-10"), SpecError, r"a dated exchange rate"),
    "rate: a number": (lambda: Site(exchange_rate=31.8), SpecError, r"expected a text, got the number 31\.8 @ Site\.exchange_rate"),
    "rate: of two other currencies": (
        lambda: plan(site=Site(tariff="tw-residential", start="2026-12-01", exchange_rate="0.9 EUR/USD on 2026-03-10")),
        JobError,
        r"between EUR and USD, and amounts are in TWD @ Site\.exchange_rate",
    ),
    "PUE below one": (lambda: Site(pue=0.9), SpecError, r"from 1 to 10, got 0\.9 @ Site\.pue"),
    "baseline: a quantity": (
        lambda: Site(baseline_kwh_per_month="345 kWh"),
        SpecError,
        r"expected a number, got the text '345 kWh'",
    ),
    "baseline: negative": (lambda: Site(baseline_kwh_per_month=-1), SpecError, r"got -1 @ Site\.baseline_kwh_per_month"),
    "tariff: unknown": (lambda: plan(site=Site(tariff="tw-residental")), UnknownNameError, r"no tariff .* 'tw-residential'\?"),
    "grid: unknown": (lambda: plan(site=Site(grid="tx")), UnknownNameError, r"no grid is named 'tx'"),
    "price of another card": (
        lambda: plan(site=Site(price="aws-p5-48xlarge")),
        JobError,
        r"price of a h100-sxm, and the job runs on rtx-4090 @ Site\.price",
    ),
    "site: a name": (lambda: plan(site="tw-residential"), SpecError, r"expected a Site, got 'tw-residential' @ site"),
}

DOCUMENTS = {
    "another api": (lambda: read("api = 2\nrank = 8", LoRA), SpecError, r"api = 2, and llmplan .* reads api = 1 @ api"),
    "not TOML": (lambda: read("rank = ", LoRA), SpecError, r"not TOML: .*line 1"),
    "a key twice": (lambda: read("rank = 1\nrank = 2", LoRA), SpecError, r"not TOML: Cannot overwrite a value .*line 2"),
    "an unknown key": (lambda: read("rnak = 8", LoRA), SpecError, r"unknown field 'rnak'\. Did you mean 'rank'\? @ LoRA"),
    "deep": (lambda: read("a = " + "[" * 2000 + "]" * 2000, LoRA), SpecError, r"more than 32 deep"),
    "not a text": (lambda: read(3, LoRA), SpecError, r"expected a text, a path or a dict, got 3 @ source"),  # type: ignore[arg-type]
    "a bare number where a unit is due": (
        lambda: read("memory_capacity = 80", type(CARD)),
        SpecError,
        r'for the bare number 80: write \{ value = "80 GB", source = "key" \} @ Hardware\.memory_capacity',
    ),
}

EVERYTHING = {
    f"{kind}: {name}": bad
    for kind, bads in {
        "workload": WORKLOADS,
        "model": MODELS,
        "machine": MACHINES,
        "noun": NOUNS,
        "site": SITES,
        "document": DOCUMENTS,
    }.items()
    for name, bad in bads.items()
}


@pytest.mark.parametrize(("call", "error", "message"), EVERYTHING.values(), ids=EVERYTHING)
def test_a_bad_input(call: Callable[[], object], error: type[LlmplanError], message: str) -> None:
    """The very error, and a message that helps; it survives a pickle, as those of worker processes must."""
    with pytest.raises(LlmplanError, match=message) as caught:
        call()
    assert type(caught.value) is error
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(("value", "message"), QUANTITIES.values(), ids=QUANTITIES)
def test_what_is_no_quantity(value: object, message: str) -> None:
    """Units at the door: a noun takes nothing else, and says in which field it was given."""
    with pytest.raises(SpecError, match=message + r"(.|\n)* @ Hardware\.memory_capacity"):
        CARD.evolve(memory_capacity=value)


class TestConfigFiles:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        return tmp_path / "config.json"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"\x80\x02", r"expected UTF-8, got the byte 0x80 at offset 0"),
            (b"import os", r"not JSON"),
            (b"", r"not JSON"),
            (b"[1, 2]", r"expected a table, got list"),
            (b"3", r"expected a table, got int"),
            (b"null", r"expected a table, got NoneType"),
            (b'{"model_type": "gpt2", "n_embd": Infinity}', r"Infinity is no number"),
            (b'{"n_embd": 64}', r"required field missing @ config\.model_type"),
            (b"[" * 100_000, r"more than 32 deep"),
        ],
    )
    def test_what_is_no_config(self, config: Path, content: bytes, message: str) -> None:
        """The file is named, and what is wrong with it."""
        config.write_bytes(content)
        with pytest.raises(SpecError, match=message) as caught:
            plan(str(config))
        assert caught.value.where == str(config)

    def test_a_huge_file_is_not_read(self, config: Path) -> None:
        """A terabyte would not be either."""
        with config.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(SpecError, match=r"at most 10,000,000 bytes, got 1,099,511,627,776"):
            plan(config)

    def test_a_folder_without_one(self, tmp_path: Path) -> None:
        """Its name is not taken for a model's."""
        with pytest.raises(SpecError, match="cannot be read"):
            plan(tmp_path)

    def test_nothing_in_it_is_executed(self, config: Path) -> None:
        """Whatever it asks for."""
        config.write_text(json.dumps(GPT2 | {"auto_map": {"AutoModel": "evil.py"}, "trust_remote_code": True}))
        assert plan(config).case.model["trust_remote_code"] is True


def test_all_faults_are_told_at_once() -> None:
    """Not one a run."""
    with pytest.raises(SpecError) as caught:
        Training(tokens=-1, sequence_length=0, micro_batch_size="two", loss="chunkd")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 4
    with pytest.raises(JobError) as contradictions:
        plan(
            training=Training(tokens=1e9, sequence_length=4096, micro_batch_size=3, global_batch_size=8),
            parallelism=Parallelism(data=2),
            precision="qlora-nf4",
        )
    assert len(contradictions.value.faults) == 4


def test_memory_of_sharded_compiled_code_is_unknown_and_says_so() -> None:
    """Time is answered; memory is not guessed."""
    compiled = plan(machine="8x h100-sxm", runtime="pytorch-compiled", parallelism=Parallelism(shard=3))
    assert compiled.fits is None
    assert compiled.time.step.si[0] > 0
    assert any("memory is not modelled" in warning for warning in compiled.warnings)
    with pytest.raises(UnsupportedError, match="memory of compiled code with sharded"):
        compiled.memory.peak  # noqa: B018  # asking is the test


# ---- junk


def told(call: Callable[[], Plan]) -> str:
    """What an error of ours says, or the plan's answer; any other error goes on."""
    try:
        return str(call().time.step)
    except LlmplanError as error:
        return str(error)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.sampled_from(["gpt2", "nanochat-d20", "rtx-4090", "8x h100-sxm", "bf16", "pytorch", LLAMA, GPT2, CARD, models["gpt2"]]),
    st.complex_numbers(),
    st.just(object),
)


@given(st.tuples(JUNK, JUNK, JUNK, JUNK, JUNK, JUNK))
@example(("gpt2", "rtx-4090", None, "bf16", None, "pytorch"))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_junk_ends_in_an_error_of_ours_or_in_a_plan(junk: tuple[Any, ...]) -> None:
    """Whatever is given in whatever place."""
    model, machine, parallelism, precision, site, runtime = junk
    assert told(lambda: plan(model, machine, site=site, precision=precision, parallelism=parallelism, runtime=runtime))


@given(st.sampled_from([LLAMA, GPT2, NANOCHAT]), st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_junk_in_a_config_ends_in_an_error_of_ours_or_in_a_plan(config: Mapping[str, Any], data: st.DataObject) -> None:
    """A shape that means something, or the name of the key that does not."""
    key = data.draw(st.sampled_from(sorted(config)))
    value = data.draw(st.one_of(JUNK, st.integers(-1, 2000)))
    assert told(lambda: plan(dict(config) | {key: value}, training=Training(tokens=1e6, sequence_length=64)))
