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
    sentence = proof(learned)
    return [new, sentence[0].upper() + sentence[1:]]


def proof(learned: Learned) -> str:
    """Returns what is known of the rule on the rows learned from, as a sentence without capital."""
    size = next(size for size in learned.sizes if size.conditions == learned.chosen)
    rules = f"with up to {counted(size.conditions, 'condition')}"
    if size.conditions == 0:
        rules = "without conditions"
    rows = f"on the {counted(learned.learned_rows, 'row')} learned from"
    if not size.cost:
        return f"it makes no error {rows}."
    if learned.costs:
        made, fewer = f"its errors cost {size.cost:,} {rows}", "costs less"
        least = f"costs less than {size.at_least:,}"
    else:
        made, fewer = f"it makes {counted(size.cost, 'error')} {rows}", "makes fewer"
        least = f"makes fewer than {size.at_least:,}"
    proved = "proved"
    if learned.thresholds is not None:
        proved = f"proved for {learned.thresholds:,} thresholds per column, evenly spaced by rows"
    if size.proved:
        return f"{made}, and no rule {rules} {fewer} ({proved})."
    if not size.at_least:
        return f"{made}; whether a rule {rules} {fewer} is open, as the search was not finished."
    return f"{made}; no rule {rules} {least} ({proved}), but the search was not finished."
