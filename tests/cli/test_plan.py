"""llmplan plan."""

import json

import pytest

import llmplan

PLAN = ("plan", "gpt2", "--on", "rtx-4090", "--tokens", "1e9")


def test_it_prints_the_plan(cli):
    """The table of the library, and nothing else; the exit code says whether it fits."""
    done = cli(*PLAN)
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout == f"{llmplan.plan('gpt2', 'rtx-4090', llmplan.Training(tokens=1e9))}\n"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ((), 0),
        (("--micro-batch", "64", "--global-batch", "64"), 1),
        (("--runtime", "pytorch-compiled"), 0),
        (("--runtime", "pytorch-compiled", "--precision", "qlora-nf4", "--lora-rank", "8"), 1),
        (("--micro-batch", "3", "--global-batch", "4"), 2),
        (("--optimizer", "adamw-8bits"), 2),
    ],
)
def test_exit_codes(cli, more, code):
    """0: it fits; 1: it does not, or nobody knows; 2: wrong use or input."""
    assert cli(*PLAN, *more).exit_code == code


def test_json_is_the_plan(cli):
    """What Plan.from_dict reads back equal."""
    done = cli(*PLAN, "--json")
    assert llmplan.Plan.from_dict(json.loads(done.stdout)) == llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9))


def test_json_with_explain_is_both(cli):
    """The plan, and an entry for each number."""
    found = json.loads(cli(*PLAN, "--json", "--explain").stdout)
    plan = llmplan.Plan.from_dict(found["plan"])
    assert [entry["name"] for entry in found["explanation"]] == [entry.name for entry in plan.explain()]


def test_explain_follows_the_table(cli):
    """In the same 80 columns."""
    text = cli(*PLAN, "--explain").stdout
    assert "time.mfu = " in text
    assert max(map(len, text.splitlines())) <= 80


def test_every_option_arrives(cli):
    """Each where it belongs."""
    line = (
        "--sequence-length 512 --micro-batch 2 --global-batch 2 --optimizer adamw-8bit --optimizer-in-backward --recompute full "
        "--loss chunked --loss-chunks 4 --precision bf16 --runtime pytorch --data 1 --shard 0 --tariff tw-residential --grid tw "
        "--price aws-p5-48xlarge --baseline-kwh 345 --start 2026-12-01 --pue 1.1 --time-zone Asia/Taipei"
    )
    on = ("plan", "gpt2", "--on", "h100-sxm", "--tokens", "1e9")
    done = cli(*on, *line.split(), "--exchange-rate", "31.828 TWD/USD on 2026-03-10", "--json")
    case = llmplan.Plan.from_dict(json.loads(done.stdout)).case
    training = {
        "sequence_length": 512,
        "micro_batch_size": 2,
        "global_batch_size": 2,
        "loss": "chunked",
        "loss_chunks": 4,
        "recompute": "full",
    }
    assert {name: getattr(case.training, name) for name in training} == training
    assert (case.optimizer.name, case.optimizer.when, case.recompute.what) == ("adamw-8bit", "backward", "full")
    assert (case.precision.name, case.runtime.name, case.parallelism.data, case.parallelism.shard) == ("bf16", "pytorch", 1, 0)
    assert (case.tariff.name, case.grid.name, case.price.name) == ("tw-residential", "tw", "aws-p5-48xlarge")
    assert (case.site.baseline_kwh_per_month, case.site.start, case.site.pue) == (345, "2026-12-01", 1.1)
    assert (case.site.time_zone, case.site.exchange_rate) == ("Asia/Taipei", "31.828 TWD/USD on 2026-03-10")


def test_adapters_fine_tuning_and_states_on_the_host(cli):
    """The three that are no field of their own."""
    done = cli(*PLAN, "--fine-tune", "--lora-rank", "8", "--states-on-host", "--json")
    case = llmplan.Plan.from_dict(json.loads(done.stdout)).case
    assert case.training.adapter == llmplan.LoRA(rank=8)
    assert (case.training.recompute, case.training.global_batch_size) == ("full", 8)
    assert case.optimizer.states_on == "host"


def test_a_config_json_is_a_model(cli, tmp_path):
    """By its path, or by that of its folder."""
    config = {"model_type": "gpt2", "n_embd": 256, "n_head": 4, "n_layer": 2, "vocab_size": 1000, "n_positions": 128}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for path in (tmp_path / "config.json", tmp_path):
        assert cli("plan", str(path), "--on", "rtx-4070", "--tokens", "1e6").exit_code == 0


