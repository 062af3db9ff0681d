# ruff: noqa: ANN401, INP001  an annotation has no type of its own, and this folder is no package
"""
Write the parts of the reference that are read off the code: tables of fields, of what is built in, of options.

    python docs/generate.py

A field's meaning and unit stand in its class's docstring, its form in its annotation, a built-in value in its TOML file,
an option in the command line. Nothing of that is typed a second time; a test compares the pages with what this script
makes of the code. What it writes stands between two comments of a page; the rest of a page is written by hand.
"""

import inspect
import os
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import attrs

from llmplan.billing.bill import Bill
from llmplan.billing.job import JobBill, PeriodBill
from llmplan.completing import Assumption
from llmplan.evaluating.case import Case
from llmplan.nouns._check import Frozen, IsoDate, MayBeZero
from llmplan.nouns._noun import Noun
from llmplan.nouns.calibration import Calibration
from llmplan.nouns.constant import Constant
from llmplan.nouns.format import Format
from llmplan.nouns.grid import Grid
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.interconnect import Interconnect
from llmplan.nouns.lora import LoRA
from llmplan.nouns.machine import Machine
from llmplan.nouns.model import Model
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.parallelism import Parallelism
from llmplan.nouns.precision import Precision
from llmplan.nouns.price import Price
from llmplan.nouns.recompute import Recompute
from llmplan.nouns.runtime import Runtime
from llmplan.nouns.serving import Serving
from llmplan.nouns.site import Site
from llmplan.nouns.tariff import DemandTier, FixedStep, RowOverride, Tariff, Tax, Tier, TotalTable
from llmplan.nouns.training import Training
from llmplan.planning.explaining import Entry, Input
from llmplan.planning.reports import CarbonReport, CostReport, EnergyReport, MemoryReport, TimeReport
from llmplan.planning.result import Plan
from llmplan.registry import REGISTRIES
from llmplan.sources import Estimate, Measures, Source, Sourced

HERE = Path(__file__).parent
BEGIN = "<!-- From here on written by docs/generate.py: change the code, and run it again. -->"
END = "<!-- To here. -->"

WORKLOADS = (Training, Serving, LoRA, Recompute, Parallelism)
FILES = (Hardware, Machine, Model, Format, Precision, Optimizer, Runtime, Tariff, Grid, Price, Calibration)
PARTS = (Interconnect, Tier, DemandTier, Tax, RowOverride, TotalTable, FixedStep, Constant)
NUMBERS = (Source, Sourced, Estimate)
RESULTS = (Plan, MemoryReport, TimeReport, EnergyReport, CostReport, CarbonReport, Assumption, Case, Entry, Input)
BILLS = (JobBill, PeriodBill, Bill)


class Described(NamedTuple):
    """A field as a docstring describes it."""

    name: str
    meaning: str
    unit: str


# ---- what a class says of its fields


def described(cls: type) -> list[Described]:
    """The fields of *cls*, in the order of its docstring."""
    found: list[list[str]] = []
    inside = False
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        if not line.startswith(" ") and line:
            inside = line == "Attributes:"
        elif inside and line.startswith("    ") and line[4] != " ":
            found.append([line.strip()])
        elif inside and line.strip():
            found[-1].append(line.strip())
    return [each for entry in found for each in _fields(" ".join(entry))]


def _fields(entry: str) -> Iterator[Described]:
    """The one or several fields of an entry ``name, name: meaning. [unit]``."""
    names, _, text = entry.partition(": ")
    meaning, unit = re.fullmatch(r"(.*?)(?:\s*\[([^\][]+)\])?", text).groups()  # type: ignore[union-attr]  # it matches anything
    for name in names.split(","):
        yield Described(name.strip(), _markdown(meaning), unit or "")


def _markdown(text: str) -> str:
    """The docstrings' reStructuredText as Markdown."""
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    text = re.sub(r":(?:class|func|meth|mod|data):`~?(?:llmplan\.(?:\w+\.)*)?([^`]*)`", r"`\1`", text)
    return text.replace("``", "`").replace("|", "\\|")


# ---- what an annotation says of a field


