"""Reading: every wrong input is a SpecError that says what, where, what was expected and the nearest right thing."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.errors import SpecError
from llmplan.nouns.format import Format
from llmplan.nouns.grid import Grid
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.lora import LoRA
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.precision import Precision
from llmplan.nouns.site import Site
from llmplan.nouns.training import Training
from llmplan.reading import from_dict, read, read_config, to_dict, write

CARD = """
api = 1
name = "card"
vendor = "Acme"
family = "One"
kind = "server"
memory_capacity = { value = "80 GB", source = "sheet" }
memory_bandwidth = { value = "2 TB/s", source = "sheet" }
tdp = { value = "300 W", source = { kind = "measurement", title = "a meter" } }

[peak_flops]
"bf16/fp32" = { value = "300 TFLOPS", source = "sheet" }

[sources.sheet]
kind = "datasheet"
title = "a made-up sheet"
accessed = 2026-08-20
"""


class TestSources:
    def test_a_source_is_named_once_and_used_often(self) -> None:
        """One table under [sources], or a table in place."""
        card = read(CARD, Hardware)
        assert card.memory_capacity.source is card.memory_bandwidth.source
        assert card.memory_capacity.source.accessed == "2026-08-20"
        assert card.peak_flops["bf16/fp32"].source.title == "a made-up sheet"
        assert card.tdp.source.kind == "measurement"

    def test_a_noun_may_have_one_of_its_own(self) -> None:
        """A field called source holds a source, or the key of one."""
        text = (
            'name = "x"\nelement_bits = 8\nkind = "float"\ntrainable = true\nsource = "s"\n[sources.s]\nkind = "paper"\ntitle = "t"'
        )
        assert read(text, Format).source.title == "t"

    def test_a_key_called_source_in_a_config_is_data(self) -> None:
        """Only fields that hold sources are looked up."""
        text = 'name = "m"\narchitecture = "a"\nsource = { kind = "paper", title = "t" }\n[config]\nsource = "nowhere"\nsources = 3'
        assert read(text, Model)["source"] == "nowhere"

    def test_an_unknown_key_is_told_with_the_nearest(self) -> None:
        """And where it was used."""
        with pytest.raises(SpecError, match=r"no source 'shet' .*'sheet'\? @ Hardware\.memory_capacity\.source"):
            read(CARD.replace('source = "sheet"', 'source = "shet"', 1), Hardware)

    def test_a_faulty_source_is_told_once(self) -> None:
        """Not again at every value that cites it."""
        with pytest.raises(SpecError) as caught:
            read(CARD.replace('title = "a made-up sheet"', 'titel = "a made-up sheet"'), Hardware)
        assert caught.value.faults == (
            "unknown field 'titel'. Did you mean 'title'? @ sources.sheet",
            "required field missing @ sources.sheet.title",
        )

    @pytest.mark.parametrize("wrong", ['kind = "datashet"', "accessed = 2026-08", 'accessed = "soon"', "title = 3", 'title = ""'])
    def test_what_no_source_says(self, wrong: str) -> None:
        """Kind, title and date are checked."""
        field = wrong.partition(" = ")[0]
        lines = [wrong if line.startswith(field + " =") and "server" not in line else line for line in CARD.splitlines()]
        with pytest.raises(SpecError, match="sources.sheet" if "2026-08" not in wrong else "TOML"):
            read("\n".join(lines), Hardware)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    """Each with its path, and with the nearest right thing."""
    text = """
        name = ""
        vendor = 3
        kind = "servr"
        memory_capacity = "80 GB"
        memory_usable = 80
        memory_bandwidth = { value = "3 GB", source = "sheet" }
        l2_cache = { valu = "3 MB", source = "sheet" }
        idle_power = { value = "-3 W", source = "sheet" }
        boost_clock = { value = "3 GHzz", source = "sheet" }
        sm_count = "many"
        tpd = 3
        [peak_flops]
        bf16 = { value = "3 TB", source = "sheet" }
        [sources.sheet]
        kind = "datasheet"
        title = "a made-up sheet"
    """
    with pytest.raises(SpecError) as caught:
        read(text, Hardware, where="bad.toml")
    assert caught.value.where == "bad.toml"
    paths = sorted(fault.rpartition(" @ ")[2] for fault in caught.value.faults)
    assert paths == sorted(
        [
            "Hardware",
            "Hardware.boost_clock.value",
            "Hardware.family",
            "Hardware.idle_power",
            "Hardware.kind",
            "Hardware.l2_cache",
            "Hardware.l2_cache.value",
            "Hardware.memory_bandwidth",
            "Hardware.memory_capacity",
            "Hardware.memory_usable",
            "Hardware.name",
            "Hardware.peak_flops.bf16",
            "Hardware.peak_flops.bf16",
            "Hardware.sm_count",
            "Hardware.tdp",
            "Hardware.vendor",
        ]
    )
    assert "unknown field 'tpd'. Did you mean 'tdp'? @ Hardware" in caught.value.faults
    assert "Did you mean 'server'?" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults


def test_faults_inside_a_noun_inside_a_noun_have_the_whole_path() -> None:
    """From the outermost table."""
    text = 'name = "m"\ngpus_per_node = 0\nkind = "server"\n[hardware]\nname = ""\n[hardware.peak_flops]\nx = 3\n'
    with pytest.raises(SpecError) as caught:
        read(text, Machine)
    paths = {fault.rpartition(" @ ")[2] for fault in caught.value.faults}
    assert {"Machine.gpus_per_node", "Machine.hardware.name", "Machine.hardware.tdp", "Machine.hardware.peak_flops.x"} <= paths


def test_contradictions_have_their_path_too() -> None:
    """Whatever error the constructor makes of them, a file that is wrong is a SpecError."""
    with pytest.raises(SpecError, match=r"smaller than one micro-batch of 8 @ Training\.global_batch_size"):
        read("tokens = 1e9\nmicro_batch_size = 8\nglobal_batch_size = 4", Training)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rank = 16\nrank = 17", r"TOML: .*line 2"),
        ("rank = 16\nrank = 17\nalpha = 3", r"TOML: .*line 2"),
        ("rank =", r"TOML: .*line 1"),
        ("rank = 16\n[targets]\na = 1\n[targets]\nb = 1", r"TOML: .*line 4"),
        ("rank = " + "[" * 50 + "]" * 50, "more than 32 deep"),
        ("rank = " + "[" * 5000, "TOML|deep"),
        (".".join("a" * 50) + " = 1", "more than 32 deep"),
        ('{"rank": 16, "rank": 17}', "the key 'rank' is there twice"),
        ('{"rank": NaN}', "NaN is no number"),
        ('{"rank": -Infinity}', "Infinity is no number"),
        ('{"rank": 16', "JSON"),
        ('{"a": ' * 100 + "1" + "}" * 100, "more than 32 deep"),
        ('{"a": ' * 100_000, "JSON|deep"),
        ('{"rank": 16}, 3', "JSON"),
        ("rank = " + "9" * 5000, "TOML|digits"),
        ("rank = 16\napi = 2", r"api = 2, and llmplan .* reads api = 1 @ api"),
        ('rank = 16\napi = "1"', "api = '1'"),
        ("rank = 16\napi = true", "api = True"),
        ("rank = 16\nsources = 3", "expected a table of sources"),
        ("rank = 16\nsources.s = 3", r"expected a table that describes a source.* @ sources\.s"),
        ("rank = nan", "whole number"),
        ("rank = inf", "whole number"),
        ("rank = -1", "from 1"),
        ("rank = 1e30", "to 1e6"),
        ("rank = 16\nalpha = nan", "finite"),
        ('rank = 16\nalpha = "16"', "expected a number, got the text '16'"),
        ("rank = 16\ntargets = [1]", r"expected a text.* @ LoRA\.targets\[0\]"),
        ("rank = 16\ntargets = {}", r"expected .* got a table.* @ LoRA\.targets"),
        ("", r"required field missing @ LoRA\.rank"),
        ("rnak = 16", "Did you mean 'rank'"),
        ("\x00", "TOML"),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_text_is_a_spec_error(text: str, message: str) -> None:
    """Whatever a stranger's file holds."""
    with pytest.raises(SpecError, match=f"(?s){message}"):
        read(text, LoRA)


