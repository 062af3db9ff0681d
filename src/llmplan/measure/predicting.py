"""What llmplan predicts for a model and settings that are measured."""

from typing import TYPE_CHECKING, Any

from llmplan.measure.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from llmplan.evaluating.memory import Memory
    from llmplan.nouns.model import Model

#: The allocated peak does not depend on the card.
_ANY_CARD = "a100-sxm-80gb"


def predicted(model: "str | PathLike[str] | Mapping[str, Any] | Model", settings: Settings) -> "Memory":
    """
    The same quantities, predicted for Transformers' own code.

    Args:
        model: A config.json, or a Model.
        settings: As of the measurement.

    Raises:
        UnknownNameError: No architecture of that name is known.
        SpecError, JobError, UnsupportedError: As of :func:`llmplan.plan`.

    Example:
        >>> config = {"model_type": "llama", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2,
        ...           "intermediate_size": 704, "vocab_size": 1024}
        >>> predicted(config, Settings(sequence_length=128)).peak
        34968576.0
    """
    from llmplan.completing import complete
    from llmplan.evaluating.memory import memory
    from llmplan.nouns.parallelism import Parallelism
    from llmplan.nouns.training import Training
    from llmplan.planning import resolved_case
    from llmplan.registry import resolve

    training = Training(
        tokens=1e9,
        sequence_length=settings.sequence_length,
        micro_batch_size=settings.micro_batch_size,
        global_batch_size=settings.micro_batch_size * settings.micro_batches,
        optimizer=settings.optimizer,
        recompute=settings.recompute,
    )
    runtime = resolve("runtime", "transformers").evolve(attention=settings.attention)
    one = Parallelism(data=1)
    case, _ = resolved_case(model, _ANY_CARD, training, precision=settings.precision, parallelism=one, runtime=runtime)
    case, _ = complete(case)
    return memory(case)
