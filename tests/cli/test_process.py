"""The command line as a process: streams, exit codes, signals, and what is not installed."""

import os
import signal
import subprocess
import sys
import time

import pytest

import llmplan

PLAN = ("plan", "gpt2", "--on", "rtx-4090", "--tokens", "1e9")


def run(*arguments, code=None, **environment):
    """``python -m llmplan`` with these arguments, or Python with this code."""
    command = [sys.executable, "-m", "llmplan", *arguments] if code is None else [sys.executable, "-c", code]
    environment = {"PATH": "", "PYTHONIOENCODING": "utf-8"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (PLAN, 0),
        ((*PLAN, "--micro-batch", "64", "--global-batch", "64"), 1),
        ((*PLAN, "--nosuch"), 2),
        (("plan", "gpt3", "--on", "rtx-4090", "--tokens", "1e9"), 2),
        (("compare", *PLAN[1:], "--on", "rtx-4070"), 0),
        (("list",), 0),
        (("show", "grid", "tw"), 0),
        (("--version",), 0),
        (("--help",), 0),
        (("plan", "--help"), 0),
        ((), 2),
        (("frobnicate",), 2),
    ],
)
def test_exit_codes_and_plain_output(arguments, code):
    """No traceback, no escape codes and no line over 80 columns where the output is piped."""
    done = run(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert max((len(line) for line in done.stdout.splitlines()), default=0) <= 80
    if code == 2 and arguments:
        assert done.stdout == ""


def test_the_version():
    """Of the package."""
    assert run("--version").stdout == f"llmplan {llmplan.__version__}\n"


def test_a_console_of_few_letters_stops_nothing(tmp_path):
    """What it cannot say it says by its number."""
    config = '{"model_type": "gpt2", "_name_or_path": "模型", "n_embd": 64, "n_head": 2, "n_layer": 2, "vocab_size": 99}'
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    done = run("plan", str(tmp_path), "--on", "rtx-4070", "--tokens", "1e6", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert r"\u6a21\u578b on rtx-4070" in done.stdout


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_which(missing):
    """And the exit code is 2."""
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['llmplan', 'list']; from llmplan.cli import main; main()"
    done = run(code=code)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"llmplan: the command line needs {missing}, of the extra 'cli': pip install 'llmplan[cli]'\n"


def test_listing_loads_little():
    """No numpy, no pint and no rich for a list of names."""
    code = (
        "import sys; sys.argv = ['llmplan', 'list', 'models']\n"
        "from llmplan.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "loaded = {'numpy', 'pint', 'rich', 'cattrs'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = run(code=code)
    assert done.returncode == 0, done.stderr


def test_the_package_of_commands_loads_no_typer():
    """As ``python -m llmplan.cli.demo`` needs none."""
    assert run(code="import llmplan.cli, sys; assert 'typer' not in sys.modules").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_it_quietly():
    """With 130, as shells expect."""
    code = (
        "import sys, time\n"
        "import llmplan.cli.names as names, typer\n"
        "import llmplan.registry as registry\n"
        "class Slow(dict):\n"
        "    def values(self): print('ready', flush=True); time.sleep(60)\n"
        "registry.REGISTRIES = Slow()\n"
        "sys.argv = ['llmplan', 'list']\n"
        "from llmplan.cli import main; main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr


def test_a_fault_of_llmplan_itself_is_told_in_one_line():
    """With exit code 3, and with a way to see where."""
    code = (
        "import sys; import llmplan.cli.jobs as jobs\n"
        "import llmplan.cli.planning as planning\n"
        "def fail(*a): raise ZeroDivisionError('a slip')\n"
        "planning.planned = fail\n"
        f"sys.argv = ['llmplan', *{PLAN!r}]\n"
        "from llmplan.cli import main; main()\n"
    )
    done = run(code=code)
    assert done.returncode == 3
    assert "ZeroDivisionError: a slip" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in run(code=code, LLMPLAN_TRACEBACK="1").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty there")
@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(no_color, coloured):
    """On a terminal the verdict has a colour, unless NO_COLOR is set."""
    import pty

    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    if no_color:
        environment["NO_COLOR"] = no_color
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "llmplan", *PLAN], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    text = b"".join(_read(ours)).decode()
    assert process.wait() == 0
    assert ("\x1b[1;32m" in text or "\x1b[32m" in text) is coloured
    assert "\x1b[3" not in text if not coloured else True


def _read(descriptor):
    while True:
        try:
            block = os.read(descriptor, 65536)
        except OSError:  # how a closed terminal ends
            return
        if not block:
            return
        yield block