def form(annotation: Any) -> str:  # noqa: PLR0911  one line a kind
    """The form of a field's value in a TOML file, in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _marked(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(form(member) for member in args if member is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{_toml(value)}`" for value in args)
    if origin is tuple:
        return f"list of {_plural(form(args[0]))}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_plural(form(args[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, Noun):
        return f"table: [{annotation.__name__}](#{annotation.__name__.lower()})"
    if annotation is Source:
        return "name of a source"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(annotation, "anything")


def _marked(base: Any, marks: Iterable[Any]) -> str:
    measures = next((mark for mark in marks if isinstance(mark, Measures)), None)
    if measures is not None:
        return "quantity, or zero" if any(isinstance(mark, MayBeZero) for mark in marks) else "quantity"
    if any(isinstance(mark, Frozen) for mark in marks):
        return "table of plain data"
    return "date" if any(isinstance(mark, IsoDate) for mark in marks) else form(base)


def _plural(words: str) -> str:
    known = {"quantity": "quantities", "true or false": "true or false", "anything": "anything"}
    if words in known:
        return known[words]
    return re.sub(r"^(whole number|\w+)", r"\1s", words)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def left_out(field: "attrs.Attribute[Any]") -> str:
    """What a field is where a file does not say it."""
    if field.default is attrs.NOTHING:
        return "**must be said**"
    if field.default is None:
        return "not known, or none"
    return "empty" if field.default in ((), "") else f"`{_toml(field.default)}`"


# ---- pages


def nomenclature() -> Iterator[str]:
    """Every field's name, unit and meaning."""
    for title, classes in (
        ("Workloads", WORKLOADS),
        ("What a job is made of", FILES),
        ("Parts of these", PARTS),
        ("Where it runs", (Site,)),
        ("Numbers", NUMBERS),
        ("Results", RESULTS),
        ("Bills", BILLS),
    ):
        yield from ("", f"## {title}")
        for cls in classes:
            yield from ("", f"### {cls.__name__}", "", *_meanings(cls))


def _meanings(cls: type) -> Iterator[str]:
    yield _markdown(_summary(cls))
    yield ""
    yield from _table(("name", "unit", "meaning"), ((f"`{d.name}`", d.unit, d.meaning) for d in described(cls)))


def _summary(cls: type) -> str:
    first = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return re.sub(r" \[\d+\]_", "", first)


def toml_fields() -> Iterator[str]:
    """The form of every field of a TOML file."""
    for title, classes in (("Files", FILES), ("Tables inside them", PARTS)):
        yield from ("", f"## {title}")
        for cls in classes:
            yield from ("", f"### {cls.__name__}", "", *_group(cls), *_forms(cls))


def _group(cls: type) -> Iterator[str]:
    kind = next((registry for registry in REGISTRIES.values() if registry.kind == cls.__name__.lower()), None)
    if kind is not None:
        yield f"Entry-point group `{kind.group}`."
        yield ""


def _forms(cls: type) -> Iterator[str]:
    rows = ((f"`{f.name}`", form(f.type), left_out(f)) for f in attrs.fields(cls))  # type: ignore[arg-type]  # a noun is an attrs class
    return _table(("field", "form", "where it is left out"), rows)


def built_in() -> Iterator[str]:
    """What llmplan knows by name."""
    for title, kind, columns in _COLUMNS:
        registry = REGISTRIES[kind]
        rows = [(f"`{name}`", *(_cell(read, registry[name]) for read in columns.values())) for name in registry]
        rows += [(f"`{pattern}`", *("" for _ in columns)) for pattern in registry.families]
        yield from ("", f"## {title}", "", *_table(("name", *columns), rows))


def _cell(read: Any, item: Any) -> str:
    value = read(item)
    if value is None:
        return "not known"
    if isinstance(value, Sourced):
        return f"{value.magnitude:g} {value.unit}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _toml(value).strip('"')


def _peak(card: Hardware) -> Sourced | None:
    return card.peak_flops.get("bf16/fp32")


def _bits(item: Format) -> str:
    side = 4096
    stored = item.matrix_bytes(side, side) if item.needs_shape else item.bytes(side * side)
    return f"{8 * stored / side**2:.3f}"


