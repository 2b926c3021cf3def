"""Strategies decide what to ask the model next; the search verifies and selects."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from llm_erm.errors import InputError
from llm_erm.llms.llm import Request
from llm_erm.phrases import either
from llm_erm.synthesis.feedback import Tried, improving, repairing
from llm_erm.synthesis.settings import SynthesisSettings


class Strategy(Protocol):
    """Decides what the model is asked.

    The search itself keeps to the budget, and ends when a program has no validation errors.
    """

    def ask(self, history: Sequence[Tried]) -> Request | None:
        """Returns the next samples to ask for, or None to end the search.

        Called again after every attempt: None ends the search, even in the middle of a request.

        Args:
            history: All attempts so far, in order, including those of an interrupted run.
        """
        ...

    def tell(self, attempt: Tried) -> None:
        """Takes note of an attempt, those of an interrupted run included."""
        ...


def uses_feedback(strategy: object) -> bool:
    """Returns whether a strategy, or its class, wants verdicts on training examples.

    It says so by an attribute ``feedback = True``. Each program then runs once more, on the
    training inputs alone.
    """
    return bool(getattr(strategy, "feedback", False))


class IndependentSampling:
    """The paper's strategy: one prompt, up to K samples, no feedback."""

    feedback = False

    def __init__(self, request: Request, settings: SynthesisSettings) -> None:
        """Takes the request for the whole budget, with indices from 1 to K."""
        self._request = request

    def ask(self, history: Sequence[Tried]) -> Request | None:
        """Returns a request for the samples that were not drawn yet."""
        left = _left(self._request, history)
        return replace(self._request, indices=left) if left else None

    def tell(self, attempt: Tried) -> None:
        """Does nothing, because the model gets no feedback."""


class Refinement:
    """Shows the model its last program with training examples that it gets wrong.

    It starts again from the first prompt after an answer without a program, after a program without
    training errors, since nothing in the training data says what is wrong with it, and after one
    that was proposed before.
    """

    feedback = True

    def __init__(self, request: Request, settings: SynthesisSettings) -> None:
        """Takes the request for the whole budget, with indices from 1 to K."""
        self._request = request

    def ask(self, history: Sequence[Tried]) -> Request | None:
        """Returns a request for one sample."""
        return _next(self._request, history, self._prompt(history))

    def tell(self, attempt: Tried) -> None:
        """Does nothing, because ``ask`` gets all attempts."""

    def _prompt(self, history: Sequence[Tried]) -> str:
        if not history:
            return self._request.prompt
        *earlier, last = history
        again = any(last.candidate.source == one.candidate.source for one in earlier)
        return self._request.prompt if again else repairing(self._request.prompt, last)


class Population:
    """Shows the model the earlier programs with the fewest training errors, best last.

    Those without any are left out, since nothing in the training data says how to improve them. A
    program that was proposed several times is shown once.
    """

    feedback = True

    def __init__(self, request: Request, settings: SynthesisSettings) -> None:
        """Takes the request for the whole budget, with indices from 1 to K."""
        self._request = request

    def ask(self, history: Sequence[Tried]) -> Request | None:
        """Returns a request for one sample."""
        return _next(self._request, history, improving(self._request.prompt, history))

    def tell(self, attempt: Tried) -> None:
        """Does nothing, because ``ask`` gets all attempts."""


StrategyName = Literal["independent", "refine", "population"]
"""Independent samples of one prompt; repairs of the last program; improvements of the best."""

MakeStrategy = Callable[[Request, SynthesisSettings], Strategy]
"""``make(request, settings)`` → a strategy; the request is for the whole budget."""

STRATEGIES: Mapping[StrategyName, MakeStrategy] = {
    "independent": IndependentSampling,
    "refine": Refinement,
    "population": Population,
}
"""Every strategy by its name."""


def strategy_of(given: str | MakeStrategy) -> MakeStrategy:
    """Returns the strategy of that name, or the given one itself.

    Raises:
        InputError: There is no strategy of that name.
    """
    if not isinstance(given, str):
        return given
    found = next((one for name, one in STRATEGIES.items() if name == given), None)
    if found is None:
        raise InputError(
            f"There is no strategy {given!r:.60}; give {either(list(STRATEGIES))}.",
            setting="strategy",
        )
    return found


def name_of(strategy: MakeStrategy) -> str:
    """Returns the name of a strategy, or of the class if it is the user's own."""
    own = getattr(strategy, "__name__", type(strategy).__name__)
    return next((name for name, one in STRATEGIES.items() if one is strategy), own)


def _left(request: Request, history: Sequence[Tried]) -> list[int]:
    drawn = {attempt.index for attempt in history}
    return [index for index in request.indices if index not in drawn]


def _next(request: Request, history: Sequence[Tried], prompt: str) -> Request | None:
    """Returns a request for the next sample alone, since the one after it has another prompt."""
    left = _left(request, history)
    return replace(request, prompt=prompt, indices=left[:1]) if left else None


def sample_seed(function: str, length: int, seed: int, variant: str = "") -> int:
    """Returns the seed of a search's samples, so that no two searches draw the same ones.

    Args:
        function: The task's id.
        length: Length of the inputs.
        seed: The base seed of the data.
        variant: Distinguishes the searches on one data set.
    """
    text = f"{function}|L={length}|seed={seed}|samples{variant and f'|{variant}'}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
