"""What a run may spend on a model: reserved before each call, settled after it."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from llm_erm.errors import BudgetSpentError
from llm_erm.llms.llm import Completion, Usage

Price = Callable[[int, int], float | None]
"""``price(prompt tokens, output tokens)`` → US dollars, or None where no list has the model."""


@dataclass(frozen=True)
class Reservation:
    """The worst that one call in flight can cost."""

    tokens: int
    dollars: float


class Budget:
    """Limits on the tokens and dollars of a run; a call that could pass one is not made.

    While a call is in flight its worst case is set aside: the prompt at one token per byte, and
    all the output it may write. A call that does not fit waits for those in flight; if none is left
    to wait for, the budget is spent. The limits hold for each run: ``begin`` starts the next one.

    Args:
        max_tokens: Prompt and output tokens together, or None.
        max_dollars: US dollars, or None.
        price: Prices a call; where it answers None, dollars are not limited.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        max_dollars: float | None = None,
        price: Price | None = None,
    ) -> None:
        self._max_tokens = max_tokens
        self._max_dollars = max_dollars
        self._price = price
        self._reset()

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self._max_tokens is not None or self._max_dollars is not None

    def price(self, prompt_tokens: int, output_tokens: int) -> float | None:
        """Returns what a call costs in US dollars, or None where nobody knows."""
        return self._price(prompt_tokens, output_tokens) if self._price is not None else None

    def begin(
        self, completions: Iterable[Completion], prompt_bytes: int, max_output_tokens: int
    ) -> None:
        """Starts a run, or a part of one, in which only its own earlier calls count.

        They count as the worst case where it is not known what they took.

        Args:
            completions: What came of the earlier calls.
            prompt_bytes: Bytes of the longest prompt.
            max_output_tokens: Limit on the output of each.
        """
        self._reset()
        for completion in completions:
            self._add(completion.usage, completion.cost_usd)
            failed = completion.finish_reason in ("error", "cancelled")
            failed |= completion.usage == Usage()
            if failed and completion.cost_usd is None:
                said = sum(len(call.output.encode()) for call in completion.tool_calls)
                sent = prompt_bytes + completion.usage.completion_tokens + said
                self._tokens += sent + max_output_tokens
                self._dollars += self.price(sent, max_output_tokens) or 0.0

    async def reserve(self, prompt_bytes: int, max_output_tokens: int) -> Reservation:
        """Sets aside the worst case of a call.

        Raises:
            BudgetSpentError: The call could pass a limit even when all others have ended.
        """
        dollars = self.price(prompt_bytes, max_output_tokens)
        worst = Reservation(prompt_bytes + max_output_tokens, dollars or 0.0)
        async with self._changed:
            while (limit := self._passed_by(worst)) is not None:
                if not self._in_flight:
                    raise limit
                await self._changed.wait()
            self._in_flight += 1
            self._reserved_tokens += worst.tokens
            self._reserved_dollars += worst.dollars
        return worst

    async def settle(self, worst: Reservation, usage: Usage | None, dollars: float | None) -> None:
        """Puts what a call used in place of its worst case.

        Args:
            worst: What was set aside for it.
            usage: What it used; None where nobody knows, which counts as the worst case.
            dollars: What it cost; None for what the tokens cost by the price list.
        """
        async with self._changed:
            self._in_flight -= 1
            self._reserved_tokens -= worst.tokens
            self._reserved_dollars -= worst.dollars
            if usage is None:
                self._tokens += worst.tokens
                self._dollars += worst.dollars
            else:
                self._add(usage, dollars)
            self._changed.notify_all()

    def _reset(self) -> None:
        self._tokens = 0
        self._dollars = 0.0
        self._in_flight = 0
        self._reserved_tokens = 0
        self._reserved_dollars = 0.0
        self._changed = asyncio.Condition()  # belongs to the event loop that first waits for it

    def _add(self, usage: Usage, dollars: float | None) -> None:
        self._tokens += usage.prompt_tokens + usage.completion_tokens
        if dollars is None:
            dollars = self.price(usage.prompt_tokens, usage.completion_tokens)
        self._dollars += dollars or 0.0

    def _passed_by(self, worst: Reservation) -> BudgetSpentError | None:
        """The error that says which limit the call could pass, or None."""
        tokens = self._tokens + self._reserved_tokens + worst.tokens
        if self._max_tokens is not None and tokens > self._max_tokens:
            return BudgetSpentError(
                f"The next call may take {worst.tokens:,} tokens and {self._tokens:,} of the "
                f"limit of {self._max_tokens:,} are spent",
                setting="max_total_tokens",
            )
        dollars = self._dollars + self._reserved_dollars + worst.dollars
        if self._max_dollars is not None and worst.dollars and dollars > self._max_dollars:
            return BudgetSpentError(
                f"The next call may cost ${worst.dollars:.4f} and ${self._dollars:.4f} of the "
                f"limit of ${self._max_dollars:g} are spent",
                setting="max_cost_usd",
            )
        return None
