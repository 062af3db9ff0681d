"""llmplan compare."""

import json

import pytest

import llmplan

COMPARE = ("compare", "gpt2", "--tokens", "1e9")


def test_machines_side_by_side(cli):
    """A row each, with its verdict."""
    done = cli(*COMPARE, "--on", "rtx-4090", "--on", "rtx-4070")
    assert done.exit_code == 0
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["fits", "needed", "total", "tokens/s", "energy"]
    assert [row.split()[:2] for row in rows] == [["rtx-4090", "yes"], ["rtx-4070", "yes"]]


def test_options_make_the_product(cli):
    """Two machines, two precisions and two micro-batches are eight settings."""
    done = cli(
        *COMPARE, "--on", "rtx-4090", "--on", "rtx-4070", "--precision", "bf16", "--precision", "fp32", "--micro-batch", "1",
        "--micro-batch", "2", "--json",
    )  # fmt: skip
    settings = [found["setting"] for found in json.loads(done.stdout)["settings"]]
    assert len(settings) == 8
    assert len({tuple(sorted(s.items())) for s in settings}) == 8
    assert all(s["tokens"] == 1e9 for s in settings)


def test_json_holds_plans_that_read_back(cli):
    """Equal to those that the library makes."""
    done = cli(*COMPARE, "--on", "rtx-4090", "--json")
    (found,) = json.loads(done.stdout)["settings"]
    assert llmplan.Plan.from_dict(found["plan"]) == llmplan.plan("gpt2", "rtx-4090", llmplan.Training(tokens=1e9))


def test_an_error_is_a_row_that_says_why(cli):
    """And the others are answered."""
    done = cli(*COMPARE, "--on", "rtx-4090", "--on", "rtx-4071")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert "rtx-4071  " in done.stdout
    assert "no machine or hardware is named 'rtx-4071'" in " ".join(done.stdout.split())
    errors = json.loads(cli(*COMPARE, "--on", "rtx-4090", "--on", "rtx-4071", "--json").stdout)["settings"]
    assert errors[1]["error"]["kind"] == "UnknownNameError"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--on", "rtx-4090", "--on", "rtx-4070", "--micro-batch", "64"), 1),
        (("--on", "rtx-4090", "--micro-batch", "1", "--micro-batch", "64"), 0),
        (("--on", "rtx-4090", "--optimizer-in-backward", "--micro-batch", "1", "--global-batch", "8"), 1),
        (("--on", "rtx-4071", "--on", "rtx-4072"), 2),
        ((), 2),
    ],
)
def test_exit_codes(cli, more, code):
    """0: one fits; 1: none does, for whatever reason; 2: nothing could be read."""
    done = cli(*COMPARE, *more)
    assert done.exit_code == code
    assert "Traceback" not in done.output


def test_an_unknown_model_is_wrong_input(cli):
    """As it is wrong in every row."""
    done = cli("compare", "gpt3", "--on", "rtx-4090", "--tokens", "1e9")
    assert done.exit_code == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--tariff", "tw-residential"),
        ("--tariff", "tw-residential", "--price", "aws-p5-48xlarge", "--baseline-kwh", "345"),
        ("--precision", "bf16", "--precision", "bf16-autocast", "--optimizer", "adamw", "--optimizer", "adamw-8bit"),
        ("--sequence-length", "256", "--sequence-length", "10_000"),
    ],
)
def test_the_table_is_80_columns_wide(cli, more):
    """Whatever the columns are, and however long a label is."""
    done = cli(*COMPARE, "--on", "rtx-4090", "--on", "8x h100-sxm", *more)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


def test_money_is_a_column_where_there_is_some(cli):
    """Electricity and rent, each in its own currency."""
    text = cli(
        *COMPARE, "--on", "h100-sxm", "--on", "8x h100-sxm", "--tariff", "tw-residential", "--price", "aws-p5-48xlarge"
    ).stdout
    assert {"electricity", "rent"} <= set(text.splitlines()[0].split())
    assert "TWD" in text
    assert "USD" in text
