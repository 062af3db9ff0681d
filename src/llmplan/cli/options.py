"""
The options that describe a job, defined once for every command that takes one.

A command declares a parameter of the type :class:`JobOptions` and is wrapped by :func:`takes_job`; typer then sees one
option for each field. Options may be given several times: each value is a setting to be compared.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

from llmplan.cli.numbers import count, number


def _texts(flag: str, metavar: str, text: str) -> Any:  # noqa: ANN401  # an annotation's mark
    return typer.Option(flag, metavar=metavar, help=text, show_default=False)


def _counts(flag: str, text: str) -> Any:  # noqa: ANN401
    return typer.Option(flag, metavar="N", parser=count, help=text, show_default=False)


def _numbers(flag: str, text: str) -> Any:  # noqa: ANN401
    return typer.Option(flag, metavar="NUMBER", parser=number, help=text, show_default=False)


Names = list[str] | None
Counts = list[int] | None
Numbers = list[float] | None


class JobOptions(NamedTuple):
    """What describes a job beside its model. What is None is left to the library's stated defaults."""

    on: Annotated[list[str], _texts("--on", "MACHINE", "A machine or a card by name, or as '8x h100-sxm'.")]
    tokens: Annotated[list[float], _numbers("--tokens", "Tokens that the whole run sees: 38e9 or 38_000_000_000.")]
    sequence_length: Annotated[Counts, _counts("--sequence-length", "Tokens of a sequence.")] = None
    micro_batch_size: Annotated[Counts, _counts("--micro-batch", "Sequences that a rank takes at a time.")] = None
    global_batch_size: Annotated[Counts, _counts("--global-batch", "Sequences of an optimizer step, over all ranks.")] = None
    optimizer: Annotated[Names, _texts("--optimizer", "NAME", "An optimizer by name.")] = None
    optimizer_in_backward: Annotated[
        bool, typer.Option("--optimizer-in-backward", help="Update each parameter as soon as its gradient is there.")
    ] = False
    states_on_host: Annotated[bool, typer.Option("--states-on-host", help="Keep the optimizer's states on the host.")] = False
    recompute: Annotated[Names, _texts("--recompute", "WHAT", "none, full, attention, attention-core, pointwise, ...")] = None
    loss: Annotated[Names, _texts("--loss", "HOW", "plain or chunked.")] = None
    loss_chunks: Annotated[Counts, _counts("--loss-chunks", "Chunks of a chunked loss.")] = None
    lora_rank: Annotated[Counts, _counts("--lora-rank", "Train adapters of this rank instead of the model.")] = None
    fine_tune: Annotated[bool, typer.Option("--fine-tune", help="Take the defaults of supervised fine-tuning.")] = False
    precision: Annotated[Names, _texts("--precision", "NAME", "A precision by name.")] = None
    runtime: Annotated[Names, _texts("--runtime", "NAME", "A runtime by name.")] = None
    data: Annotated[Counts, _counts("--data", "Data-parallel ranks.")] = None
    shard: Annotated[Counts, _counts("--shard", "What ranks divide: 0 nothing, 1 states, 2 gradients, 3 parameters.")] = None
    tariff: Annotated[Names, _texts("--tariff", "NAME", "An electricity tariff by name.")] = None
    grid: Annotated[Names, _texts("--grid", "NAME", "A grid by name, for carbon.")] = None
    price: Annotated[Names, _texts("--price", "NAME", "A rental price by name.")] = None
    baseline_kwh_per_month: Annotated[Numbers, _numbers("--baseline-kwh", "kWh a month that the meter sees anyway.")] = None
    start: Annotated[Names, _texts("--start", "DATE", "The day of the start, as 2026-12-01.")] = None
    pue: Annotated[Numbers, _numbers("--pue", "Power usage effectiveness of the site.")] = None
    time_zone: Annotated[Names, _texts("--time-zone", "ZONE", "Of the site, as Asia/Taipei.")] = None
    exchange_rate: Annotated[Names, _texts("--exchange-rate", "RATE", "As '31.828 TWD/USD on 2026-03-10'.")] = None


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


def takes_job(command: Callable[..., None]) -> Callable[..., None]:
    """Give typer one option for each field of :class:`JobOptions` where *command* has a parameter ``options``."""
    own = inspect.signature(command).parameters
    fields = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=JobOptions._field_defaults.get(name, inspect.Parameter.empty),
        )
        for name, annotation in JobOptions.__annotations__.items()
    ]

    @functools.wraps(command)
    def taking(**given: Any) -> None:  # whatever typer has parsed
        options = JobOptions(**{field.name: given.pop(field.name) for field in fields})
        command(**given, options=options)

    positional = [p for p in own.values() if p.kind is not p.KEYWORD_ONLY]
    after = [p for p in own.values() if p.kind is p.KEYWORD_ONLY and p.name != "options"]
    parameters = [*positional, *fields, *after]
    taking.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    del taking.__wrapped__  # its signature is another
    return taking
