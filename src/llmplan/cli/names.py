"""``llmplan list``, ``show`` and ``plugins``: what there is, what it says, and where it comes from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli.options import Json
from llmplan.cli.printing import console, say_json, told

if TYPE_CHECKING:
    from rich.table import Table

    from llmplan.registry import Registry

Kind = Annotated[str, typer.Argument(metavar="KIND", help="A kind of names: hardware, model, tariff, ...")]
OptionalKind = Annotated[str | None, typer.Argument(metavar="KIND", help="A kind of names; all kinds where left out.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of that kind.")]


@told
def list_names(kind: OptionalKind = None, *, json: Json = False) -> None:
    """List the names of a kind, or count those of all kinds."""
    if kind is not None:
        registry = _registry(kind)
        names, families = sorted(registry), list(registry.families)
        if json:
            say_json({"kind": registry.kind, "names": names, "families": families})
        else:
            typer.echo("\n".join([*names, *families]))
        return
    from llmplan.registry import REGISTRIES

    if json:
        kinds = {name: {"names": len(found), "families": list(found.families)} for name, found in REGISTRIES.items()}
        say_json({"kinds": kinds})
    else:
        typer.echo("\n".join(map(_counted, REGISTRIES.values())))


def _counted(registry: "Registry[Any]") -> str:
    """A kind and its number of names; families are too many to count."""
    count = f"{registry.kind:<14}{len(registry):>4}"
    return "\n".join([count, *(f"{'':<14}   + {pattern}" for pattern in registry.families)])


@told
def show(kind: Kind, name: Name, *, json: Json = False) -> None:
    """Show a name's fields, with units and sources."""
    from llmplan.cli.fields import described

    found = described(_registry(kind), name)
    if json:
        say_json(found.to_dict())
        return
    out = console()
    out.print(found.title, style="bold")
    out.print(_fields(found.rows))
    for number, source in enumerate(found.sources, 1):
        out.print(f"[{number}] {source}")


def _fields(rows: list[tuple[str, str, str]]) -> "Table":
    table = _table("field", "value", "source")
    table.columns[0].max_width = 36
    table.columns[1].ratio = 1
    for row in rows:
        table.add_row(*row)
    return table


@told
def plugins(*, json: Json = False) -> None:
    """
    Show the packages that offer names, and what is broken.

    Every item is loaded to find out.
    """
    from llmplan.cli.packages import surveyed

    found = surveyed()
    if json:
        say_json(found)
        return
    out = console()
    table = _table("package", "version", "group", "names", "broken")
    for column in table.columns[3:]:
        column.justify = "right"
    for p in found["plugins"]:
        table.add_row(p["package"], p["version"], p["group"], str(p["names"]), str(len(p["errors"])) if p["errors"] else "")
    out.print(table)
    for line in _complaints(found):
        out.print(line, style="red")


def _complaints(found: dict[str, Any]) -> list[str]:
    errors = {error["message"]: None for p in found["plugins"] for error in p["errors"]}
    unreadable = [f"the metadata of {package} cannot be read: {reason}" for package, reason in found["unreadable"].items()]
    missing = [f"LLMPLAN_PLUGINS names {package!r}, which offers nothing or is not installed" for package in found["not_installed"]]
    return [*errors, *unreadable, *missing]


def _registry(kind: str) -> "Registry[Any]":
    """The registry of a kind, which may be written in the plural."""
    from llmplan.errors import UnknownNameError
    from llmplan.registry import REGISTRIES

    for name in (kind, kind.removesuffix("s")):
        if name in REGISTRIES:
            return REGISTRIES[name]
    raise UnknownNameError("kind of names", kind, tuple(REGISTRIES))


def _table(*heads: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
