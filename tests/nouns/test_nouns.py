"""What the single nouns refuse and compute beyond the checks of their fields."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.errors import JobError, SpecError, UnknownNameError, UnsupportedError
from llmplan.nouns.format import Format
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.lora import LoRA
from llmplan.nouns.machine import Machine, parse_machine_text
from llmplan.nouns.model import Model
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.serving import Serving
from llmplan.nouns.site import Site
from llmplan.nouns.training import FineTuning, Training
from llmplan.program.size import Size, evaluate
from llmplan.sources import Source, Sourced

SHEET = Source(kind="datasheet", title="a made-up sheet")
CARD = Hardware(
    name="card",
    vendor="Acme",
    family="One",
    kind="server",
    memory_capacity=Sourced("80 GB", SHEET),
    memory_bandwidth=Sourced("2 TB/s", SHEET),
    peak_flops={"bf16/fp32": Sourced("300 TFLOPS", SHEET), "int8/int32": Sourced("600 TFLOPS", SHEET)},
    tdp=Sourced("300 W", SHEET),
)


class TestHardware:
    def test_peak_is_with_fp32_accumulation(self) -> None:
        """What frameworks ask for, unless another is named; integers are added up in int32."""
        assert CARD.peak("bf16") == CARD.peak("bf16", "fp32") == Sourced("300 TFLOPS", SHEET)
        assert CARD.peak("int8") == Sourced("600 TFLOPS", SHEET)

    def test_an_unknown_peak_is_said_and_not_guessed(self) -> None:
        """A missing FP8 rate is not twice that of BF16."""
        with pytest.raises(UnsupportedError, match=r"fp8/fp32.*bf16/fp32, int8/int32"):
            CARD.peak("fp8")

    @pytest.mark.parametrize(
        "changes",
        [
            {"memory_usable": "90 GB"},
            {"display_reserved": "90 GB"},
            {"tdp_min": "400 W"},
            {"tdp_max": "200 W"},
            {"idle_power": "301 W"},
            {"peak_flops": {"bf16": "300 TFLOPS"}},
            {"peak_flops": {"bf16/fp32": "300 TB/s"}},
            {"kind": "phone"},
            {"year": 20240},
        ],
        ids=str,
    )
    def test_what_no_card_is(self, changes: dict[str, Any]) -> None:
        """A card cannot let programs have more memory than it has, and so on."""
        with pytest.raises(SpecError, match=next(iter(changes))):
            CARD.evolve(**changes)


class TestMachine:
    def test_count_is_of_all_nodes(self) -> None:
        """Sixteen nodes of eight are 128 cards."""
        assert Machine(name="m", hardware=CARD, gpus_per_node=8, nodes=16, kind="server").count == 128

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("8x h100-sxm", (1, 8, "h100-sxm")),
            ("16x8 h100-sxm", (16, 8, "h100-sxm")),
            (" 16 x 8  h100-sxm ", (16, 8, "h100-sxm")),
            ("2X rtx-4070", (1, 2, "rtx-4070")),
            ("1× rtx-4070", (1, 1, "rtx-4070")),
            ("h100-sxm", None),
            ("8 h100-sxm", None),
            ("x h100-sxm", None),
            ("8x", None),
            ("", None),
            ("rtx-4070x2", None),
        ],
    )
    def test_text(self, text: str, parts: tuple[int, int, str] | None) -> None:
        """Nodes come first where there are two numbers."""
        assert parse_machine_text(text) == parts

    @pytest.mark.parametrize("text", ["0x h100", "4x0 h100", "100000000x h100", "100000x8000 h100", f"{'9' * 5000}x h100"])
    def test_absurd_counts(self, text: str) -> None:
        """No machine has none, or a hundred million, of them."""
        with pytest.raises(SpecError, match="accelerators"):
            parse_machine_text(text)

    def test_an_absurd_product_is_refused(self) -> None:
        """Each number alone may be large, and the product too large."""
        with pytest.raises(SpecError, match=r"Machine\.nodes"):
            Machine(name="m", hardware="h100", gpus_per_node=10_000, nodes=10_000, kind="server")


def _model(**config: Any) -> Model:
    return Model(name="m", architecture="llama", config=config, source=SHEET)


class TestModel:
    def test_items_are_under_their_own_names(self) -> None:
        """Nested data is kept, lists as tuples."""
        model = _model(hidden_size=64, rope_scaling={"factor": 8.0}, layer_types=["a", "b"], sliding_window=None)
        assert model["hidden_size"] == 64
        assert model["rope_scaling"]["factor"] == 8.0
        assert model["layer_types"] == ("a", "b")
        assert "sliding_window" in model
        assert model.get("sliding_window", 3) is None
        assert model.get("head_dim", 3) == 3

    def test_a_missing_item_is_told_with_the_nearest(self) -> None:
        """Also a KeyError, as a model reads like a mapping."""
        with pytest.raises(UnknownNameError, match="hidden_size"):
            _model(hidden_size=64)["hiden_size"]

    @pytest.mark.parametrize(
        "config",
        [
            {"num_hidden_layers": 0},
            {"num_hidden_layers": -1},
            {"num_hidden_layers": 1e7},
            {"n_layer": 0},
            {"hidden_size": 0},
            {"hidden_size": "4096"},
            {"hidden_size": True},
            {"hidden_size": 64.5},
            {"hidden_size": 1e30},
            {"n_embd": -5},
            {"vocab_size": 0},
            {"num_key_value_heads": 0},
            {"num_experts": -1},
            {"intermediate_size": 1.5},
            {"layers_block_type_size": [3, -1]},
            {"num_attention_heads": [4, 0]},
            {"text_config": {"num_hidden_layers": 0}},
        ],
        ids=str,
    )
    def test_counts_that_no_model_has(self, config: dict[str, Any]) -> None:
        """By the names of the keys alone, without knowing a family."""
        with pytest.raises(SpecError, match=rf"expected a whole number.* @ Model\.config\.{next(iter(config))}"):
            _model(**config)

    @pytest.mark.parametrize(
        "config",
        [
            {"num_key_value_heads": None},
            {"num_experts": 0},
            {"type_vocab_size": 0},
            {"window_size": -1},
            {"n_inner": None},
            {"num_query_heads": [12, 16]},
            {"pad_token_id": -1},
            {"time_step_rank": "auto"},
            {"num_flags": True},
        ],
        ids=str,
    )
    def test_what_real_configs_say_is_kept(self, config: dict[str, Any]) -> None:
        """Nulls, zeros of what may be missing, counts for each layer."""
        assert _model(**config).get(next(iter(config))) in (*config.values(), (12, 16))

    def test_auto_map_is_data(self) -> None:
        """Nothing in a config is looked up or run."""
        model = _model(auto_map={"AutoModel": "evil--os.system"})
        assert model["auto_map"]["AutoModel"] == "evil--os.system"


def _format(**fields: Any) -> Format:
    whole = {"name": "f", "element_bits": 4, "kind": "codebook", "trainable": False, "reason": "codes", "source": SHEET}
    return Format(**{**whole, **fields})


NF4 = {"block_elements": 64, "scale_bits": 32, "table_bytes": 64}
NF4_128 = {"block_elements": 128, "scale_bits": 32, "table_bytes": 64}
NESTED = {
    "block_elements": 64,
    "scale_bits": 8,
    "second_block": 256,
    "second_scale_bits": 32,
    "offset_bits": 32,
    "table_bytes": 1088,
}
NESTED_128 = {**NESTED, "block_elements": 128}
GPTQ = {"block_elements": 128, "blocks": "row", "scale_bits": 20, "column_bits": 32, "row_multiple": 32, "column_multiple": 32}
HQQ_3 = {"element_bits": 3, "block_elements": 64, "scale_bits": 32, "pack_elements": 10, "pack_bits": 32}
EXL2 = {"block_elements": 128, "blocks": "row", "scale_bits": 4, "column_bits": 32, "column_block_bits": 48, "pad_rows": 32}
MXFP4 = {"block_elements": 32, "blocks": "row", "scale_bits": 8, "pad_columns": 32}
NVFP4 = {"block_elements": 16, "blocks": "row", "scale_bits": 8, "offset_bits": 32, "scale_rows": 128, "scale_columns": 4}
Q4_K = {"block_elements": 256, "blocks": "row", "scale_bits": 128, "column_multiple": 256}


class TestFormat:
    @pytest.mark.parametrize(
        ("fields", "rows", "columns", "measured"),
        [
            # bitsandbytes 0.50.2: the packed weight and its scales, measured, with the code tables of 64 and 1,024 bytes
            (NF4, 4096, 4096, 9437248),
            (NF4, 896, 4864, 2451520),
            (NF4, 4672, 4544, 11941696),
            (NF4_128, 4096, 2880, 6266944),
            (NESTED, 4096, 4096, 8655940),
            (NESTED, 11008, 4096, 23260996),
            (NESTED, 896, 896, 415240),
            (NESTED_128, 896, 896, 408872),
            (NESTED_128, 9216, 2304, 10786404),
            # other packers, as they store a matrix of outputs x inputs
            ({"element_bits": 8, "row_bits": 32}, 4096, 4096, 16793600),  # LLM.int8
            (GPTQ, 4096, 4096, 8732672),
            (HQQ_3, 896, 896, 371456),
            (EXL2, 4096, 4096, 8470720),
            (EXL2, 1000, 1000, 520144),
            (MXFP4, 1000, 1000, 544000),
            (NVFP4, 4096, 4096, 9437188),
            (Q4_K, 4096, 4096, 9437184),
            (
                {"element_bits": 8, "block_elements": 128, "block_rows": 128, "blocks": "row", "scale_bits": 32},
                4096,
                4096,
                16781312,
            ),
            ({"element_bits": 2, "offset_bits": 8 * 2**20, "row_bits": 16}, 4096, 4096, 5251072),  # AQLM 1x16
        ],
    )
    def test_bytes_are_what_packers_store(self, fields: dict[str, Any], rows: int, columns: int, measured: int) -> None:
        """To the byte."""
        made = _format(**fields)
        assert made.matrix_bytes(rows, columns) + made.table_bytes == measured

    @given(st.integers(1, 10**12), st.sampled_from([{}, NF4, NF4_128, NESTED, NESTED_128]))
    def test_numbers_arrays_and_letters_agree(self, elements: int, fields: dict[str, Any]) -> None:
        """The same line of arithmetic serves all of them."""
        made = _format(**fields)
        whole = made.bytes(elements)
        assert made.bytes(float(elements)) == whole
        assert made.bytes(np.array([float(elements)]))[0] == whole
        assert evaluate([made.bytes(Size.letter("n"))], {"n": float(elements)})[0] == whole
        assert made.matrix_bytes(1, elements) == whole

    @given(st.integers(1, 10**9), st.integers(1, 64))
    def test_never_below_its_own_bits(self, elements: int, bits: int) -> None:
        """Packed elements are rounded up to a byte, and by no more."""
        size = _format(element_bits=bits).bytes(elements)
        assert 0 <= size * 8 - elements * bits < 8

    def test_bits_per_element_counts_the_scales(self) -> None:
        """4 bits and a sixty-fourth part of a scale of 32."""
        assert _format(**NF4).bits_per_element(4096 * 4096) == 4.5

    @pytest.mark.parametrize("fields", [GPTQ, MXFP4, NVFP4, EXL2, {"row_bits": 16}])
    def test_elements_alone_do_not_say_enough(self, fields: dict[str, Any]) -> None:
        """A scale a row cannot be counted without rows."""
        with pytest.raises(UnsupportedError, match="matrix_bytes"):
            _format(**fields).bytes(4096)

    def test_whole_blocks_need_no_rows(self) -> None:
        """Where the packer takes rows of whole blocks only, their number follows from the elements."""
        assert _format(**Q4_K).bytes(4096 * 4096) == 9437184

    @pytest.mark.parametrize(("rows", "columns"), [(1000, 1024), (1024, 1000)])
    def test_what_the_packer_refuses(self, rows: int, columns: int) -> None:
        """The refusal is an answer: it says which side is wrong."""
        with pytest.raises(JobError, match="multiples of 32"):
            _format(**GPTQ).matrix_bytes(rows, columns)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"reason": ""}, "reason"),
            ({"scale_bits": 8}, "scale_bits"),
            ({"second_block": 8}, "second_block"),
            ({"block_elements": 32, "pack_elements": 10}, "pack_bits"),
            ({"block_elements": 32, "pack_elements": 10, "pack_bits": 32}, "pack_bits"),
            ({"block_elements": 32, "block_rows": 2}, "blocks"),
            ({"element_bits": 0}, "element_bits"),
            ({"element_bits": 2.5}, "element_bits"),
        ],
    )
    def test_layouts_that_contradict_themselves(self, fields: dict[str, Any], field: str) -> None:
        """Half a description is no layout."""
        with pytest.raises(SpecError, match=rf"Format\.{field}"):
            _format(**fields)


class TestTraining:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"tokens": 1e30}, "tokens"),
            ({"tokens": 0}, "tokens"),
            ({"tokens": float("nan")}, "tokens"),
            ({"tokens": "38B"}, "tokens"),
            ({"sequence_length": 0}, "sequence_length"),
            ({"micro_batch_size": 2.5}, "micro_batch_size"),
            ({"loss": "chunky"}, "loss"),
            ({"optimizer": ""}, "optimizer"),
            ({"recompute": 3}, "recompute"),
            ({"adapter": "lora"}, "adapter"),
        ],
    )
    def test_wrong_values(self, fields: dict[str, Any], field: str) -> None:
        """Refused by name."""
        with pytest.raises(SpecError, match=rf"Training\.{field}"):
            Training(**{"tokens": 1e9, **fields})

    def test_a_step_holds_a_micro_batch(self) -> None:
        """A job that contradicts itself is a JobError."""
        with pytest.raises(JobError, match="smaller than one micro-batch"):
            Training(tokens=1e9, micro_batch_size=8, global_batch_size=4)

    def test_short_names_stay_as_given(self) -> None:
        """A noun looks nothing up."""
        job = Training(tokens=1e9, optimizer="adamw-8bit", recompute="full")
        assert (job.optimizer, job.recompute) == ("adamw-8bit", "full")

    def test_fine_tuning_is_training_with_other_defaults(self) -> None:
        """A constructor, and no third kind of workload."""
        job = FineTuning(tokens=6e6, adapter=LoRA(rank=16))
        assert type(job) is Training
        assert job == Training(tokens=6e6, sequence_length=1024, global_batch_size=8, recompute="full", adapter=LoRA(rank=16))


class TestOthers:
    def test_lora_targets(self) -> None:
        """A list of names, or all linear layers."""
        assert LoRA(rank=8, targets=["q_proj"]).targets == ("q_proj",)  # type: ignore[arg-type]
        with pytest.raises(SpecError, match="all-linear"):
            LoRA(rank=8, targets="all_linear")  # type: ignore[arg-type]
        with pytest.raises(SpecError, match=r"LoRA\.targets"):
            LoRA(rank=8, targets=())

    def test_plain_sgd_has_no_states(self) -> None:
        """So they have no format."""
        with pytest.raises(SpecError, match=r"Optimizer\.state_format"):
            Optimizer(name="o", algorithm="sgd", state_format="8bit-block", source=SHEET)

    def test_serving_is_closed_or_open(self) -> None:
        """Concurrency and arrival rate follow from each other."""
        with pytest.raises(JobError, match="arrival_rate"):
            Serving(prompt_tokens=1, output_tokens=1, concurrency=1, arrival_rate=1.0)

    @pytest.mark.parametrize(
        "fields", [{"tensor": 4, "sequence": 2}, {"virtual_stages": 2}, {"pipeline": 2, "virtual_stages": 2, "schedule": "gpipe"}]
    )
    def test_parallelism_that_contradicts_itself(self, fields: dict[str, Any]) -> None:
        """Told as a fault of the job."""
        with pytest.raises(JobError):
            Parallelism(**fields)

    @pytest.mark.parametrize(("field", "value"), [("shard", 4), ("tensor", 0), ("data", -1), ("expert", 1e9)])
    def test_parallelism_out_of_range(self, field: str, value: Any) -> None:
        """Told as a fault of the field."""
        with pytest.raises(SpecError, match=rf"Parallelism\.{field}"):
            Parallelism(**{field: value})


class TestSite:
    def test_exchange_rate(self) -> None:
        """Units of the first currency for one of the second."""
        exchange = Site(exchange_rate="31.828 TWD/USD on 2026-03-10").exchange
        assert exchange == (31.828, "TWD", "USD", "2026-03-10")
        assert Site().exchange is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("exchange_rate", "31.828 TWD/USD"),
            ("exchange_rate", "31.828 TWD/USD on 2026-02-30"),
            ("exchange_rate", "nan TWD/USD on 2026-03-10"),
            ("exchange_rate", "-1 TWD/USD on 2026-03-10"),
            ("exchange_rate", "1 USD/USD on 2026-03-10"),
            ("exchange_rate", "lots TWD/USD on 2026-03-10"),
            ("exchange_rate", 31.828),
            ("start", "2026-13-01"),
            ("start", "soon"),
            ("time_zone", "Taipei"),
            ("pue", 0.9),
            ("pue", float("inf")),
            ("baseline_kwh_per_month", -1),
            ("baseline_kwh_per_month", "345 kWh"),
            ("tariff", ""),
            ("grid", 3),
        ],
    )
    def test_wrong_values(self, field: str, value: Any) -> None:
        """Refused by name."""
        with pytest.raises(SpecError, match=rf"Site\.{field}"):
            Site(**{field: value})
