"""Says in sentences what is known of a rule."""

import math

from llm_erm.phrases import counted
from llm_erm.rulelists.evidence import Learned, Size


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
    size = learned.size
    rows = f"on the {counted(learned.learned_rows, 'row')} learned from"
    if not size.cost:
        return f"it makes no error {rows}."
    if learned.costs:
        made, fewer = f"its errors cost {size.cost:,} {rows}", "costs less than"
    else:
        made, fewer = f"it makes {counted(size.cost, 'error')} {rows}", "makes fewer than"
    if size.form == "list":
        return f"{made}{_least(learned, size, fewer)}"
    lists = [one for one in learned.sizes if one.form == "list"]
    best = lists[min(size.conditions, len(lists) - 1)]
    return (
        f"{made}{_least(learned, best, fewer, 'rule list')} Of rules such as this one, some were "
        "tried, not all."
    )


def _least(learned: Learned, size: Size, fewer: str, rule: str = "rule") -> str:
    """Returns what no rule list of a size does on the rows learned from."""
    if size.conditions == 0:
        rules = f"{rule} without conditions"
    else:
        rules = f"{rule} with up to {counted(size.conditions, 'condition')}"
    if not size.at_least:
        return f"; whether a {rules} {fewer} that is open, as the search was not finished."
    proved = "proved"
    if learned.thresholds is not None:
        proved = f"proved for {learned.thresholds:,} thresholds per column, evenly spaced by rows"
    if size.proved:
        if rule == "rule":
            return f", and no {rules} {fewer.removesuffix(' than')} ({proved})."
        return f", and no {rules} {fewer} {size.at_least:,} ({proved})."
    return f"; no {rules} {fewer} {size.at_least:,} ({proved}), but the search was not finished."
