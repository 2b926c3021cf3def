"""What one comparison in a rule that a model wrote means for the columns of a table."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from llm_erm.rulelists.names import MARKS, Names, reversed_names
from llm_erm.rulelists.pool import MOST_IN_SET
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
)
from llm_erm.rulelists.steps import Step, step_at
from llm_erm.tables.columns import CategoryColumn, Column, NumberColumn, Table

MOST_STEPS = 10_000
"""Names and numbers that are looked up in an answer at most."""


MOST_PARTS = 50
"""Parts between commas that the names of a set of categories may have."""

OPERATOR = re.compile(
    r"≤|<=|=<|≥|>=|≠|!=|<>|<|(?<![-=])>|==?(?!>)|\b(?:not )?in\b(?=[\s\"'`*]{0,9}[{(\[])"
    r"|\bis (?:not )?(?:missing|present|empty)\b|\bis not\b|\bis\b",
    re.IGNORECASE,
)
"""What stands between the two sides of a comparison."""

_SIGNS = {
    **{"<=": "≤", "=<": "≤", ">=": "≥", "!=": "≠", "<>": "≠", "==": "="},
    **{"is": "=", "is not": "≠"},
}


def sign_of(operator: re.Match[str]) -> str:
    """Returns an operator as rules have it."""
    word = operator[0].casefold()
    return _SIGNS.get(word, word)


class UnreadableError(Exception):
    """A text holds no rule that could be used; the message says why."""


class Trail:
    """What was tried in one text: how much, and the fault that is furthest in it.

    Attributes:
        fault: What is wrong there; up to that place, the text made sense.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self._place = -1
        self._steps = 0

    def restart(self, place: int, fault: str) -> None:
        """Forgets the faults before a place, for a rule that begins there."""
        self.fault, self._place = fault, place

    def step(self) -> None:
        """Counts one look-up.

        Raises:
            UnreadableError: There were too many.
        """
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise UnreadableError("it can be read in too many ways")

    def say(self, place: int, fault: str) -> None:
        """Keeps a fault if it is further in the text than those before."""
        if place > self._place:
            self.fault, self._place = fault, place


