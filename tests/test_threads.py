"""
Sixteen cold threads get what one thread gets.

Each test starts an interpreter in which nothing of llmplan is imported yet, and lets all threads go at once.
"""

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

THREADS = 16

RUN = """
import json, sys, threading

sys.setswitchinterval(1e-6)  # as unkind as an interpreter can be
start, found, faults = threading.Barrier({at_once}), [], []

def answer(number):
    import llmplan
    {answer}

def ask(number):
    start.wait()
    try:
        found.append((number, answer(number)))
    except BaseException as error:
        faults.append(f"{{type(error).__name__}}: {{error}}")

threads = [threading.Thread(target=ask, args=(number,)) for number in range({threads})]
for first in range(0, {threads}, {at_once}):
    for thread in threads[first : first + {at_once}]: thread.start()
    for thread in threads[first : first + {at_once}]: thread.join()
print(json.dumps([[answer for _, answer in sorted(found)], faults]))
"""

ANSWERS = {
    "unit registry": """
    import pint
    both = llmplan.ureg()("3 TFLOPS") / llmplan.ureg()("1 TWD/kWh")
    gibibytes = llmplan.ureg()("1 GB").to("GiB").magnitude
    return [llmplan.ureg() is pint.get_application_registry().get(), str(both.units), gibibytes]
    """,
    "names": """
    public = {name: getattr(llmplan, name) for name in llmplan.__all__}
    return {name: sorted(registry) for name, registry in public.items() if hasattr(registry, "refresh")}
    """,
    "nouns": """
    nouns = [llmplan.hardwares["rtx-4070"], llmplan.machines["16x8 h100-sxm"], llmplan.models["nanochat-2025-d20"]]
    return [repr(noun) for noun in nouns]
    """,
    "plans": """
    plan = llmplan.plan("gpt2", "rtx-4070", llmplan.Training(tokens=1e9, recompute="full"))
    return [plan.to_dict(), str(plan)]
    """,
    "plans with a site": """
    site = llmplan.Site(tariff="tw-residential", grid="tw", start="2026-12-01", baseline_kwh_per_month=345)
    plan = llmplan.plan("nanochat-d20", "8x h100-sxm", llmplan.Training(tokens=1e9), site=site)
    return [plan.to_dict(), str(plan.explain()), str(plan.cost.electricity.likely)]
    """,
    "errors": """
    try:
        llmplan.plan("gpt2", "rtx-4071", llmplan.Training(tokens=1e9))
    except llmplan.LlmplanError as error:
        return [type(error).__name__, str(error)]
    """,
}

DIFFERENT = """
    lengths = [128 * (1 + number % 4) for number in range(16)]
    training = llmplan.Training(tokens=1e9, sequence_length=lengths[number], micro_batch_size=1 + number % 2)
    precision = ("bf16", "fp32", "bf16-autocast")[number % 3]
    plan = llmplan.plan("gpt2", ("rtx-4070", "h100-sxm")[number // 8], training, precision=precision)
    return [plan.memory.peak.si, plan.time.step.si, plan.energy.site.si]
    """


def run(answer: str, *, threads: int, at_once: int) -> tuple[list[Any], list[str]]:
    """What the threads of a fresh interpreter were answered, so many at a time, and what went wrong."""
    body = textwrap.indent(textwrap.dedent(answer).strip(), "    ").strip()
    code = RUN.format(answer=body, threads=threads, at_once=at_once)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    assert done.returncode == 0, done.stderr
    found, faults = json.loads(done.stdout)
    return found, faults


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_cold_threads_get_what_one_gets(answer: str) -> None:
    """The same question, asked of nothing that is loaded yet."""
    (alone,), faults = run(answer, threads=1, at_once=1)
    assert not faults
    together, faults = run(answer, threads=THREADS, at_once=THREADS)
    assert not faults
    assert together == [alone] * THREADS


def test_different_plans_do_not_disturb_one_another() -> None:
    """Sixteen jobs at once, of several structures, and the same one after the other."""
    together, faults = run(DIFFERENT, threads=THREADS, at_once=THREADS)
    assert not faults
    one_by_one, faults = run(DIFFERENT, threads=THREADS, at_once=1)
    assert not faults
    assert together == one_by_one
