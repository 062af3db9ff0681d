"""
How long things take, against what they may: ``make bench``.

CPU time over a bare interpreter, each in processes of its own, the best of several. It reports and never fails: a machine
that is busy, or slow, measures more. The first line says how fast this one is, so that two reports can be compared.
"""
# ruff: noqa: T201  it reports

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RUNS = 5
NAMES = 200  # that the catalogues are to have; those that are not built in are made up
CARDS = 100

CARD = """
api = 1
name = "card-{i}"
vendor = "Acme"
family = "One"
kind = "desktop"
form = "pcie"
year = 2024
memory_capacity = {{ value = "{i} GiB", source = "sheet" }}
memory_type = "GDDR6X"
memory_bandwidth = {{ value = "504 GB/s", source = "sheet" }}
tdp = {{ value = "200 W", source = "sheet" }}
pcie_bandwidth = {{ value = "32 GB/s", source = "sheet" }}
l2_cache = {{ value = "36 MiB", source = "sheet" }}
sm_count = 46
boost_clock = {{ value = "2475 MHz", source = "sheet" }}

[peak_flops]
"bf16/fp32" = {{ value = "58.3 TFLOPS", source = "sheet" }}
"fp16/fp16" = {{ value = "116.6 TFLOPS", source = "sheet" }}
"fp32/fp32" = {{ value = "29.1 TFLOPS", source = "sheet" }}

[sources.sheet]
kind = "datasheet"
title = "a made-up card"
url = "https://example.org/card-{i}.pdf"
accessed = "2026-11-24"
"""

PLAN = "llmplan.plan('nanochat-d32', '8x h100-sxm', llmplan.Training(tokens=38e9))"
GIVEN = "llmplan.plan('nanochat-d32', 'rtx-4070', llmplan.Training(tokens=38e9, micro_batch_size=1, global_batch_size=256))"
OTHERS = "lengths = iter(64 * n for n in range(1, 10**6))"
OTHER = GIVEN.replace("tokens=38e9", "tokens=38e9, sequence_length=next(lengths)")
LOADED = f"[llmplan.hardwares[f'card-{{i}}'] for i in range({CARDS})]"


class Row(NamedTuple):
    """What is measured, its budget in ms, what comes before it, the code, and how often that is repeated."""

    name: str
    budget: float
    before: str
    code: str
    times: int = 1


def rows() -> Iterator[Row]:
    """The budgets that there are."""
    yield Row("import llmplan", 15.0, "", "import llmplan")
    yield Row(
        f"sorted(llmplan.hardwares), {NAMES} names, cold",
        50.0,
        "",
        f"import llmplan; assert len(sorted(llmplan.hardwares)) == {NAMES}",
    )
    yield Row("first plan() in a process, imports included", 600.0, "", f"import llmplan; {PLAN}")
    yield Row("further plan() of the same job", 1.0, f"import llmplan; {GIVEN}", GIVEN, 100)
    yield Row("further plan(), its micro-batch to be found", 1.0, f"import llmplan; {PLAN}", PLAN, 100)
    yield Row("further plan() of other lengths", 1.0, f"import llmplan; {OTHERS}; {OTHER}", OTHER, 100)
    yield Row(f"{CARDS} cards of a plugin, first time", 100.0, "", f"import llmplan; {LOADED}")
    yield Row(f"{CARDS} cards of a plugin, modules loaded", 100.0, "import llmplan; llmplan.hardwares['rtx-4070']", LOADED)
    yield Row(f"{CARDS} cards of a plugin, again", 1.0, f"import llmplan; {LOADED}", LOADED, 10)


def cpu_milliseconds(row: Row, folder: Path) -> float:
    """CPU time of a row's code in fresh interpreters, their own start left out; the best of several."""
    script = (
        "import time\n"
        f"{row.before}\n"
        "start = time.process_time()\n"
        f"for _ in range({row.times}):\n"
        f"    {row.code}\n"
        "print(1e3 * (time.process_time() - start))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LLMPLAN_PLUGINS"} | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True, env=environment) for _ in range(RUNS)]
    return min(float(run.stdout) for run in runs) / row.times


def install(folder: Path) -> None:
    """A plugin with so many cards that all names together are as many as they are to be."""
    cards = folder / "bench_cards" / "hardware"
    cards.mkdir(parents=True)
    (cards.parent / "__init__.py").touch()
    info = folder / "bench_cards-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-cards\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[llmplan.hardware]\nbench = bench_cards.hardware\n")
    import llmplan

    for i in range(NAMES - len(llmplan.hardwares)):
        (cards / f"card-{i}.toml").write_text(CARD.format(i=i).replace('"0 GiB"', '"1 GiB"'))


def speed() -> float:
    """Additions of a plain loop in a microsecond: what this interpreter does on this machine at the moment."""
    best = 1e9
    for _ in range(20):
        start, total = time.process_time(), 0
        for i in range(20_000):
            total += i
        best = min(best, time.process_time() - start)
    return 20_000 / best / 1e6


def main() -> None:
    """Print a row for each budget."""
    print(f"Python {sys.version.split()[0]}, {speed():.0f} additions of a plain loop in a microsecond")
    print(f"{'CPU time over a bare interpreter':<50}{'ms':>9}{'budget':>9}{'ratio':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        for row in rows():
            took = cpu_milliseconds(row, folder)
            verdict = "ok" if took <= row.budget else "over"
            print(f"{row.name:<50}{took:>9.2f}{row.budget:>9.0f}{took / row.budget:>7.2f}  {verdict}", flush=True)
    print(f"{'sweep, 2,000,000 plans a second':<50}{'not built yet':>25}")


if __name__ == "__main__":
    main()