class TestFiles:
    def test_toml_and_json_files(self, tmp_path: Path) -> None:
        """Paths may be texts or Path objects; the error names the file."""
        toml, js = tmp_path / "a.toml", tmp_path / "a.json"
        toml.write_text("rank = 16", encoding="utf-8")
        js.write_text('{"rank": 16}', encoding="utf-8")
        assert read(toml, LoRA) == read(str(toml), LoRA) == read(js, LoRA) == read(str(js), LoRA) == LoRA(rank=16)
        toml.write_text("rank = 0", encoding="utf-8")
        with pytest.raises(SpecError, match=r"a\.toml") as caught:
            read(toml, LoRA)
        assert caught.value.where == str(toml)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        """And a folder in place of a file."""
        for path in (tmp_path / "none.toml", tmp_path, "none.toml", "a\0.toml"):
            with pytest.raises(SpecError, match="cannot be read"):
                read(path, LoRA)

    def test_not_utf_8(self, tmp_path: Path) -> None:
        """TOML is UTF-8 by definition."""
        path = tmp_path / "latin.toml"
        path.write_bytes('name = "é"'.encode("latin-1"))
        with pytest.raises(SpecError, match="expected UTF-8, got the byte 0xe9 at offset 8"):
            read(path, LoRA)

    def test_too_large(self, tmp_path: Path) -> None:
        """Before it is read."""
        path = tmp_path / "large.toml"
        path.write_bytes(b"#" * 10_000_001)
        with pytest.raises(SpecError, match="at most 10,000,000 bytes"):
            read(path, LoRA)
        with pytest.raises(SpecError, match="at most 10,000,000 characters"):
            read("\n" + "#" * 10_000_001, LoRA)


