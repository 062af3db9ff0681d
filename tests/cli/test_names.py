"""llmplan list, show and plugins."""

import json

import pytest

import llmplan
from llmplan.registry import REGISTRIES, Registry


def test_list_counts_all_kinds(cli):
    """A kind a line, with how many names it has."""
    lines = [line for line in cli("list").stdout.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in lines] == list(REGISTRIES)
    assert [int(line.split()[1]) for line in lines] == [len(registry) for registry in REGISTRIES.values()]
    found = json.loads(cli("list", "--json").stdout)["kinds"]
    assert found["model"]["names"] == len(llmplan.models)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_list_prints_names_one_a_line(cli, kind):
    """For programs that read lines; families come last, as patterns."""
    expected = [*REGISTRIES[kind], *REGISTRIES[kind].families]
    assert cli("list", kind).stdout.split() == expected
    assert cli("list", f"{kind}s").stdout.split() == expected
    found = json.loads(cli("list", kind, "--json").stdout)
    assert found == {"kind": kind, "names": list(REGISTRIES[kind]), "families": list(REGISTRIES[kind].families)}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, registry in REGISTRIES.items() for name in registry])
def test_show_says_everything(cli, kind, name):
    """Every field that is set, within 80 columns, with numbered sources; and the same as JSON."""
    done = cli("show", kind, name)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{kind} {name}, of llmplan {llmplan.__version__}\n")
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = json.loads(cli("show", kind, name, "--json").stdout)
    shown = "".join(line.split("  ")[0].strip() for line in done.stdout.splitlines())
    assert all(field in shown for field in found["fields"])


def test_show_gives_units_and_sources(cli):
    """Of measured values as the source prints them, of plain numbers as the noun's documentation states them."""
    text = cli("show", "hardware", "rtx-4070").stdout
    assert "504 GB/s" in text
    assert "year" in text
    assert "2023 " in text
    assert "[1] Club386" in text
    assert "6.88 USD/hour" in cli("show", "price", "aws-p5-48xlarge").stdout
    found = json.loads(cli("show", "hardware", "rtx-4070", "--json").stdout)
    assert found["fields"]["memory_bandwidth"]["value"] == "504 GB/s"
    assert found["origin"] == {"package": "llmplan", "version": llmplan.__version__}


def test_show_knows_machines_in_words_and_families(cli):
    """As the library does."""
    assert "nodes                   16" in cli("show", "machine", "16x8 h100-sxm").stdout
    assert cli("show", "model", "nanochat-2025-d12").exit_code == 0


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (("list", "hardwear"), "Did you mean 'hardware'?"),
        (("show", "hardwear", "rtx-4070"), "Did you mean 'hardware'?"),
        (("show", "hardware", "rtx-4071"), "Did you mean 'rtx-4070'?"),
        (("show", "hardware"), "Missing argument"),
    ],
)
def test_a_wrong_name_is_told(cli, given, hint):
    """On stderr, with exit code 2."""
    done = cli(*given)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert hint in done.stderr


def test_plugins_shows_packages_and_what_is_broken(cli, monkeypatch):
    """A broken item is told with its package, version and error, and the exit code is 0: it was asked and it answered."""
    from importlib_metadata import EntryPoint

    entries = [
        EntryPoint("broken", "no_such_module:card", "llmplan.hardware"),
        EntryPoint("nothing", "no_such_package.hardware", "llmplan.hardware"),
    ]
    registry = Registry("hardware", "llmplan.nouns.hardware:Hardware", "llmplan.hardware", find=lambda _group: entries)
    monkeypatch.setitem(REGISTRIES, "hardware", registry)
    done = cli("plugins")
    assert done.exit_code == 0
    assert "llmplan.model" in done.stdout
    assert "No module named 'no_such_module'" in " ".join(done.stdout.split())
    assert "no_such_package" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = json.loads(cli("plugins", "--json").stdout)
    (mine,) = [p for p in found["plugins"] if p["group"] == "llmplan.hardware"]
    assert mine["names"] == 2
    assert {error["name"] for error in mine["errors"]} == {"broken", "nothing = no_such_package.hardware"}


def test_plugins_counts_our_own(cli):
    """Every group, with as many names as the registry has."""
    found = json.loads(cli("plugins", "--json").stdout)
    counts = {p["group"]: p["names"] for p in found["plugins"] if p["package"] == "llmplan"}
    assert counts == {r.group: len(r) + len(r.families) for r in REGISTRIES.values()}
    assert [p["errors"] for p in found["plugins"]] == [[]] * len(found["plugins"])


def test_plugins_tells_what_a_narrowed_search_does_not_find(cli, monkeypatch):
    """LLMPLAN_PLUGINS with a slip in it."""
    monkeypatch.setenv("LLMPLAN_PLUGINS", "no-such-package")
    assert "'no-such-package'" in cli("plugins").stdout
    found = json.loads(cli("plugins", "--json").stdout)
    assert found["not_installed"] == ["no-such-package"]
    assert found["narrowed_to"] == ["llmplan", "no-such-package"]
