"""Settings of learning a rule from a table."""

from dataclasses import dataclass

from llm_erm.checks import Checked
from llm_erm.errors import InputError
from llm_erm.phrases import counted

MOST_CONDITIONS = 12


@dataclass(frozen=True)
class ErrorCost:
    """What one kind of error costs.

    Attributes:
        true: The class of a row.
        given: The class that it gets instead.
        cost: A whole number, 1 or more.
    """

    true: str
    given: str
    cost: int


@dataclass(frozen=True, kw_only=True)
class TableSettings(Checked):
    """How a rule is learned from a table.

    Attributes:
        max_conditions: Most conditions of the rule.
        checked: Share of the rows that a rule is checked on which was learned from the others.
        keep_checked: Whether to keep the rule that was checked, which was learned from a part of
            the rows, instead of learning one of its form and size from all rows.
        costs: What errors cost, 1 where nothing is said.
        confidence: Probability with which the bound on new rows holds.
        independent: Whether the rows are independent draws of what the rule will be used on.
        seed: Of the random division of the rows.
        looks: How many conditions each search for the best rules may look at, about; some 10 to 40
            million per second. So results repeat, whatever the machine. For more than 256 rows, in
            proportion fewer.
    """

    max_conditions: int = 5
    checked: float = 0.33
    keep_checked: bool = False
    costs: tuple[ErrorCost, ...] = ()
    confidence: float = 0.95
    independent: bool = True
    seed: int = 0
    looks: int = 50_000_000

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: One has another type, or is out of range.
        """
        super().__post_init__()
        if not 0 <= self.max_conditions <= MOST_CONDITIONS:
            raise InputError(
                f"The rule may have up to {counted(self.max_conditions, 'condition')}; give a "
                f"number from 0 to {MOST_CONDITIONS}.",
                setting="max_conditions",
            )
        if not 0 < self.checked < 1:
            raise InputError(
                f"The share of rows to check on is {self.checked:g}; give one above 0 and below 1.",
                setting="checked",
            )
        if not 0.5 <= self.confidence <= 1 - 1e-9:
            raise InputError(
                f"The confidence is {self.confidence:g}; give a fraction of at least 0.5 and below "
                "1, such as 0.95.",
                setting="confidence",
            )
        if self.looks < 0:
            raise InputError(
                f"The search may look at {self.looks:,} conditions; give a number from 0 on.",
                setting="looks",
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(
                f"The seed is {self.seed}; give a whole number from 0 to {2**32 - 1}.",
                setting="seed",
            )