class Comparisons:
    """The columns that comparisons may be about, under the names that the model was shown."""

    def __init__(self, table: Table, names: Names, trail: Trail) -> None:
        self._trail = trail
        self._columns = {column.name: column for column in table.columns}
        self._find = reversed_names({name: names.columns[name] for name in self._columns})
        self._levels = {
            column.name: reversed_names(names.levels.get(column.name, {}))
            for column in table.columns
        }

    def column(self, text: str, place: int) -> Column | None:
        """Returns the column of that name, None if there is none."""
        self._trail.step()
        name = self._find(text)
        if name is None and not _number_of(text):
            self._trail.say(place, f"there is no column {text.strip()!r:.80}")
        return None if name is None else self._columns[name]

    def presence(self, column: Column, sign: str) -> Condition | None:
        """Returns what ``is missing`` and the like mean; None for another sign."""
        if not sign.endswith(("missing", "empty", "present")):
            return None
        absent = sign.endswith("present") == ("not" in sign)
        return Missing(column.name) if absent else Present(column.name)

    def compared(self, column: Column, sign: str, text: str, place: int) -> tuple[Condition, ...]:
        """Returns what a comparison of a column means; nothing if it is not valid."""
        self._trail.step()
        if isinstance(column, CategoryColumn):
            return self._of_category(column, sign, text, place)
        step = step_at(text, column)
        if step is None:
            return self._of_columns(column, sign, text, place)
        match sign:
            case "≤":
                return (_threshold(AtMost, column, step.value),)
            case ">":
                return (_threshold(Above, column, step.value),)
            case "=":
                return _equal(step, column)
            case "<" | "≥":
                if step.below is not None:
                    return (_threshold(AtMost if sign == "<" else Above, column, step.below),)
                self._trail.say(place, "there is no day before 0001-01-01")
                return ()
        name = column.name
        self._trail.say(place, f"{sign} is for categories, and {name!r:.60} is a column of numbers")
        return ()

    def _of_columns(
        self, column: NumberColumn, sign: str, text: str, place: int
    ) -> tuple[Condition, ...]:
        other = self.column(text, place)
        if other is None:
            self._trail.say(place, f"{text.strip()!r:.60} is no number")
            return ()
        if not isinstance(other, NumberColumn) or other.dates != column.dates or other is column:
            self._trail.say(place, f"{column.name!r:.60} and {other.name!r:.60} cannot be compared")
            return ()
        match sign:
            case "≤":
                return (NotMoreThan(column.name, other.name),)
            case ">":
                return (MoreThan(column.name, other.name),)
            case "<":
                return (MoreThan(other.name, column.name),)
            case "≥":
                return (NotMoreThan(other.name, column.name),)
        self._trail.say(place, f"columns are compared by ≤ and >, not by {sign}")
        return ()

    def _of_category(
        self, column: CategoryColumn, sign: str, text: str, place: int
    ) -> tuple[Condition, ...]:
        find = self._levels[column.name]
        if sign in ("=", "≠"):
            level = find(text)
            if level is None:
                self._trail.say(place, f"{column.name!r:.60} is never {text.strip()!r:.60}")
                return ()
            return (
                Among(column.name, (level,)) if sign == "=" else NotAmong(column.name, (level,)),
            )
        if sign not in ("in", "not in"):
            self._trail.say(place, f"{column.name!r:.60} has categories, which have no order")
            return ()
        inner = text.strip(MARKS + " \n\t")
        if inner[:1] + inner[-1:] not in ("{}", "()", "[]"):
            self._trail.say(place, "a set of categories needs braces, as in {a, b}")
            return ()
        levels = self._set(column, inner[1:-1], place)
        if not levels:
            return ()
        if len(levels) > MOST_IN_SET:
            self._trail.say(place, f"a set may have up to {MOST_IN_SET} categories")
            return ()
        return ((Among if sign == "in" else NotAmong)(column.name, levels),)

    def _set(self, column: CategoryColumn, text: str, place: int) -> tuple[str, ...]:
        """Returns the categories between braces; their names may hold commas."""
        parts = text.split(",")
        if len(parts) > MOST_PARTS:
            self._trail.say(place, f"a set may have up to {MOST_IN_SET} categories")
            return ()
        ways = set(islice(self._splits(column, parts, place), 2))
        if len(ways) > 1:
            self._trail.say(place, "its words could mean more than one rule")
        (levels,) = ways if len(ways) == 1 else ((),)
        return tuple(sorted(levels, key=column.levels.index))

    def _splits(
        self, column: CategoryColumn, parts: Sequence[str], place: int
    ) -> Iterator[frozenset[str]]:
        known = False
        for size in range(1, len(parts) + 1):
            self._trail.step()
            level = self._levels[column.name](",".join(parts[:size]))
            if level is None:
                continue
            known = True
            if size == len(parts):
                yield frozenset([level])
            else:
                yield from (rest | {level} for rest in self._splits(column, parts[size:], place))
        if not known:
            self._trail.say(place, f"{column.name!r:.60} is never {parts[0].strip()!r:.60}")

    def span(self, left: str, sign: str, text: str, place: int) -> tuple[Condition, ...]:
        """Returns what ``low < column ≤ high`` means; nothing if it is something else."""
        if sign not in ("<", "≤") or not _number_of(left):
            return ()
        for operator in OPERATOR.finditer(text):
            second = sign_of(operator)
            column = self.column(text[: operator.start()], place)
            if second in ("<", "≤") and isinstance(column, NumberColumn):
                low = self.compared(column, ">" if sign == "<" else "≥", left, place)
                high = self.compared(column, second, text[operator.end() :], place)
                if len(low) == len(high) == 1:
                    return low + high
        return ()


def _number_of(text: str) -> bool:
    """Returns whether a text looks like a number or a date."""
    return bool(re.search(r"\d", text)) and not re.search(r"[^\W\d]{2}", text)


def _threshold(
    kind: type[AtMost] | type[Above], column: NumberColumn, value: float
) -> AtMost | Above:
    return kind(column.name, value, column.dates, column.times)


def _equal(step: Step, column: NumberColumn) -> tuple[Condition, ...]:
    """Returns the thresholds around a value; those that all rows are within are left out."""
    present = column.values[~np.isnan(column.values)]
    above = [] if step.below is None else [_threshold(Above, column, step.below)]
    at_most = _threshold(AtMost, column, step.value)
    kept: tuple[Condition, ...] = (
        *(one for one in above if (present <= one.value).any()),
        *([at_most] if (present > step.value).any() else []),
    )
    return kept or (*above, at_most)
