"""Holds a strategy to the budget, and keeps from it what validation data say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.unanswered import Calls
from llm_erm.records import Attempt
from llm_erm.synthesis.feedback import Tried
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import Strategy, uses_feedback


class Asking:
    """A strategy held to the budget, and told nothing of validation data.

    Args:
        strategy: The strategy.
        settings: Settings of the search.
        attempts: Its attempts, which grow.
        calls: Its calls.
    """

    def __init__(
        self,
        strategy: Strategy,
        settings: SynthesisSettings,
        attempts: Sequence[Attempt],
        calls: Calls,
    ) -> None:
        self._strategy = strategy
        self._settings = settings
        self._attempts = attempts
        self._calls = calls
        self._told: dict[int, Tried] = {}

    @property
    def feedback(self) -> bool:
        """Whether the strategy wants verdicts on training examples."""
        return uses_feedback(self._strategy)

    def tell(self, attempt: Tried) -> None:
        """Tells the strategy of an attempt; it must be told of each."""
        self._told[attempt.index] = attempt
        self._strategy.tell(attempt)

    @property
    def found(self) -> bool:
        """Whether an attempt ends the search."""
        perfect = any(attempt.validation.perfect for attempt in self._attempts)
        return perfect and self._settings.early_stop

    def ask(self) -> Request | None:
        """Returns what to ask for next, within the budget; None when the search is over."""
        if self.found or self._calls.in_vain:
            return None
        wanted = self._strategy.ask([self._told[index] for index in sorted(self._told)])
        return None if wanted is None else self._within_budget(wanted)

    def drawn_together(self, request: Request, said: Mapping[int, Completion]) -> Request | None:
        """Returns what was drawn with the last answer of a search that is over.

        It is there and paid for, and a shorter program may be among it.
        """
        last = said.get(self._attempts[-1].index) if self._attempts else None
        return self._within_budget(request) if last is not None and last.more_drawn else None

    def _within_budget(self, wanted: Request) -> Request | None:
        left = set(range(1, self._settings.attempts + 1))
        left -= {attempt.index for attempt in self._attempts} | self._calls.open
        indices = [index for index in wanted.indices if index in left]
        return replace(wanted, indices=indices) if indices else None
