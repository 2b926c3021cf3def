"""What is known of a rule that was learned from a table."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.records import Cost
from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import ErrorCost
from llm_erm.rulelists.ties import Tie
from llm_erm.tables.columns import Schema

Form = Literal["list", "m of n", "proposed"]
"""A rule list whose lines need all their conditions, one line that needs some of them, or what a
language model proposed of either."""


@dataclass(frozen=True)
class Size:
    """The best rule of a form with at most so many conditions.

    Attributes:
        conditions: How many it may have.
        rule: The rule.
        cost: What its errors cost on the rows learned from.
        at_least: No rule of the form with so many conditions costs less there; 0 for m of n, which
            is not searched to the end, and for what a model proposed.
        checked_cost: What the errors of rules of this form and size cost on the rows that each was
            not learned from.
        form: Which rules it is the best of.
    """

    conditions: int
    rule: RuleList
    cost: int
    at_least: int
    checked_cost: int
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
class Check:
    """A rule that was learned from a part of the rows, and checked on the others.

    Attributes:
        rule: The rule, of the form and size that was chosen.
        learned_rows: Number of rows that it was learned from.
        rows: Number of rows that it was checked on.
        errors: Errors on these.
        confusion: How many of these there are, by true class and by the class that the rule gives.
        candidates: Most rules of which it could have been chosen: one per form and size.
        error_at_most: Upper bound on the share of new rows that it gets wrong; None if the data
            support none.
        form: Which rules it is the best of: lists if there was none of the chosen form.
    """

    rule: RuleList
    learned_rows: int
    rows: int
    errors: int
    confusion: tuple[tuple[int, ...], ...]
    candidates: int
    error_at_most: float | None
    form: Form = "list"


@dataclass(frozen=True)
class Proposed:
    """What a language model proposed, of which one rule per part met the rows checked on.

    Attributes:
        model: The model.
        calls: How many proposals it was asked for.
        answers: How many calls it answered.
        rules: How many answers hold a rule for these columns.
        faults: What is wrong with the other answers, each with their number, most frequent first.
        cost: What all answers cost.
    """

    model: str
    calls: int
    answers: int
    rules: int
    faults: tuple[tuple[str, int], ...]
    cost: Cost


@dataclass(frozen=True)
class Learned:
    """A rule and what is known of it.

    Attributes:
        rule: The rule.
        schema: How to read other rows for it.
        sizes: The best rule of each form and size: lists, smallest first, then those of m of n,
            then what a model proposed.
        chosen: Index of the rule's own size among them.
        lines: One per line of the rule, and one for the rows that no line decides.
        learned_rows: Number of rows learned from.
        wrong: Numbers, in the source, of the rows that the rule gets wrong.
        check: The same form and size, learned from a part of the rows and checked on the others.
        cross_validated: Estimated share of new rows that the rule gets wrong: the errors when each
            row is checked on with the rule of this form and size that was learned from other rows,
            and what choosing the size by them hides; None if some rows were never checked on.
        costs: What errors cost; empty if each costs 1.
        thresholds: Most thresholds that were tried per column; None if all were.
        skipped: What other conditions were not tried.
        open: What all rows together leave open about each condition.
        confidence: Probability with which each bound holds.
        error_at_most: Upper bound on the share of new rows that the rule gets wrong; None if the
            data support none.
        no_bound: Why they support none; empty if they do.
        notices: What the user should know of the data, a sentence each.
        ties: Other rules with no more conditions whose errors cost as little on the rows learned
            from; one of those that say the same in other words.
        ties_complete: Whether these are all.
        asked_rows: Number of rows learned from whose labels were asked for: they are not draws, so
            no bound rests on them.
        proposed: What a language model proposed; None if none was asked.
    """

    rule: RuleList
    schema: Schema
    sizes: tuple[Size, ...]
    chosen: int
    lines: tuple[LineCount, ...]
    learned_rows: int
    wrong: tuple[int, ...]
    check: Check
    cross_validated: float | None
    costs: tuple[ErrorCost, ...]
    thresholds: int | None
    skipped: tuple[str, ...]
    open: tuple[Open, ...]
    confidence: float
    error_at_most: float | None
    no_bound: str
    notices: tuple[str, ...] = ()
    ties: tuple[Tie, ...] = ()
    ties_complete: bool = False
    asked_rows: int = 0
    proposed: Proposed | None = None

    @property
    def size(self) -> Size:
        """The form and size of the rule."""
        return self.sizes[self.chosen]
