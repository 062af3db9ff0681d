"""
How long things take, against what they may: ``make bench``.

CPU time over a bare interpreter, each in a process of its own, the best of several. It reports and never fails: a machine
that is busy measures more.
"""
# ruff: noqa: T201  it reports

import subprocess
import sys

RUNS = 5

CARD = """
api = 1
name = "card-{i}"
vendor = "Acme"
family = "One"
kind = "desktop"
memory_capacity = {{ value = "{i} GiB", source = "sheet" }}
memory_bandwidth = {{ value = "504 GB/s", source = "sheet" }}
tdp = {{ value = "200 W", source = "sheet" }}
[peak_flops]
"bf16/fp32" = {{ value = "58.3 TFLOPS", source = "sheet" }}
"fp32/fp32" = {{ value = "29.1 TFLOPS", source = "sheet" }}
[sources.sheet]
kind = "datasheet"
title = "a made-up card"
accessed = "2026-11-24"
"""

PLAN = "llmplan.plan('nanochat-d32', '8x h100-sxm', llmplan.Training(tokens=38e9, optimizer='muon'))"
READ = "[llmplan.read(t, llmplan.Hardware) for t in texts]"

#: What is measured, the budget in ms, what comes before it, the code, and how often it is repeated.
ROWS = [
    ("import llmplan", 15.0, "", "import llmplan", 1),
    ("sorted(llmplan.hardwares), cold", 50.0, "", "import llmplan; sorted(llmplan.hardwares)", 1),
    ("first plan() in a process", 600.0, "", f"import llmplan; {PLAN}", 1),
    ("further plan()", 1.0, f"import llmplan; {PLAN}", PLAN, 50),
    ("100 cards read from TOML, first time", 100.0, "texts = {texts!r}", f"import llmplan; {READ}", 1),
]


def cpu_milliseconds(before: str, code: str, times: int) -> float:
    """CPU time of *code* in a fresh interpreter, the interpreter's own start left out; the best of several runs."""
    script = (
        "import time\n"
        f"{before}\n"
        "start = time.process_time()\n"
        f"for _ in range({times}):\n"
        f"    {code}\n"
        "print(1e3 * (time.process_time() - start))\n"
    )
    runs = [subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True) for _ in range(RUNS)]
    return min(float(run.stdout) for run in runs) / times


def main() -> None:
    """Print a row for each budget."""
    texts = [CARD.format(i=i) for i in range(1, 101)]
    print(f"{'CPU time over a bare interpreter':<40}{'ms':>9}{'budget':>9}{'ratio':>7}")
    for name, budget, before, code, times in ROWS:
        took = cpu_milliseconds(before.format(texts=texts) if "{texts" in before else before, code, times)
        print(f"{name:<40}{took:>9.2f}{budget:>9.0f}{took / budget:>7.2f}  {'ok' if took <= budget else 'over'}")
    print(f"{'sweep of 2,000,000 plans a second':<40}{'not built yet':>25}")


if __name__ == "__main__":
    main()
