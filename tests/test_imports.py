"""Who may import whom, and what importing llmplan costs."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import llmplan

SRC = Path(llmplan.__file__).parent

# The house, from the ground up: a module imports only from what stands before it. `llmplan` is the face.
ORDER = (  # noqa: SIM905  # read as a line, from the left
    "errors units sources nouns reading registry program architectures runtimes parallel costs serving billing evaluating "
    "completing planning search advising auditing calibrating validating llmplan measure cli report strategies testing "
    "_hypothesis __main__"
).split()

# These never import each other, though one stands before the other; they meet in `evaluating`.
STRANGERS = {"architectures", "runtimes"}

# Who else's packages may be loaded where. Everything else of the core is in the first line.
ANYWHERE = {"attrs", "cattrs", "importlib_metadata", "numpy"}
ONLY = {
    "pint": {"units"},
    "hypothesis": {"strategies", "testing", "_hypothesis"},
    "pytest": {"testing"},
    "torch": {"measure"},
    "transformers": {"measure"},
    "typer": {"cli", "__main__"},
    "click": {"cli", "__main__"},
    "rich": {"cli", "__main__"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "distributed": {"search"},
    "holidays": {"billing"},
}


class Import(NamedTuple):
    """One import: the file and line, the floor that it stands on, and what it takes."""

    where: str
    floor: str
    target: str
    typing_only: bool


def floor_of(path: Path) -> str:
    """The part of the house that a file belongs to: ``nouns`` for nouns/hardware.py."""
    first = path.relative_to(SRC).parts[0].removesuffix(".py")
    return "llmplan" if first == "__init__" else first


def files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(SRC.rglob("*.py"))


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, wherever in it."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {id(node) for block in ast.walk(tree) if is_typing_block(block) for part in block.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        for target in targets(node, path):
            yield Import(f"{path.relative_to(SRC)}:{node.lineno}", floor_of(path), target, id(node) in typing_only)


def is_typing_block(node: ast.AST) -> bool:
    """Whether *node* is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING"