@pytest.mark.parametrize("tokens", ["38e9", "38_000_000_000", "38000000000", "3.8e10", "38_000e6"])
def test_numbers_as_people_type_them(cli, tokens):
    """With an exponent, or with underscores."""
    done = cli("plan", "gpt2", "--on", "rtx-4090", "--tokens", tokens, "--json")
    assert json.loads(done.stdout)["job"]["training"]["tokens"] == 38e9


@pytest.mark.parametrize(
    ("tokens", "hint"),
    [("38B", "write 38e9"), ("38b", "write 38e9"), ("500M", "write 500e6"), ("1.5T", "write 1.5e12"), ("8k", "write 8e3")],
)
def test_letters_for_powers_are_refused_with_the_right_number(cli, tokens, hint):
    """As B is a byte to whoever reads units."""
    done = cli("plan", "gpt2", "--on", "rtx-4090", "--tokens", tokens)
    assert done.exit_code == 2
    assert hint in done.stderr


@pytest.mark.parametrize("tokens", ["", "many", "nan", "inf", "-inf", "1e400", "38 e9", "0x10", "1e9 GB", "9**9", "٣"])
def test_what_is_no_number_is_refused(cli, tokens):
    """Whatever float() may think of infinity. Digits of other scripts are digits."""
    done = cli("plan", "gpt2", "--on", "rtx-4090", "--tokens", tokens)
    assert done.exit_code == (0 if tokens == "٣" else 2)
    assert "Traceback" not in done.output


WRONG = {
    "no machine": ("plan", "gpt2", "--tokens", "1e9"),
    "no tokens": ("plan", "gpt2", "--on", "rtx-4090"),
    "no model": ("plan", "--on", "rtx-4090", "--tokens", "1e9"),
    "two machines": (*PLAN, "--on", "rtx-4070"),
    "unknown model": ("plan", "gpt3", "--on", "rtx-4090", "--tokens", "1e9"),
    "unknown machine": ("plan", "gpt2", "--on", "rtx-4091", "--tokens", "1e9"),
    "unknown option": (*PLAN, "--batch", "3"),
    "unknown precision": (*PLAN, "--precision", "int3"),
    "unknown runtime": (*PLAN, "--runtime", "jax"),
    "unknown tariff": (*PLAN, "--tariff", "atlantis"),
    "unknown loss": (*PLAN, "--loss", "none"),
    "unknown recompute": (*PLAN, "--recompute", "some"),
    "no tokens at all": ("plan", "gpt2", "--on", "rtx-4090", "--tokens", "0"),
    "less than none": ("plan", "gpt2", "--on", "rtx-4090", "--tokens=-1"),
    "absurd": ("plan", "gpt2", "--on", "rtx-4090", "--tokens", "1e30"),
    "a fraction": (*PLAN, "--micro-batch", "2.5"),
    "no such day": (*PLAN, "--start", "2026-02-30"),
    "no such zone": (*PLAN, "--time-zone", "Asia/Taipeh"),
    "no rate": (*PLAN, "--exchange-rate", "31.8"),
    "no such file": ("plan", "./nowhere/config.json", "--on", "rtx-4090", "--tokens", "1e9"),
    "no such stage": (*PLAN, "--shard", "4"),
    "too long": (*PLAN, "--sequence-length", "100_000"),
    "contradiction": (*PLAN, "--optimizer-in-backward", "--micro-batch", "1", "--global-batch", "8"),
    "serving format": (*PLAN, "--precision", "qlora-nf4"),
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_wrong_use_is_one_message_on_stderr_and_exit_code_2(cli, given):
    """No traceback, nothing on stdout, and something to read on stderr; with --json too."""
    for more in ((), ("--json",)):
        done = cli(*given, *more)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert len(done.stderr) > 20
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("unknown model", "gpt2"),
        ("unknown machine", "Did you mean 'rtx-409"),
        ("unknown recompute", "@ Recompute.what"),
        ("no such zone", "Asia/Taipei"),
        ("no such file", "nowhere/config.json"),
        ("two machines", "llmplan compare"),
        ("no tokens", "--tokens"),
    ],
)
def test_messages_say_what_to_do(cli, given, hint):
    """The nearest right thing, or where the fault is."""
    assert hint in cli(*WRONG[given]).stderr


def test_what_is_not_modelled_says_so(cli, tmp_path):
    """An architecture that nobody knows, with those that are known."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba9", "hidden_size": 64}))
    done = cli("plan", str(tmp_path), "--on", "rtx-4090", "--tokens", "1e9")
    assert done.exit_code == 2
    assert "mamba9" in done.stderr
