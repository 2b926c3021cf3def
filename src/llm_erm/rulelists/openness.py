"""Says in sentences what the rows leave open about a rule."""

from dataclasses import replace

from llm_erm.phrases import counted, either
from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.rule import Above, AtMost

MOST_OTHERS = 2
"""Other conditions that could stand in the place of one are named, up to so many."""


def left_open(learned: Learned) -> list[str]:
    """Returns what the rows leave open about each condition, a sentence for each that is open."""
    return [text for one in learned.open if (text := _open(learned, one))]


def ties(learned: Learned) -> list[str]:
    """Returns a sentence on the other rules that are as good, if there are any."""
    if not learned.ties:
        return []
    number = len(learned.ties)
    least = "" if learned.ties_complete else "at least "
    err = "makes" if number == 1 else "make"
    one, *_ = (str(tie.rule).replace("\n", " ") for tie in learned.ties)
    return [
        f"Open: {least}{counted(number, 'other rule')} with up to "
        f"{counted(learned.rule.conditions, 'condition')} {err} no more errors on these rows"
        f"{':' if number == 1 else ', such as'} {one}. `llm-erm predict --undetermined mark` says "
        "on which new rows the rules disagree."
    ]


def _open(learned: Learned, one: Open) -> str:
    """Returns what the rows leave open about a condition; empty if that is nothing."""
    condition = learned.rule.lines[one.line].conditions[one.place]
    texts = [str(other) for other in one.others[:MOST_OTHERS]]
    if more := len(one.others) - len(texts):
        texts.append(f"one of {more:,} more")
    if isinstance(condition, AtMost | Above) and one.room is not None:
        low, high = one.room
        whole = {column.name for column in learned.schema.columns if column.integral}
        if high - low > 1 or condition.column not in whole:
            ends = (replace(condition, value=end).threshold for end in one.room)
            texts.insert(0, "have any threshold from {} to below {}".format(*ends))
    if not texts:
        return ""
    what = " or be ".join(filter(None, (texts[0], either(texts[1:]))))
    be = "" if what.startswith("have") else "be "
    return f"Open: {condition} (line {one.line + 1}) could {be}{what}; every row keeps its label."
