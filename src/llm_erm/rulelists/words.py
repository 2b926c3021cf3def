"""Says in sentences what is known of a rule."""

import math

from llm_erm.phrases import counted
from llm_erm.rulelists.evidence import Learned


def conditions_of(learned: Learned) -> list[str]:
    """Returns when each line of the rule decides, as it is printed, without what it gives."""
    lines = learned.rule.lines
    if not lines:
        return ["ALWAYS"]
    first, *others = lines
    return [f"IF {first}", *(f"ELSE IF {line}" for line in others), "ELSE"]


def certificate(learned: Learned) -> list[str]:
    """Returns what is known of the rule's errors: on new rows, and on those it was learned from."""
    right = math.floor(1000 - 1000 * learned.checked_errors / learned.checked_rows + 1e-9) / 10
    new = (
        f"On {counted(learned.checked_rows, 'row')} that it was not learned from, {right:.1f}% are "
        f"right ({counted(learned.checked_errors, 'error')})."
    )
    if learned.error_at_most is None:
        new += f" They bound no error on new rows: {learned.no_bound}."
    else:
        most = math.ceil(1000 * learned.error_at_most - 1e-9) / 10
        new += (
            f" If they and new rows are independent draws of the same kind, its error on new rows "
            f"is at most {most:.1f}%, {learned.confidence:.0%} sure."
        )
    size = next(size for size in learned.sizes if size.conditions == learned.chosen)
    rules = f"with up to {counted(size.conditions, 'condition')}"
    if size.conditions == 0:
        rules = "without conditions"
    if learned.learned_rows == sum(count.right for count in learned.lines):
        return [
            new,
            f"It makes no error on the {learned.learned_rows:,} rows that it was learned from.",
        ]
    rows = f"the {counted(learned.learned_rows, 'row')} that it was learned from"
    if size.proved:
        return [new, f"No rule {rules} makes errors that cost less on {rows} (proved)."]
    return [
        new,
        f"On {rows}, its errors cost {size.cost:,}; that a rule {rules} costs less than "
        f"{size.at_least:,} is excluded, and what lies between is open.",
    ]
