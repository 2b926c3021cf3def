"""How many tasks methods solve, by the description length of the tasks' rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor
from statistics import median

from llm_erm.erm.trials import Estimate, mean_over_trials
from llm_erm.facts import SynthesisFacts
from llm_erm.phrases import interval, percent
from llm_erm.reports.results import Entry

WIDTH = 4
"""Bits that a span of description lengths covers."""
HALF = 0.5
"""The share of tasks below which a method is said to have stopped solving them."""
EXACT = "exact"
"""What the share of tasks is called whose selected program or model is exact."""


@dataclass(frozen=True, order=True)
class Span:
    """Description lengths from ``low`` up to ``high`` bits; the last span includes its end."""

    low: int
    high: int

    @property
    def name(self) -> str:
        """Both ends, as a table shows them."""
        return f"{self.low}–{self.high}"

    @property
    def middle(self) -> float:
        """Where a picture shows it."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Bracket:
    """What one method achieved on the tasks of one span of description lengths.

    Tasks are drawn at random, so they take the place of trials: every interval is one for the mean
    over all tasks of such lengths, and holds on its own with 95 % confidence.

    Attributes:
        method: The method's name.
        span: The description lengths.
        entries: One result per task.
    """

    method: str
    span: Span
    entries: tuple[Entry, ...]

    @property
    def exact(self) -> int:
        """Number of tasks whose result is exact: without errors on test and contrast sets."""
        return sum(entry.result.exact for entry in self.entries)

    @property
    def exact_share(self) -> Estimate:
        """The share of these tasks, with its exact binomial interval."""
        return mean_over_trials([float(entry.result.exact) for entry in self.entries])

    @cached_property
    def attempts(self) -> int | None:
        """Number of proposals per task, K; None unless all of them were drawn and examined."""
        facts = [entry.result.facts for entry in self.entries]
        known = [one.pass_at for one in facts if isinstance(one, SynthesisFacts) and one.pass_at]
        if not known or len(known) < len(facts):
            return None
        return max(set.intersection(*(set(one) for one in known)))

    def pass_at(self, k: int) -> Estimate | None:
        """Returns the mean over tasks of pass@k; None for a method that proposes nothing."""
        if self.attempts is None or k > self.attempts:
            return None
        facts = [entry.result.facts for entry in self.entries]
        return mean_over_trials(
            [one.pass_at[k] for one in facts if isinstance(one, SynthesisFacts) and one.pass_at]
        )

    @property
    def accuracy(self) -> float:
        """Mean test accuracy."""
        return sum(entry.accuracy for entry in self.entries) / len(self.entries)

    @property
    def seconds(self) -> float:
        """Median wall time per task."""
        return median(entry.result.seconds for entry in self.entries)

    @property
    def cost_usd(self) -> float | None:
        """Price of all calls on these tasks; None if any price is unknown."""
        prices = [entry.result.cost.usd for entry in self.entries]
        known = [price for price in prices if price is not None]
        return sum(known) if len(known) == len(prices) else None


@dataclass(frozen=True)
class Solved:
    """The share of tasks that a method solves, by description length.

    Attributes:
        method: The method's name.
        what: What counts as solved: ``exact`` or, as in ``pass@16``, one of so many proposals.
        spans: The description lengths, increasing.
        shares: The shares at each, with their intervals.
    """

    method: str
    what: str
    spans: tuple[Span, ...]
    shares: tuple[Estimate, ...]

    @property
    def name(self) -> str:
        """The method and, unless it is exactness, what counts as solved."""
        return self.method if self.what == EXACT else f"{self.method}, {self.what}"


def spans_of(bits: Sequence[float]) -> list[Span]:
    """Returns the spans that hold some description lengths: multiples of ``WIDTH``, increasing."""
    if not bits:
        return []
    least = floor(min(bits) / WIDTH) * WIDTH
    spans = [Span(least, least + WIDTH)]
    while spans[-1].high < max(bits):
        spans.append(Span(spans[-1].high, spans[-1].high + WIDTH))
    return spans


