"""``llmplan measure``: PyTorch's own answer beside ours."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli.numbers import count
from llmplan.cli.options import Json
from llmplan.cli.printing import say_json, told, waiting
from llmplan.errors import LlmplanError

if TYPE_CHECKING:
    from llmplan.measure import Measured, Settings
    from llmplan.nouns.model import Model

What = Annotated[
    str, typer.Argument(metavar="MODEL", help="A config.json, a model by name, or package.module:function that returns a module.")
]


def _count(flag: str, text: str) -> Any:  # noqa: ANN401  # an annotation's mark
    return typer.Option(flag, metavar="N", parser=count, help=text, show_default=False)


@told
def measure(
    model: What,
    *,
    sequence_length: Annotated[int | None, _count("--sequence-length", "Tokens of a sequence; 1,024 where left out.")] = None,
    micro_batch_size: Annotated[int | None, _count("--micro-batch", "Sequences taken at a time; 1 where left out.")] = None,
    micro_batches: Annotated[int | None, _count("--micro-batches", "Micro-batches of a step; 1 where left out.")] = None,
    precision: Annotated[str, typer.Option("--precision", metavar="NAME", help="bf16-autocast, bf16 or fp32.")] = "bf16-autocast",
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="NAME", help="adamw, adamw-foreach, sgd, sgd-momentum or muon.")
    ] = "adamw",
    recompute: Annotated[str, typer.Option("--recompute", metavar="WHAT", help="none or full.")] = "none",
    attention: Annotated[str, typer.Option("--attention", metavar="HOW", help="flash or eager.")] = "flash",
    json: Json = False,
) -> None:
    """
    Ask PyTorch itself what training takes, without a GPU, and set our prediction beside it.

    Runs two training steps in a process of its own over tensors without bytes. Needs the extra 'measure' and a C++
    compiler.
    """
    from llmplan.measure import Settings
    from llmplan.measure import measure as measured

    counts = {"sequence_length": sequence_length, "micro_batch_size": micro_batch_size, "micro_batches": micro_batches}
    settings = Settings(
        **{name: value for name, value in counts.items() if value is not None},
        precision=precision,
        optimizer=optimizer,
        recompute=recompute,  # type: ignore[arg-type]  # Settings refuses what is neither
        attention=attention,  # type: ignore[arg-type]
    )
    which = _model(model)
    with waiting("asking PyTorch"):
        found = measured(which, settings)
    beside = _predicted(which, settings)
    if json:
        say_json({"measured": found.to_dict(), "predicted": beside})
    else:
        typer.echo(_text(found, beside))


def _model(name: str) -> "str | Model":
    """A function's address as it is; a config.json or a name as the model that it is."""
    from pathlib import Path

    if ":" in name and not Path(name).exists():
        return name
    from llmplan.cli.jobs import model_of

    return model_of(name)


def _predicted(model: "str | Model", settings: "Settings") -> dict[str, Any]:
    """What we say, or why we say nothing."""
    if isinstance(model, str):
        return {"unanswered": "a module of one's own has no architecture that is known here"}
    from llmplan.measure.predicting import predicted

    try:
        memory = predicted(model, settings)
    except LlmplanError as error:
        return {"unanswered": str(error)}
    return {
        "peak": memory.peak,
        "first_step_peak": memory.first_step_peak,
        "saved_for_backward": memory.saved_for_backward,
        "saved_weight_casts": memory.saved_weight_casts,
    }


def _text(found: "Measured", beside: dict[str, Any]) -> str:
    lines = [str(found)]
    if "unanswered" in beside:
        lines.append(f"no prediction: {beside['unanswered']}")
    for name, value in beside.items():
        real = getattr(found, name, None)
        if real is not None:
            off = f", {value / real - 1:+.3%}" if real else ""
            lines.append(f"predicted {name.replace('_', ' '):24}{value / 2**30:10.3f} GiB{off}")
    return "\n".join(lines)
