"""Training: how much of what is learned in which steps. FineTuning is the same with other defaults."""

from collections.abc import Iterable
from typing import Annotated, Literal

from llmplan.errors import JobError, LlmplanError
from llmplan.nouns._check import Between, Name, Positive
from llmplan.nouns._noun import Noun, noun
from llmplan.nouns.lora import LoRA
from llmplan.nouns.optimizer import Optimizer
from llmplan.nouns.recompute import Recompute

_Tokens = Annotated[float, Between(0, 1e18, above=True)]
_Length = Annotated[int, Between(1, 1e9)]
Loss = Literal["plain", "half", "chunked", "fused"]
Trainable = Literal["all", "all-but-embedding", "head", "norms", "biases"]
_Sequences = Annotated[int, Between(1, 1e9)]


@noun
class Training(Noun):
    """
    A training run. What is None is completed by a default that the plan states.

    Attributes:
        tokens: Tokens that the whole run sees, every pass over the data counted. [token]

        sequence_length: Tokens of one sequence. None: the model's own. [token]

        micro_batch_size: Sequences that one data-parallel rank takes forward and backward at a time. None: the
            largest power of two that fits. [sequence]

        global_batch_size: Sequences of one optimizer step, over all ranks and micro-batches. None: about half a
            million tokens. [sequence]

        optimizer: What updates the parameters, or its registry name. None: AdamW.

        recompute: What is dropped and computed again, or its short name: "none", "full", "attention",
            "attention-core", "pointwise", "selective", "offload". None: nothing.

        loss: "plain" (the logits of a whole micro-batch exist at once, in FP32), "half" (the same without the copy in
            FP32), "chunked" (of one chunk at a time, made again in backward), or "fused" (the gradient is made with the loss:
            in PyTorch of one chunk at a time, as Liger's kernel does; in Megatron-LM over the logits). None: plain.

        loss_chunks: Into how many chunks the tokens of a micro-batch are cut where the loss is chunked; at most 1,024, as
            each is a piece of the program that is walked.

        adapter: What is trained beside a model that stays as it is. None: the model itself is trained.

        trainable: Which of the model's weights are trained: "all", "all-but-embedding", "head", "norms" (their weights),
            "biases". None: all.

        frozen_layers: How many layers, from the first, stay as they are, and the embedding with them.

        dropout: Share that is dropped wherever the model has a dropout. None: as its configuration says.

        max_grad_norm: The norm of all gradients together above which they are scaled down to it, between the last backward
            of a step and the optimizer's. Its value changes results; that it is given takes memory for a moment. None:
            gradients are not clipped.

    Raises:
        SpecError: A field has a value that it cannot have.

        JobError: A step is smaller than one micro-batch.

    Example:
        >>> Training(tokens=38e9, sequence_length=2048, micro_batch_size=1, global_batch_size=256)
        Training(tokens=38000000000.0, sequence_length=2048, micro_batch_size=1, global_batch_size=256)
        >>> Training(tokens=38e9, micro_batch_size=8, global_batch_size=4)
        Traceback (most recent call last):
        ...
        llmplan.errors.JobError: ...

    .. versionadded:: 0.1.0
    """

    tokens: _Tokens
    sequence_length: _Length | None = None
    micro_batch_size: _Sequences | None = None
    global_batch_size: _Sequences | None = None
    optimizer: Name | Optimizer | None = None
    recompute: Name | Recompute | None = None
    loss: Loss | None = None
    loss_chunks: Annotated[int, Between(1, 1024)] = 8
    adapter: LoRA | None = None
    trainable: Trainable | None = None
    frozen_layers: Annotated[int, Between(0, 1e6)] = 0
    dropout: Annotated[float, Between(0, 1)] | None = None
    max_grad_norm: Positive | None = None

    def _contradictions(self) -> Iterable[str]:
        micro, whole = self.micro_batch_size, self.global_batch_size
        if micro is not None and whole is not None and whole < micro:
            yield f"a step of {whole} sequences is smaller than one micro-batch of {micro} @ Training.global_batch_size"

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        return JobError(faults)


def FineTuning(  # noqa: N802  it makes a noun and reads like one
    *,
    tokens: float,
    sequence_length: int | None = 1024,
    micro_batch_size: int | None = None,
    global_batch_size: int | None = 8,
    optimizer: str | Optimizer | None = None,
    recompute: str | Recompute | None = "full",
    loss: Loss | None = None,
    loss_chunks: int = 8,
    adapter: LoRA | None = None,
    max_grad_norm: float | None = None,
) -> Training:
    """
    A :class:`Training` with the defaults of supervised fine-tuning.

    Sequences of 1,024 tokens, 8 of them a step, and activations computed again in backward: what TRL's ``SFTConfig``
    does when nothing is said [1]_. All parameters are trained unless an adapter is given.

    Args:
        tokens: Tokens that the run sees: those of the data, times the epochs. [token]

        sequence_length: Tokens of one sequence. [token]

        micro_batch_size: As of :class:`Training`. [sequence]

        global_batch_size: Sequences of one optimizer step. [sequence]

        optimizer: As of :class:`Training`.

        recompute: As of :class:`Training`.

        loss: As of :class:`Training`.

        loss_chunks: As of :class:`Training`.

        adapter: Such as ``LoRA(rank=16)``.

        max_grad_norm: As of :class:`Training`.

    Raises:
        SpecError, JobError: As of :class:`Training`.

    Example:
        >>> FineTuning(tokens=3 * 2e6, adapter=LoRA(rank=16)).recompute
        'full'

    References:
        .. [1] Hugging Face, TRL, ``trl/trainer/sft_config.py`` (``max_length``, ``gradient_checkpointing``) and
           Transformers' ``TrainingArguments`` (``per_device_train_batch_size``), read 2026-11-24.

    .. versionadded:: 0.1.0
    """
    return Training(
        tokens=tokens,
        sequence_length=sequence_length,
        micro_batch_size=micro_batch_size,
        global_batch_size=global_batch_size,
        optimizer=optimizer,
        recompute=recompute,
        loss=loss,
        loss_chunks=loss_chunks,
        adapter=adapter,
        max_grad_norm=max_grad_norm,
    )
