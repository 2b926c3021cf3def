"""What is known of a rule that was learned from a table."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import ErrorCost
from llm_erm.tables.columns import Schema

Form = Literal["list", "m of n"]
"""A rule list whose lines need all their conditions, or one line that needs some of them."""


@dataclass(frozen=True)
class Size:
    """The best rule of a form with at most so many conditions.

    Attributes:
        conditions: How many it may have.
        rule: The rule.
        cost: What its errors cost on the rows learned from.
        at_least: No rule of the form with so many conditions costs less there; 0 for m of n, which
            is not searched to the end.
        checked_cost: What its errors cost on the rows checked on; None if a smaller rule costs as
            little on those learned from, so that this one is no candidate.
    """

    conditions: int
    rule: RuleList
    cost: int
    at_least: int
    checked_cost: int | None
    form: Form = "list"

    @property
    def proved(self) -> bool:
        """Whether no rule of the form and size costs less on the rows learned from."""
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
        sizes: The best rule of each form and size: lists, smallest first, then those of m of n.
        chosen: Index of the rule's own size among them.
        lines: One per line of the rule, and one for the rows that no line decides.
        learned_rows: Number of rows learned from.
        checked_rows: Number of rows checked on.
        checked_errors: Errors on these.
        wrong: Numbers, in the source, of the rows that the rule gets wrong.
        costs: What errors cost; empty if each costs 1.
        thresholds: Most thresholds that were tried per column; None if all were.
        open: What all rows together leave open about each condition.
        candidates: Most rules that can meet the rows checked on: one per form and size.
        confidence: Probability with which ``error_at_most`` holds.
        error_at_most: Upper bound on the share of new rows that the rule gets wrong; None if the
            data support none.
        no_bound: Why they support none; empty if they do.
        notices: What the user should know of the data, a sentence each.
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

    @property
    def size(self) -> Size:
        """The form and size of the rule."""
        return self.sizes[self.chosen]
