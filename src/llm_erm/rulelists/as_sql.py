"""Writes a rule as an SQL expression."""

from llm_erm.errors import InputError
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.literals import number_literal, one_line
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
from llm_erm.tables.cells import moment_text


def sql_case(learned: Learned) -> str:
    """Returns a ``CASE`` expression of standard SQL.

    As in the rule, what is compared with a missing value, ``NULL``, is not true. Dates are compared
    with texts such as ``'2024-03-05'``, which databases take for dates, or, in a column with times
    of day, ``'2024-03-05 00:00:00'``, also where a database keeps these as texts.

    Raises:
        InputError: A name holds a NUL character.
    """
    rule = learned.rule
    lines = []
    for line in rule.lines:
        lines.append(f"    WHEN {_line(line)} THEN {_text(rule.classes[line.label])}")
    otherwise = _text(rule.classes[rule.otherwise])
    body = ["CASE", *lines, f"    ELSE {otherwise}", "END"] if lines else [otherwise]
    return "\n".join(
        [
            f"-- Rule for {one_line(learned.schema.target)}, learned from "
            f"{learned.learned_rows:,} rows; missing values are NULL.",
            "-- SELECT *, (this expression) AS prediction FROM ...",
            *body,
            "",
        ]
    )


def _line(line: Line) -> str:
    conditions = map(_condition, line.conditions)
    if line.least is None:
        return " AND ".join(conditions)
    points = " + ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in conditions)
    return f"{points} >= {line.least}"


def _condition(condition: Condition) -> str:
    name = _name(condition.column)
    match condition:
        case AtMost():
            return f"{name} <= {_threshold(condition)}"
        case Above():
            return f"{name} > {_threshold(condition)}"
        case Among(levels=(level,)):
            return f"{name} = {_text(level)}"
        case Among():
            return f"{name} IN ({', '.join(map(_text, condition.levels))})"
        case NotAmong(levels=(level,)):
            return f"{name} <> {_text(level)}"
        case NotAmong():
            return f"{name} NOT IN ({', '.join(map(_text, condition.levels))})"
        case Missing():
            return f"{name} IS NULL"
        case Present():
            return f"{name} IS NOT NULL"
        case NotMoreThan():
            return f"{name} <= {_name(condition.other)}"
        case MoreThan():
            return f"{name} > {_name(condition.other)}"


def _threshold(condition: AtMost | Above) -> str:
    if not condition.date:
        return number_literal(condition.value)
    text = moment_text(condition.value, times=condition.times)
    seconds = ":00" if text.count(":") == 1 else ""  # as databases write times, also as texts
    return _text(text + seconds)


def _name(name: str) -> str:
    return '"' + _without_nul(name).replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + _without_nul(text).replace("'", "''") + "'"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise InputError(f"{text!r:.80} holds a NUL character, which SQL cannot; rename it.")
    return text
