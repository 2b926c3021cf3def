"""What a language model proposed for a table."""

from dataclasses import dataclass

from llm_erm.rulelists.evidence import Proposed
from llm_erm.rulelists.rule import RuleList


@dataclass(frozen=True)
class Proposals:
    """Rules that a model proposed.

    Attributes:
        of_parts: For each fold and, unless the rule that was checked is kept, for all rows: the
            rules that were proposed from the rows learned from, in the order of the answers.
        record: How many answers there were, and what they cost.
        notices: What one must know to believe the bounds, one sentence each.
    """

    of_parts: tuple[tuple[RuleList, ...], ...]
    record: Proposed
    notices: tuple[str, ...] = ()
