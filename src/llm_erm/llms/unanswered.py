"""Which calls of a search got no answer, and what becomes of their samples."""

from collections import Counter
from collections.abc import Iterable

from llm_erm.llms.llm import Completion
from llm_erm.phrases import counted

MOST_IN_A_ROW = 3
"""Calls without an answer, each after all its retries, after which a search asks no more."""


class Calls:
    """Counts the calls of one part of a search.

    A call that certainly cost nothing leaves its sample open: the next run asks for it. One that
    may have been billed uses up its attempt, so that a search whose answers take too long ends.

    Args:
        answered: Whether earlier parts of the search got an answer.

    Attributes:
        open: Indices of the samples that are left open.
        made: Number of calls that have ended.
    """

    def __init__(self, *, answered: bool = False) -> None:
        self.open: set[int] = set()
        self._answered = answered
        self.made = 0
        self._in_a_row = 0
        self._failed: list[Completion] = []

    def count(self, completion: Completion) -> None:
        """Counts one call that has ended."""
        self.made += 1
        self._in_a_row += 1
        if completion.finish_reason == "unanswered":
            self.open.add(completion.index)
        else:
            self._in_a_row = 0
        if is_answer(completion):
            self._answered = True
        else:
            self._failed.append(completion)

    @property
    def in_vain(self) -> bool:
        """Whether further calls are likely to get no answer either."""
        never = not self._answered and len(self._failed) >= MOST_IN_A_ROW
        return never or self._in_a_row >= MOST_IN_A_ROW

    def failures(self, *, over: bool, asked_again: bool, replayed: bool = False) -> str | None:
        """Returns a sentence on the calls that got no answer, or None.

        Args:
            over: Whether the search has ended nevertheless.
            asked_again: Whether the next run makes calls again that may have been billed.
            replayed: Whether the calls are those of an earlier run.
        """
        if not self._failed:
            return None
        billed = len(self._failed) - len(self.open)
        reasons = Counter(one.error or "no reason given" for one in self._failed)
        (reason, _), *others = reasons.most_common()
        more = f" (and {counted(len(others), 'other reason')})" if others else ""
        said = f"{len(self._failed)} of {self.made} calls failed: {reason.rstrip('.')}{more}."
        if replayed:
            return f"{said} A replay makes no calls; the command that it replays can ask again."
        if not billed:
            return f"{said} This cost nothing{'' if over else '; the same command asks again'}."
        whole = "It" if billed == 1 else "All"
        what = whole if billed == len(self._failed) else f"{billed} of them"
        then = "the same command asks again" if asked_again else "no call is made again"
        return f"{said} {what} may be billed; {then}."


def is_answer(completion: Completion) -> bool:
    """Returns whether the model answered, be it with a refusal."""
    return completion.finish_reason not in ("error", "unanswered", "cancelled")


def any_answer(completions: Iterable[Completion]) -> bool:
    """Returns whether at least one of the calls got an answer."""
    return any(map(is_answer, completions))