def brackets_of(results: Mapping[str, Sequence[Entry]], bits: Mapping[str, float]) -> list[Bracket]:
    """Returns one bracket per method and span in which it has results.

    Args:
        results: The results of each method, by its name.
        bits: The description length of each task's rule, by the task's id.
    """
    spans = spans_of(list(bits.values()))
    found = []
    for method, entries in results.items():
        for span in spans:
            last = span is spans[-1]
            own = tuple(
                entry
                for entry in entries
                if span.low <= (length := bits[entry.point[0]]) < span.high
                or (last and length == span.high)
            )
            if own:
                found.append(Bracket(method, span, own))
    return found


def solved_by(brackets: Sequence[Bracket]) -> list[Solved]:
    """Returns the shares of tasks that methods solve: pass@1 and pass@K, or what is exact."""
    found = []
    for method in dict.fromkeys(one.method for one in brackets):
        own = [one for one in brackets if one.method == method]
        spans = tuple(one.span for one in own)
        known = [one.attempts for one in own]
        if None in known:
            found.append(Solved(method, EXACT, spans, tuple(one.exact_share for one in own)))
            continue
        for k in sorted({1, min(filter(None, known))}):
            shares = [one.pass_at(k) for one in own]
            found.append(Solved(method, f"pass@{k}", spans, tuple(filter(None, shares))))
    return found


def where_it_stops(solved: Solved) -> str:
    """Returns sentences on where a method stops solving most tasks, as far as that was seen.

    The share was measured in spans, so it is only known in which of them it falls below a half, and
    that only as surely as the intervals exclude a half.
    """
    shares = solved.shares
    what = "the share of tasks solved" if solved.what == EXACT else solved.what
    first = next(
        (at for at in range(len(shares)) if all(one.mean < HALF for one in shares[at:])), None
    )
    if first is None:
        above = all(one.mean >= HALF for one in shares)
        where = "at all description lengths tried" if above else "at the greatest lengths tried"
        return f"{solved.method}: {what} is 50% or more {where}: {_at(solved, -1)}."
    if first == 0:
        return (
            f"{solved.method}: {what} is below 50% at all description lengths tried: "
            f"{_at(solved, 0)}."
        )
    return (
        f"{solved.method}: {what} falls below 50% at {solved.spans[first].low} bits: "
        f"{_at(solved, first - 1)}, {_at(solved, first)}. {_how_surely(solved, first)}"
    )


def _how_surely(solved: Solved, first: int) -> str:
    """Returns what the intervals say of where a share falls below a half.

    Args:
        solved: The shares.
        first: Index of the first span from which on all shares are below a half.
    """
    sides = [_side(one) for one in solved.shares]
    begin = next((at for at, side in enumerate(sides) if side <= 0), len(sides))
    end = next((at for at in range(len(sides)) if all(side < 0 for side in sides[at:])), None)
    if begin == end == first:
        return "The intervals on both sides exclude 50%."
    least, most = solved.spans[begin].low if begin else None, None
    if end is not None:
        most = solved.spans[end].low
    if least is not None and most is not None:
        return f"By the intervals, it may be anywhere from {least} to {most} bits."
    if most is not None:
        return f"By the intervals, it may be anywhere up to {most} bits."
    if least is not None:
        return f"By the intervals, it may be anywhere from {least} bits on."
    return "By the intervals, it may be anywhere."


def _side(share: Estimate) -> int:
    """Returns on which side of a half an interval is: 1 above, -1 below, 0 if it holds a half."""
    if share.low is None or share.high is None:
        return 0
    return 1 if share.low > HALF else -1 if share.high < HALF else 0


def _at(solved: Solved, place: int) -> str:
    """Returns the share in one span, with its interval."""
    span, share = solved.spans[place], solved.shares[place]
    surely = "one task"
    if share.low is not None and share.high is not None:
        surely = f"95% interval {interval(share.low, share.high)}"
    return f"{percent(share.mean)} at {span.name} bits ({surely})"
