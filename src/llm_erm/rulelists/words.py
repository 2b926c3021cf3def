"""Says in sentences what is known of a rule."""

from llm_erm.phrases import counted, listed, percent, percent_up, sure
from llm_erm.rulelists.evidence import Learned, Size

MOST_SHOWN = 10
"""Rows that a rule gets wrong are named, up to so many."""


def conditions_of(learned: Learned) -> list[str]:
    """Returns when each line of the rule decides, as it is printed, without what it gives."""
    lines = learned.rule.lines
    if not lines:
        return ["ALWAYS"]
    first, *others = lines
    return [f"IF {first}", *(f"ELSE IF {line}" for line in others), "ELSE"]


def certificate(learned: Learned) -> list[str]:
    """Returns what is known of the rule's errors: on new rows, and on those it was learned from."""
    sentence = proof(learned)
    proposed = [] if learned.proposed is None else [proposals(learned)]
    return [*new_rows(learned), sentence[0].upper() + sentence[1:], *proposed]


def new_rows(learned: Learned) -> list[str]:
    """Returns what is known of errors on new rows, with the rule that each sentence is about."""
    check = learned.check
    kept = check.learned_rows == learned.learned_rows
    right = f"{check.rows - check.errors:,} of {check.rows:,} other rows right"
    sentences = []
    if learned.cross_validated is not None and not kept:
        right_share = max(0.0, 1 - learned.cross_validated)
        sentences.append(f"New rows like these: about {right_share:.0%} right (cross-validated).")
    checked = f"Checked: it got {right}"
    if not kept:
        some = counted(check.learned_rows, "row")
        what = "a rule of up to this size"
        if learned.size.form == "proposed":
            what = "what the model proposed from these"
            if check.form != "proposed":
                what = "a rule of the search, since the model proposed none from these,"
        checked = f"Checked: learned from {some} only, {what} got {right}"
    if learned.no_bound:
        return [*sentences, f"{checked}; no bound for new rows: {learned.no_bound}."]
    assert learned.error_at_most is not None
    assert check.error_at_most is not None
    most = f"at most {percent_up(check.error_at_most)} of new rows, {sure(learned.confidence)} sure"
    sentences.append(f"{checked}; {'it' if kept else 'that one'} errs on {most}.")
    if not kept:
        sentences.append(
            f"Bound: this rule errs on at most {percent_up(learned.error_at_most)} of new rows, "
            f"{sure(learned.confidence)} sure."
        )
    return sentences


def found(learned: Learned, positive: str) -> str:
    """Returns how many rows of a class the rule that was checked found, and how many were right."""
    index = learned.schema.classes.index(positive)
    confusion = learned.check.confusion
    right, rows = confusion[index][index], sum(confusion[index])
    called = sum(given[index] for given in confusion)
    texts = [f"{positive}: {right:,} of {counted(rows, 'row')} checked that are {positive} found"]
    if rows:
        texts.append(f" ({percent(right / rows)})")
    texts.append(f"; {right:,} of {called:,} that it calls {positive} are")
    if called:
        texts.append(f" ({percent(right / called)})")
    return "".join([*texts, "."])


def wrong(learned: Learned) -> list[str]:
    """Returns which rows the rule gets wrong, as a sentence if there are any."""
    if not learned.wrong:
        return []
    shown = ", ".join(f"{number:,}" for number in learned.wrong[:MOST_SHOWN])
    more = "" if len(learned.wrong) <= MOST_SHOWN else ", …"
    return [f"Rows that it gets wrong ({len(learned.wrong):,} of all): {shown}{more or '.'}"]


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
    if size.form == "proposed":
        best_list = f"the best rule list with up to {counted(best.conditions, 'condition')}"
        if best.proved and learned.thresholds is None and not learned.skipped:
            return f"{made}, and {best_list} {best.cost:,} (proved)."
        return f"{made}, and {best_list} that the search found {best.cost:,}."
    return (
        f"{made}{_least(learned, best, fewer)} Of rules such as this one, some were tried, not all."
    )


def proposals(learned: Learned) -> str:
    """Returns how many rules a model proposed, and whether the rule is one; empty without one."""
    made = learned.proposed
    if made is None:
        return ""
    answers = f"{made.rules:,} of {counted(made.answers, 'answer')} of {made.model} hold a rule"
    if made.answers < made.calls:
        answers += f" ({made.calls - made.answers:,} of {made.calls:,} calls failed)"
    if learned.size.form == "proposed":
        whose = "this rule is one of them"
    elif any(size.form == "proposed" for size in learned.sizes):
        whose = "this rule is from the search, which did no worse on rows checked on"
    else:
        whose = "this rule is from the search"
    cost = made.cost
    dollars = "at an unknown cost"
    if cost.usd is not None:
        dollars = f"for ${cost.usd:.4f}" if cost.usd else "at no cost"
    used = f"{cost.prompt_tokens:,} prompt and {cost.completion_tokens:,} output tokens"
    sentence = f"Proposals: {answers}; {whose}. They took {used}, {dollars}."
    if made.faults:
        why, number = made.faults[0]
        others = made.answers - made.rules
        sentence += f" What is wrong with the others, {number:,} of {others:,} times: {why}."
    return sentence


def _least(learned: Learned, size: Size, fewer: str) -> str:
    """Returns what no rule list of a size does on the rows learned from."""
    rules = "rule list without conditions"
    if size.conditions:
        rules = f"rule list with up to {counted(size.conditions, 'condition')}"
    if not size.at_least:
        return f"; the search was cut short, so a {rules} may do better."
    proved = ["proved"]
    if learned.thresholds is not None:
        proved.append(f"for {learned.thresholds:,} thresholds per column, evenly spaced by rows")
    if learned.skipped:
        proved.append(f"without {listed(learned.skipped)}")
    how = ", ".join([" ".join(proved[:2]), *proved[2:]])
    if size.proved and size is learned.size:
        return f", and no {rules} {fewer.removesuffix(' than')} ({how})."
    if size.proved:
        return f", and no {rules} {fewer} {size.at_least:,} ({how})."
    return f"; no {rules} {fewer} {size.at_least:,} ({how}), but the search was cut short."
