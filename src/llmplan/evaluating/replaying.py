"""
Replaying: what PyTorch's caching allocator holds in a run, by serving the run's requests one by one.

There is no closed form of it: which free block a request takes depends on the sizes and the order of all before. So
every layer is said, the first steps are run (:mod:`llmplan.program.history`), and the allocator is replayed
(:mod:`llmplan.costs.allocator`). It is done when asked for, and never in a sweep.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from llmplan.costs.allocator import CachingAllocator, Held, Request
from llmplan.errors import UnsupportedError
from llmplan.evaluating.case import Case
from llmplan.evaluating.fitting import reserved as held_for
from llmplan.evaluating.setup import Setup, setup_of, sizes_of
from llmplan.evaluating.tracing import emit, habits
from llmplan.evaluating.treatment import layers_of
from llmplan.program.history import Episode, History
from llmplan.program.op import Tensor
from llmplan.program.optimizer import clipping_bytes
from llmplan.program.size import Evaluator, Number
from llmplan.program.stepping import Stepper
from llmplan.program.stretch import Run, fold
from llmplan.program.walk import Happening
from llmplan.sources import Estimate

#: Steps of a run that are replayed: the first makes the optimizer's states, and later ones are like the second.
STEPS: Final = 2


#: Measured over replayed reserved memory of the 85 runs in tests/data/memory_cases_reserved.json, which were drawn at random
#: and never used to mend it (PyTorch 2.13 without a GPU): 5th, 50th and 95th percentile, which a test computes again.
MEASURED_OVER_REPLAYED: Final = (0.99794, 1.0, 1.0041)

#: The same of frameworks whose variables are followed less closely, so that the order of requests is less sure: of 282 runs of
#: Transformers' code in tests/data/memory_cases*.json (5th, 50th and 95th percentile), in-sample; a test holds it against most.
_OF_FRAMEWORKS: Final = {"transformers": (0.98188, 1.0, 1.01821)}


def reserved(case: Case, peak: float, *, steps: int = STEPS) -> Estimate:
    """
    What the caching allocator holds. [byte]

    Args:
        case: The job.
        peak: Its allocated peak. [byte]
        steps: How many steps are replayed.

    Returns:
        What the replay gives, within its measured errors; where the job cannot be replayed, the peak times measured ratios.
    """
    if any(_not_replayed(case)):
        return held_for(peak)
    held = replayed(case, steps=steps)
    spread = _OF_FRAMEWORKS.get(case.runtime.framework, MEASURED_OVER_REPLAYED)
    low, likely, high = (max(share * held.reserved, held.allocated) for share in spread)
    return Estimate(low=low, likely=likely, high=high, unit="byte", basis="calibrated")


def why_not_replayed(case: Case) -> str:
    """Why a job cannot be replayed; empty where it can."""
    return "; ".join(f"{what}: {reason}" for what, reason in _not_replayed(case))


def replayed(case: Case, *, steps: int = STEPS) -> Held:
    """
    The most that the allocator holds on one rank in the first steps of a *case*. [byte]

    Raises:
        JobError: The case contradicts itself.
        UnsupportedError: It cannot be replayed.
    """
    for what, reason in _not_replayed(case):
        raise UnsupportedError(f"the allocator's replay with {what}", reason)
    sizes = tuple(sizes_of(case).items())
    return _replayed(
        setup_of(case),
        tuple(fold(layers_of(case))),
        sizes,
        micro_batches=case.micro_batches,
        steps=steps,
        expandable=case.runtime.expandable_segments,
    )


def _not_replayed(case: Case) -> Iterator[tuple[str, str]]:
    if case.runtime.mode != "eager":
        yield f"{case.runtime.mode} code", "what a compiler keeps and makes again, and when, is not modelled"
    if case.ranks * case.parallelism.ranks_per_replica > 1:
        yield "several ranks", "the order of their buffers is not modelled"
    elif setup_of(case).buffers is not None:
        yield "weights and gradients in buffers", "the order of what lies beside them is not modelled"
    if case.optimizer.states_on != "device":
        yield f"optimizer states on the {case.optimizer.states_on}", "the order of their copies is not modelled"


@functools.lru_cache(maxsize=4096)
def _replayed(
    setup: Setup,
    runs: tuple[Run, ...],
    sizes: tuple[tuple[str, float], ...],
    *,
    micro_batches: int,
    steps: int,
    expandable: bool,
) -> Held:
    """The same, of a structure of these sizes: whatever the card, the site and the tokens of the run."""
    allocator, sized = CachingAllocator(expandable=expandable), _Sized(dict(sizes))
    history = _history(setup, runs, micro_batches)
    allocator.run(sized.requests(list(history.setup())))
    for number in range(steps):
        _serve(history.step(first=number == 0), sized, allocator)
    return allocator.peak


def _serve(step: Iterable[Episode], sized: "_Sized", allocator: CachingAllocator) -> None:
    """
    Serve the requests of a step, without those of micro-batches that would change nothing any more.

    A micro-batch goes as the one two before it did where it finds the same blocks free: two, because a batch takes other
    blocks than the one before it, which is still there.
    """
    layouts: list[object] = []
    left_out = 0
    for episode in step:
        if left_out:
            left_out -= 1
            continue
        allocator.run(sized.requests(episode.happenings))
        if episode.followed_by:
            layouts.append(allocator.layout())
            if len(layouts) > 2 and layouts[-1] == layouts[-3]:  # noqa: PLR2004
                left_out = episode.followed_by // 2 * 2


class _Sized:
    """Happenings as requests: each size is given its value once."""

    def __init__(self, letters: Mapping[str, float]) -> None:
        self._letters = letters
        self._bytes: dict[Number, int] = {}

    def requests(self, happenings: Sequence[Happening]) -> list[Request]:
        """What the *happenings* ask of the allocator; what has no bytes asks for none."""
        new = list({s.bytes: None for s, _ in happenings if s.bytes not in self._bytes})
        if new:
            self._bytes.update(zip(new, map(int, Evaluator(new)(self._letters)), strict=True))
        sizes = self._bytes
        return [(s, sizes[s.bytes] if sign > 0 else 0) for s, sign in happenings if sizes[s.bytes]]


def _history(setup: Setup, runs: tuple[Run, ...], micro_batches: int) -> History:
    """The run of a structure whose every layer is said."""
    structure = attrs.evolve(setup.structure, runs=runs, unrolled=True)
    program = emit(structure)
    trained = [w for w, _ in program.weights() if w.weight and w.weight.trainable]
    around = habits(structure)
    if structure.steps_in_backward is not None:
        own = {id(w): Stepper(setup.rule, [w]) for w in trained}

        def update(weight: Tensor) -> Iterable[Happening]:
            return own[id(weight)].step()

        around = attrs.evolve(around, update=update)
    clipping = clipping_bytes((w, 1.0) for w in trained) if setup.clips else 0.0
    return History(program, around, Stepper(setup.rule, trained, clipping=clipping), micro_batches=micro_batches)
