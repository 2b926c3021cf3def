"""Writes a rule as a formula of a spreadsheet."""

from collections.abc import Sequence

from llm_erm.errors import InputError
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.literals import number_literal
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Line,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
)
from llm_erm.tables.cells import DAY_MICROSECONDS, date_text, microsecond_at
from llm_erm.tables.labels import no_such_column

FIRST_ROW = 2
"""The row that the formula is for: the first one below the names."""
MOST_CHARACTERS = 8_192
"""Of a formula in Excel (specifications and limits)."""
MOST_COLUMNS = 16_384
"""Of a sheet in Excel."""
_MOST_NESTED = 64
_MOST_QUOTED = 255
_DAY_ZERO = 25_569
"""1970-01-01 in spreadsheets, which count days from the end of 1899."""


def cells_of(learned: Learned, columns: Sequence[str] = ()) -> dict[str, str]:
    """Returns the cell of each column that the rule needs, in the first row below the names.

    Args:
        learned: The rule.
        columns: Names of the sheet's columns, from A on; none for those of the rule's data.

    Raises:
        InputError: One of the rule's columns is not among them, or there are too many.
    """
    names = [name.strip() for name in columns] or [column.name for column in learned.schema.columns]
    if len(names) > MOST_COLUMNS:
        raise InputError(f"A sheet has up to {MOST_COLUMNS:,} columns, not {len(names):,}.")
    for name in learned.rule.columns:
        if name not in names:
            raise no_such_column(name, names, "the sheet", setting="columns")
    return {name: f"{_letters(names.index(name))}{FIRST_ROW}" for name in learned.rule.columns}


def spreadsheet_formula(learned: Learned, columns: Sequence[str] = ()) -> str:
    """Returns a formula for the first row below the names; copied downwards, it does for others.

    A condition on an empty cell is false, and so is one on a text where the rule needs a number.
    Numbers are compared as they are stored, whatever their format: 12% is 0.12 in a sheet, but 12
    in a rule that was learned from texts. Arguments are separated by commas.

    Args:
        learned: The rule.
        columns: Names of the sheet's columns, from A on; none for those of the rule's data.

    Raises:
        InputError: One of the rule's columns is not among them, or the formula would be longer or
            deeper than Excel allows.
    """
    places = cells_of(learned, columns)
    numbers = {column.name for column in learned.schema.columns if column.kind == "number"}
    rule = learned.rule
    formula = _text(rule.classes[rule.otherwise])
    for line in reversed(rule.lines):
        formula = f"IF({_line(line, places, numbers)},{_text(rule.classes[line.label])},{formula})"
    formula = "=" + formula
    if len(formula) > MOST_CHARACTERS or len(rule.lines) > _MOST_NESTED - 4:
        raise InputError(
            f"The formula has {len(formula):,} characters and {len(rule.lines):,} lines; Excel "
            f"takes {MOST_CHARACTERS:,} and {_MOST_NESTED - 4}. Learn a shorter rule "
            "(--max-conditions), or export Python or SQL."
        )
    return formula + "\n"


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, place = divmod(index - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


def _line(line: Line, places: dict[str, str], numbers: set[str]) -> str:
    conditions = [_condition(condition, places, numbers) for condition in line.conditions]
    if line.least is not None:
        points = "+".join(f"IF({condition},1,0)" for condition in conditions)
        return f"{points}>={line.least}"
    return f"AND({','.join(conditions)})" if len(conditions) > 1 else conditions[0]


def _condition(condition: Condition, places: dict[str, str], numbers: set[str]) -> str:
    cell = places[condition.column]
    match condition:
        case AtMost():
            return f"IF(ISNUMBER({cell}),{cell}<={_threshold(condition)},FALSE())"
        case Above():
            return f"IF(ISNUMBER({cell}),{cell}>{_threshold(condition)},FALSE())"
        case Among():
            return _any_of(cell, condition.levels)
        case NotAmong():
            return f'AND({cell}<>"",NOT({_any_of(cell, condition.levels)}))'
        case Missing():
            return f"NOT(ISNUMBER({cell}))" if condition.column in numbers else f'{cell}=""'
        case Present():
            return f"ISNUMBER({cell})" if condition.column in numbers else f'{cell}<>""'
        case NotMoreThan():
            return _compared(cell, "<=", places[condition.other])
        case MoreThan():
            return _compared(cell, ">", places[condition.other])


def _any_of(cell: str, levels: Sequence[str]) -> str:
    tests = [_equal(cell, level) for level in levels]
    return f"OR({','.join(tests)})" if len(tests) > 1 else tests[0]


def _equal(cell: str, level: str) -> str:
    # EXACT tells a from A, which = does not, and compares numbers as they are written.
    if level.upper() in ("TRUE", "FALSE"):  # what a sheet makes of True in a file has no case
        cell, level = f"UPPER({cell})", level.upper()
    return f"EXACT({cell},{_text(level)})"


def _compared(cell: str, sign: str, other: str) -> str:
    return f"IF(AND(ISNUMBER({cell}),ISNUMBER({other})),{cell}{sign}{other},FALSE())"


def _threshold(condition: AtMost | Above) -> str:
    if not condition.date:
        return number_literal(condition.value).upper()
    day, rest = divmod(microsecond_at(condition.value), DAY_MICROSECONDS)
    if day + _DAY_ZERO <= 60:  # spreadsheets disagree on days before March 1900
        return number_literal(condition.value + _DAY_ZERO)
    year, month, date = (int(part) for part in date_text(day).split("-"))
    # The time of a cell is such a share of a day, too.
    time = f"+{number_literal(rest / DAY_MICROSECONDS)}" if rest else ""
    return f"DATE({year},{month},{date}){time}"


def _text(text: str) -> str:
    parts = [text[start : start + _MOST_QUOTED] for start in range(0, len(text), _MOST_QUOTED)]
    return "&".join('"' + part.replace('"', '""') + '"' for part in parts or [""])
