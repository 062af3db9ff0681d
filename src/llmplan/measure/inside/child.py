"""The process in which a measurement runs: reads what is asked from standard input, and writes the answer as JSON."""

import json
import sys

_LONGEST = 300  # characters of a stranger's message


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a model prints is no answer
    out.write(json.dumps(_answer(asked)) + "\n")


def _answer(asked: dict[str, dict[str, object]]) -> dict[str, object]:
    from llmplan.errors import LlmplanError

    try:
        from llmplan.measure.inside.gpu import install

        install()
        from llmplan.measure.inside.running import run
        from llmplan.measure.settings import Settings

        return {"measured": run(asked["model"], Settings(**asked["settings"])).to_dict()}  # type: ignore[arg-type]  # they come from Settings
    except LlmplanError as error:
        text = "; ".join(getattr(error, "faults", ())) or getattr(error, "reason", "") or str(error)
        return {"kind": type(error).__name__, "error": text}
    except Exception as error:  # noqa: BLE001  a stranger's model may raise anything
        return {"kind": "UnsupportedError", "error": f"{type(error).__name__}: {error}"[:_LONGEST]}


if __name__ == "__main__":
    main()
