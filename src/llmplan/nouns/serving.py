"""Serving: the requests that an inference engine is to answer."""

from collections.abc import Iterable
from typing import Annotated

from llmplan.errors import JobError, LlmplanError
from llmplan.nouns._check import Between, Count, Positive
from llmplan.nouns._noun import Noun, noun


@noun
class Serving(Noun):
    """
    A stream of requests. The goals are the user's own wishes, so they are plain numbers without a source.

    Attributes:
        prompt_tokens: Tokens of a prompt. [token]

        output_tokens: Tokens of an answer. [token]

        concurrency: Requests that are in the system at any time. Give this or ``arrival_rate``.

        arrival_rate: Requests that come in a second, at random. [1/second]

        ttft_goal: Longest time to the first token that is good enough. [second]

        tpot_goal: Longest time per output token after the first that is good enough. [second]

    Raises:
        SpecError: A field has a value that it cannot have.

        JobError: Both concurrency and arrival rate are given; each follows from the other.

    Example:
        >>> Serving(prompt_tokens=1024, output_tokens=256, concurrency=16, ttft_goal=0.5)
        Serving(prompt_tokens=1024, output_tokens=256, concurrency=16, ttft_goal=0.5)

    .. versionadded:: 0.1.0
    """

    prompt_tokens: Count
    output_tokens: Count
    concurrency: Count | None = None
    arrival_rate: Annotated[float, Between(0, 1e9, above=True)] | None = None
    ttft_goal: Positive | None = None
    tpot_goal: Positive | None = None

    def _contradictions(self) -> Iterable[str]:
        if self.concurrency is not None and self.arrival_rate is not None:
            yield "concurrency and arrival_rate follow from each other: give one of them @ Serving.arrival_rate"

    def _contradicted(self, faults: tuple[str, ...]) -> LlmplanError:
        return JobError(faults)
