"""Strategies decide what to ask the model next; the search verifies and selects."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from llm_erm.llms.llm import Request
from llm_erm.records import Attempt
from llm_erm.synthesis.settings import Settings


class Strategy(Protocol):
    """Decides what to ask the model, based on attempts that hold no test data."""

    def ask(self, history: Sequence[Attempt]) -> Request | None:
        """Returns the next samples to ask for, or None when the search is over.

        It is called after every attempt; None ends the search, even in the middle of a request.

        Args:
            history: All attempts so far, in order, including those of an interrupted run.
        """
        ...

    def tell(self, attempt: Attempt) -> None:
        """Receives a new attempt."""
        ...


class IndependentSampling:
    """The paper's strategy: one prompt, up to K samples, no feedback; a perfect program ends it."""

    def __init__(self, request: Request, settings: Settings) -> None:
        """Takes the request for the whole budget, with indices from 1 to K."""
        self._request = request
        self._settings = settings

    def ask(self, history: Sequence[Attempt]) -> Request | None:
        """Returns a request for the samples that were not drawn yet."""
        drawn = {attempt.index for attempt in history}
        left = [index for index in self._request.indices if index not in drawn]
        found = any(attempt.validation.perfect for attempt in history)
        if not left or (found and self._settings.early_stop):
            return None
        return replace(self._request, indices=left)

    def tell(self, attempt: Attempt) -> None:
        """Does nothing, because the model gets no feedback."""


def sample_seed(function: str, length: int, seed: int) -> int:
    """Returns the seed of a search's samples, so that no two searches draw the same ones."""
    text = f"{function}|L={length}|seed={seed}|samples"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
