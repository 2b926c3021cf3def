"""Budgets for model calls: reserved before each call, settled after it."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from llm_erm.errors import BudgetSpentError
from llm_erm.llms.llm import Completion, Usage

Price = Callable[[int, int], float | None]
"""``price(prompt tokens, output tokens)`` → US dollars, or None if the model's price is unknown."""


@dataclass(frozen=True)
class Reservation:
    """The maximum cost of one call in flight."""

    tokens: int
    dollars: float


class Budget:
    """Limits on the tokens and dollars of a run; calls that could exceed a limit are not made.

    While a call is in flight, its worst case is reserved: the prompt at one token per byte, and
    the maximum output. A call that does not fit waits for the calls in flight; if there are none,
    the budget is spent. The limits hold for each run: ``begin`` starts the next one.

    Args:
        max_tokens: Limit on prompt and output tokens together, or None.
        max_dollars: Limit in US dollars, or None.
        price: Returns the price of a call; if it returns None, dollars are not limited.
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
        """Returns the price of a call in US dollars, or None if unknown."""
        return self._price(prompt_tokens, output_tokens) if self._price is not None else None

    def announcement(
        self, calls: int, name: str, address: str, prompt_bytes: int, max_output_tokens: int
    ) -> str:
        """Returns one sentence on the calls that are about to be made.

        Args:
            calls: The most calls that there can be.
            name: The model.
            address: Where it is called.
            prompt_bytes: Size of the longest prompt in bytes.
            max_output_tokens: Maximum number of output tokens per call.
        """
        price = self.price(prompt_bytes, max_output_tokens)
        if price is None:
            most = "at an unknown price"
        elif self._max_dollars is not None and self._max_dollars < calls * price:
            most = f"for at most ${self._max_dollars:g}, the limit"
        else:
            most = f"for at most ${calls * price:.2f}"
        return (
            f"Up to {calls:,} {'call' if calls == 1 else 'calls'} to {name} at {address}, {most}."
        )

    def begin(
        self, completions: Iterable[Completion], prompt_bytes: int, max_output_tokens: int
    ) -> None:
        """Starts a run, or a part of one; only calls of the same run count.

        Earlier calls count at their worst case if their cost is unknown.

        Args:
            completions: The completions of earlier calls of the run.
            prompt_bytes: Size of the longest prompt in bytes.
            max_output_tokens: Maximum number of output tokens per call.
        """
        self._reset()
        for completion in completions:
            self._add(completion.usage, completion.cost_usd)
            failed = completion.finish_reason in ("error", "cancelled")
            failed |= completion.usage == Usage()
            if failed and completion.cost_usd is None:
                outputs = sum(len(call.output.encode()) for call in completion.tool_calls)
                sent = prompt_bytes + completion.usage.completion_tokens + outputs
                self._tokens += sent + max_output_tokens
                self._dollars += self.price(sent, max_output_tokens) or 0.0

    async def reserve(self, prompt_bytes: int, max_output_tokens: int) -> Reservation:
        """Reserves the worst case of a call.

        Raises:
            BudgetSpentError: The call could exceed a limit even after all others have ended.
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
        """Replaces the reservation of a call by its actual cost.

        Args:
            worst: The reservation.
            usage: The tokens used; None if unknown, which counts as the worst case.
            dollars: The price; None to use the price list.
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
        """Returns an error that names the limit that the call could exceed, or None."""
        tokens = self._tokens + self._reserved_tokens + worst.tokens
        if self._max_tokens is not None and tokens > self._max_tokens:
            return BudgetSpentError(
                f"The next call may take {worst.tokens:,} tokens, and {self._tokens:,} of the "
                f"limit of {self._max_tokens:,} are spent",
                setting="max_total_tokens",
            )
        dollars = self._dollars + self._reserved_dollars + worst.dollars
        if self._max_dollars is not None and worst.dollars and dollars > self._max_dollars:
            return BudgetSpentError(
                f"The next call may cost ${worst.dollars:.4f}, and ${self._dollars:.4f} of the "
                f"limit of ${self._max_dollars:g} is spent",
                setting="max_cost_usd",
            )
        return None
