"""What is known of a rule's errors, in numbers and in words."""

from dataclasses import dataclass, field

from llm_erm.rulelists.evidence import Check, Learned
from llm_erm.rulelists.words import certificate


@dataclass(frozen=True)
class RuleCertificate:
    """What is known of a rule's errors: on new rows, and on those it was learned from.

    Printed, it says so in sentences.

    Attributes:
        error_at_most: Upper bound on the share of new rows that the rule gets wrong, if these and
            the rows learned from are independent draws of the same kind; None if there is none.
        no_bound: Why there is none; empty if there is one.
        confidence: Probability with which each bound holds.
        check: A rule of the same form and size, learned from a part of the rows and checked on the
            others, with a bound of its own: usually tighter, and about that rule.
        cross_validated: Estimated share of new rows that the rule gets wrong; None if some rows
            were never checked on.
        conditions: Number of conditions that the rule may have.
        learned_rows: Number of rows learned from.
        cost: What its errors on these cost: their number, unless errors have costs.
        at_least: No rule of its form with so many conditions costs less on these rows.
        text: The sentences.
    """

    error_at_most: float | None
    no_bound: str
    confidence: float
    check: Check
    cross_validated: float | None
    conditions: int
    learned_rows: int
    cost: int
    at_least: int
    text: str = field(repr=False)

    @property
    def proved(self) -> bool:
        """Whether no rule of its form and size costs less on the rows learned from."""
        return self.cost == self.at_least

    def __str__(self) -> str:
        return self.text


def certified(learned: Learned) -> RuleCertificate:
    """Returns what is known of the errors of a rule that was learned."""
    size = learned.size
    return RuleCertificate(
        learned.error_at_most,
        learned.no_bound,
        learned.confidence,
        learned.check,
        learned.cross_validated,
        size.conditions,
        learned.learned_rows,
        size.cost,
        size.at_least,
        "\n".join(certificate(learned)),
    )
