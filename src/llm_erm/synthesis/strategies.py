"""Strategies decide what to ask the model next; the search verifies and selects."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from llm_erm.llms.llm import Request
from llm_erm.records import Candidate, Verdict
from llm_erm.synthesis.settings import SynthesisSettings


@dataclass(frozen=True)
class Tried:
    """What a strategy may know of an attempt: nothing that validation or test data say.

    The bound on the selected program holds for candidates that do not depend on validation data.

    Attributes:
        index: Which attempt it is, counted from 1.
        candidate: What was proposed.
        train: Verdict on the training examples.
    """

    index: int
    candidate: Candidate
    train: Verdict


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


class IndependentSampling:
    """The paper's strategy: one prompt, up to K samples, no feedback."""

    def __init__(self, request: Request, settings: SynthesisSettings) -> None:
        """Takes the request for the whole budget, with indices from 1 to K."""
        self._request = request

    def ask(self, history: Sequence[Tried]) -> Request | None:
        """Returns a request for the samples that were not drawn yet."""
        drawn = {attempt.index for attempt in history}
        left = [index for index in self._request.indices if index not in drawn]
        return replace(self._request, indices=left) if left else None

    def tell(self, attempt: Tried) -> None:
        """Does nothing, because the model gets no feedback."""


def sample_seed(function: str, length: int, seed: int) -> int:
    """Returns the seed of a search's samples, so that no two searches draw the same ones."""
    text = f"{function}|L={length}|seed={seed}|samples"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