class TestWriting:
    def test_sources_are_shared(self) -> None:
        """Each once, at the end."""
        text = write(read(CARD, Hardware))
        assert text.count("a made-up sheet") == 1
        assert text.index("[sources") > text.index("[peak_flops]")

    def test_a_null_of_a_config_survives(self) -> None:
        """Null and absent are not the same: a model without a window says null."""
        model = read_config({"model_type": "mistral", "sliding_window": None, "layer_types": [None, "a"], "rope": {}})
        again = read(write(model), Model)
        assert again == model
        assert "sliding_window" in again
        assert "sliding_window = { null = true }" in write(model)

    def test_numbers_keep_their_last_bit(self) -> None:
        """As repr() writes them."""
        training = Training(tokens=0.1 + 0.2)
        assert read(write(training), Training).tokens == 0.1 + 0.2

    def test_dicts_are_plain_json(self) -> None:
        """Sources in place, no Nones, no objects."""
        data = to_dict(read(CARD, Hardware))
        assert data["memory_capacity"] == {
            "value": "80 GB",
            "source": {"kind": "datasheet", "title": "a made-up sheet", "accessed": "2026-08-20"},
        }
        assert "year" not in data
        assert from_dict(json.loads(json.dumps(data)), Hardware) == read(CARD, Hardware)


class TestConfig:
    def test_keeps_what_it_reads_under_its_own_names(self) -> None:
        """Also what it does not know; nothing is executed."""
        model = read_config('{"model_type": "llama", "auto_map": {"AutoModel": "x.py--Evil"}, "eos_token_id": [1, 2]}')
        assert model.architecture == model.name == "llama"
        assert model["auto_map"]["AutoModel"] == "x.py--Evil"
        assert model["eos_token_id"] == (1, 2)

    def test_files_and_folders(self, tmp_path: Path) -> None:
        """A folder holds its config under the name that all use; the source names the file."""
        (tmp_path / "config.json").write_text('{"model_type": "llama", "_name_or_path": "org/m"}', encoding="utf-8")
        model = read_config(tmp_path)
        assert model == read_config(tmp_path / "config.json") == read_config(str(tmp_path))
        assert model.name == "org/m"
        assert str(tmp_path) in model.source.title
        assert read_config(tmp_path, name="mine").name == "mine"

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({}, r"required field missing @ config\.model_type"),
            ({"model_type": 3}, r"expected a text.* @ config\.model_type"),
            ({"model_type": ""}, r"not empty.* @ config\.model_type"),
            ({"model_type": "a", "num_hidden_layers": 0}, r"got 0 @ config\.num_hidden_layers"),
            ({"model_type": "a", "num_hidden_layers": -3}, r"got -3 @ config\.num_hidden_layers"),
            ({"model_type": "a", "num_hidden_layers": 10**7}, r"@ config\.num_hidden_layers"),
            ({"model_type": "a", "text_config": {"hidden_size": 0}}, r"@ config\.text_config\.hidden_size"),
            ({"model_type": "a", "x": float("nan")}, r"finite.* @ config"),
            ({"model_type": "a", "x": object()}, r"expected text, a number.* @ config"),
            ({"model_type": "a", 3: 4}, r"as a key.* @ config"),
            ('{"model_type": "a", "x": NaN}', "NaN"),
            ('{"model_type": "a", "x": 1e999}', "finite"),
            ('{"model_type": "a", "model_type": "b"}', "twice"),
            ('{"model_type": "a", "x": "\\ud800"}', "Unicode"),
            ("[1, 2]", "cannot be read"),
            ("no-such-folder", "cannot be read"),
            ('{"model_type": "a"', "JSON"),
            ('{"model_type": "a", "x": ' + "[" * 40 + "]" * 40 + "}", "deep"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_no_config_says(self, config: Any, message: str) -> None:
        """Refused with the key's path."""
        with pytest.raises(SpecError, match=f"(?s){message}"):
            read_config(config)

    def test_data_that_holds_itself(self) -> None:
        """A dict can be made to; a file cannot."""
        config: dict[str, Any] = {"model_type": "a"}
        config["self"] = config
        with pytest.raises(SpecError, match="deep"):
            read_config(config)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("80 GB"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
CLASSES = (Format, Grid, Hardware, LoRA, Machine, Model, Precision, Site, Training)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data(), st.sampled_from(CLASSES))
def test_junk_in_any_field_is_a_spec_error_or_a_noun(data: st.DataObject, cls: Any) -> None:
    """No other exception gets out, whatever a field holds."""
    names = [field.name for field in cls.__attrs_attrs__]
    fields = data.draw(st.dictionaries(st.sampled_from([*names, "api", "sources"]) | st.text(max_size=5), junk, max_size=8))
    try:
        made = from_dict(fields, cls)
    except SpecError:
        return
    assert from_dict(to_dict(made), cls) == made


@settings(deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_junk_text_is_a_spec_error(text: str) -> None:
    """No other exception gets out, whatever a text holds."""
    for reading in (lambda: read(text, LoRA), lambda: read("{" + text, LoRA), lambda: read_config(text)):
        with pytest.raises(SpecError):
            reading()