def _states(item: Optimizer) -> str:
    return "as the parameter" if item.state_format == "parameter" else item.state_format


def _cards(item: Machine) -> str:
    return f"{item.count} x {item.hardware if isinstance(item.hardware, str) else item.hardware.name}"


_COLUMNS: tuple[tuple[str, str, dict[str, Callable[[Any], Any]]], ...] = (
    (
        "Hardware",
        "hardware",
        {
            "memory": lambda h: h.memory_capacity,
            "usable": lambda h: h.memory_usable,
            "bandwidth": lambda h: h.memory_bandwidth,
            "bf16, dense": _peak,
            "power limit": lambda h: h.tdp,
        },
    ),
    (
        "Machines",
        "machine",
        {"cards": _cards, "link in a node": lambda m: m.interconnect and m.interconnect.name, "host power": lambda m: m.host_power},
    ),
    (
        "Models",
        "model",
        {"architecture": lambda m: m.architecture, "parameters, published": lambda m: m.num_parameters_published},
    ),
    (
        "Formats",
        "format",
        {"bits an element, 4,096 x 4,096": _bits, "can be trained": lambda f: "yes" if f.trainable else "no"},
    ),
    (
        "Precisions",
        "precision",
        {
            "weights": lambda p: p.weights,
            "frozen weights": lambda p: p.frozen_weights or p.weights,
            "gradients": lambda p: p.gradients,
            "optimizer states": lambda p: p.optimizer_states,
            "casts": lambda p: p.casts,
        },
    ),
    (
        "Optimizers",
        "optimizer",
        {"algorithm": lambda o: o.algorithm, "implementation": lambda o: o.implementation, "states": _states},
    ),
    (
        "Runtimes",
        "runtime",
        {"framework": lambda r: r.framework, "mode": lambda r: r.mode, "attention": lambda r: r.attention},
    ),
    (
        "Tariffs",
        "tariff",
        {
            "country": lambda t: t.country,
            "currency": lambda t: t.currency,
            "status": lambda t: t.status,
            "from": lambda t: t.effective_from,
        },
    ),
    (
        "Grids",
        "grid",
        {"region": lambda g: g.region, "carbon intensity": lambda g: g.carbon_intensity, "year": lambda g: f"{g.year}"},
    ),
    (
        "Prices",
        "price",
        {
            "hardware": lambda p: p.hardware,
            "a GPU and hour": lambda p: f"{p.per_gpu_hour:g} {p.currency}",
            "purchase": lambda p: p.purchase,
            "read on": lambda p: p.date,
        },
    ),
    ("Calibrations", "calibration", {"fitted on": lambda c: c.date}),
    ("Architectures", "architecture", {}),
)


def commands() -> Iterator[str]:
    """Every command of the command line, its arguments and its options."""
    from typer.main import get_command

    from llmplan.cli.app import app

    group = get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # it is a group
        yield from ("", f"### llmplan {name}", "", *_paragraphs(command.help or ""), "")
        rows = [(_usage(each), "**must be said**" if each.required else "", each.help or "") for each in command.params]
        yield from _table(("option", "", "meaning"), rows)


def _paragraphs(text: str) -> list[str]:
    return inspect.cleandoc(text).splitlines()


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.type.name.upper()}"
    return f"`{', '.join(parameter.opts)}{value}`"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "reference/nomenclature.md": nomenclature,
    "reference/toml-fields.md": toml_fields,
    "reference/built-in.md": built_in,
    "reference/command-line.md": commands,
}
"""Each page, from this folder, and what writes its part."""


def page(path: str) -> str:
    """The page at *path* with its part written anew."""
    before, begin, rest = (HERE / path).read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"{path} has no place for what is written: {BEGIN} and {END}"
        raise ValueError(message)
    return before + "\n".join((BEGIN, *PAGES[path](), "", END)) + after


def main() -> None:
    """Write the parts."""
    # The pages describe what llmplan itself brings, whatever is installed beside it.
    os.environ["LLMPLAN_PLUGINS"] = ""
    for path in PAGES:
        (HERE / path).write_text(page(path), encoding="utf-8")


if __name__ == "__main__":
    main()
