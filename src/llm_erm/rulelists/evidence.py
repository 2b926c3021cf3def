"""What is known of a rule that was learned from a table."""

from dataclasses import dataclass

from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import ErrorCost
from llm_erm.rulelists.ties import Tie
from llm_erm.tables.columns import Schema


@dataclass(frozen=True)
class Size:
    """The best rule with at most so many conditions.

    Attributes:
        conditions: How many it may have.
        rule: The rule.
        cost: What its errors cost on the rows learned from.
        at_least: No rule with so many conditions costs less there.
        checked_cost: What its errors cost on the rows checked on; None if a smaller rule costs as
            little on those learned from, so that this one is no candidate.
    """

    conditions: int
    rule: RuleList
    cost: int
    at_least: int
    checked_cost: int | None

    @property
    def proved(self) -> bool:
        """Whether no rule with so many conditions costs less on the rows learned from."""
        return self.cost == self.at_least


@dataclass(frozen=True)
class LineCount:
    """What a line of the rule does on the rows learned from.

    Attributes:
        rows: How many it decides.
        right: How many of these it gets right.
    """

    rows: int
    right: int


@dataclass(frozen=True)
class Learned:
    """A rule and what is known of it.

    Attributes:
        rule: The rule.
        schema: How to read other rows for it.
        sizes: The best rule of each size, smallest first.
        chosen: The size of the rule.
        lines: One per line of the rule, and one for the rows that no line decides.
        learned_rows: Number of rows learned from.
        checked_rows: Number of rows checked on.
        checked_errors: Errors on these.
        wrong: Numbers, in the source, of the rows that the rule gets wrong.
        costs: What errors cost; empty if each costs 1.
        thresholds: Most thresholds that were tried per column; None if all were.
        open: What all rows together leave open about each condition.
        candidates: Most rules that can meet the rows checked on: one per size.
        confidence: Probability with which ``error_at_most`` holds.
        error_at_most: Upper bound on the share of new rows that the rule gets wrong; None if the
            data support none.
        no_bound: Why they support none; empty if they do.
        notices: What the user should know of the data, a sentence each.
        ties: Other rules with no more conditions whose errors cost as little on the rows learned
            from, and no more on those checked on; one of those that say the same in other words.
        ties_complete: Whether these are all.
    """

    rule: RuleList
    schema: Schema
    sizes: tuple[Size, ...]
    chosen: int
    lines: tuple[LineCount, ...]
    learned_rows: int
    checked_rows: int
    checked_errors: int
    wrong: tuple[int, ...]
    costs: tuple[ErrorCost, ...]
    thresholds: int | None
    open: tuple[Open, ...]
    candidates: int
    confidence: float
    error_at_most: float | None
    no_bound: str
    notices: tuple[str, ...] = ()
    ties: tuple[Tie, ...] = ()
    ties_complete: bool = False