def targets(node: ast.AST, path: Path) -> Iterator[str]:
    """The modules that a statement imports, by their full names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = ["llmplan", *path.relative_to(SRC).parent.parts]
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        # `from llmplan import units` takes a module, `from llmplan import plan` something of the face.
        yield from (f"{module}.{alias.name}" for alias in node.names) if module == "llmplan" else (module,)


def every_import() -> list[Import]:
    """Every import in the package."""
    return [found for path in files() for found in imports(path)]


def own(target: str) -> str | None:
    """The floor of our own that *target* is on; None for what is not ours."""
    root, _, rest = target.partition(".")
    if root != "llmplan":
        return None
    first = rest.partition(".")[0]
    if first == "__version__":  # a text, for which nothing is loaded
        return None
    return first if first in ORDER else "llmplan"


def test_the_house_is_complete():
    """Every file stands on a floor of the list, and data is the only folder without code."""
    assert {floor_of(path) for path in files()} - set(ORDER) == set()
    assert {path.name for path in SRC.iterdir() if path.is_dir()} - set(ORDER) <= {"data", "__pycache__"}


def test_imports_only_from_above():
    """No module imports from one that stands after it, not even for its types."""
    wrong = [
        f"{found.where} {found.floor} imports {found.target}"
        for found in every_import()
        if (floor := own(found.target)) and found.floor != "llmplan" and ORDER.index(floor) > ORDER.index(found.floor)
    ]

    assert wrong == []


def test_strangers_meet_in_evaluating_only():
    """What a model is and how a framework computes it know nothing of each other."""
    wrong = [
        f"{found.where} imports {found.target}"
        for found in every_import()
        if found.floor in STRANGERS and own(found.target) in STRANGERS - {found.floor}
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("floor", "names"),
    [
        # A runtime's own name may hold a family's.
        ("runtimes", r"llama(?![_.]cpp)|gpt-?2|nanochat(?!'s script|_script)|qwen|mi[sx]tral|gemma|deepseek|falcon"),
        # An activation is called gelu_pytorch_tanh in config.json, whoever computes it.
        ("architectures", r"(?<!gelu_)pytorch|\btorch|\btransformers\b|megatron|vllm|deepspeed|llama[_.]cpp"),
    ],
    ids=["runtimes", "architectures"],
)
def test_who_owns_a_fact(floor, names):
    """No runtime names a family of models, and no architecture names a framework."""
    named = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted((SRC / floor).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(names, line, re.IGNORECASE)
    ]

    assert named == []


def test_others_packages_stay_where_they_belong():
    """pint behind one door, test tools and torch out of the core, each extra in its own part."""
    wrong = [
        f"{found.where} imports {found.target}"
        for found in every_import()
        if not found.typing_only and own(found.target) is None and not allowed(found)
    ]

    assert wrong == []


def allowed(found: Import) -> bool:
    """Whether the importing floor may load that package."""
    package = found.target.partition(".")[0]
    return package in sys.stdlib_module_names | ANYWHERE | {"llmplan"} or found.floor in ONLY.get(package, set())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import llmplan.cli", ["llmplan.cli"]),
        ("from llmplan import units, plan", ["llmplan.units", "llmplan.plan"]),
        ("from . import table", ["llmplan.nouns"]),
        ("from .. import units", ["llmplan.units"]),
        ("from ..cli import main", ["llmplan.cli"]),
        ("def f():\n    from numpy import array", ["numpy"]),
    ],
)
def test_the_reader_reads(source, expected):
    """The tests above would find what they look for."""
    path = SRC / "nouns" / "made_up.py"

    assert [target for node in ast.walk(ast.parse(source)) for target in targets(node, path)] == expected


def loaded_by(code: str) -> set[str]:
    """The modules that *code* loads in a new interpreter, beyond those that the interpreter starts with."""
    # What the interpreter does before our code runs may differ by platform: it is not ours.
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split())


def test_importing_llmplan_loads_nothing_else():
    """Not attrs, not pint, not numpy, not even typing."""
    assert loaded_by("import llmplan") == {"llmplan"}


def test_names_cost_nothing():
    """Listing the cards loads neither pint nor numpy nor a single noun."""
    loaded = loaded_by("import llmplan; assert len(sorted(llmplan.hardwares)) > 1")

    assert not {"pint", "numpy", "attrs", "attr", "cattrs"} & loaded
    assert not any(name.startswith("llmplan.nouns") for name in loaded)


def test_a_card_costs_no_pint():
    """Common units are read from a table."""
    assert "pint" not in loaded_by("import llmplan; llmplan.hardwares['rtx-4070']")


class TestFace:
    @pytest.mark.parametrize("name", sorted(llmplan._HOME))
    def test_every_name_is_there(self, name):
        """Each public name is what its home has under that name."""
        assert getattr(llmplan, name) is getattr(import_module(f"llmplan.{llmplan._HOME[name]}"), name)

    def test_all_is_all(self):
        """What is offered is what is listed, and the list has no name twice."""
        assert sorted(llmplan.__all__) == sorted({*llmplan._HOME, "__version__"})
        assert set(llmplan.__all__) <= set(dir(llmplan))

    def test_modules_do_not_overwrite_names(self):
        """Importing a submodule that is called like a registry leaves the registry where it was."""
        shared = {floor_of(path) for path in files()} & set(llmplan.__all__)
        before = {name: getattr(llmplan, name) for name in shared}

        modules = {name: import_module(f"llmplan.{name}") for name in shared}

        assert shared == {"architectures", "runtimes"}
        assert all(getattr(llmplan, name) is before[name] is not modules[name] for name in shared)

    @pytest.mark.parametrize("first", ["llmplan.architectures", "llmplan.runtimes.pytorch"])
    def test_modules_imported_first(self, first):
        """Nor does it matter which of the two was asked for first."""
        loaded_by(f"import {first}, llmplan; assert llmplan.{first.split('.')[1]}['gpt2' if 'arch' in '{first}' else 'pytorch']")

    def test_can_be_patched(self, monkeypatch):
        """A test of a user's may put something else in a name's place."""
        monkeypatch.setattr(llmplan, "plan", len)

        assert llmplan.plan is len

    def test_type_checkers_see_the_same(self):
        """What is imported for type checkers is what is loaded at run time, from the same homes."""
        tree = ast.parse((SRC / "__init__.py").read_text("utf-8"))
        block = next(node for node in ast.walk(tree) if is_typing_block(node))
        told = {alias.name: node.module for node in block.body for alias in node.names}

        assert told == {name: f"llmplan.{home}" for name, home in llmplan._HOME.items()}

    def test_misspelt(self):
        """A misspelt name gets Python's own message."""
        with pytest.raises(AttributeError, match="module 'llmplan' has no attribute 'Hardwear'"):
            _ = llmplan.Hardwear

    def test_version(self):
        """The version is the installed package's."""
        from importlib_metadata import version

        assert llmplan.__version__ == version("llmplan")
