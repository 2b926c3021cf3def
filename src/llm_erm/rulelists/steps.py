"""What a number or a date in a rule that a model wrote divides in a column."""

import datetime
import math
import re
from dataclasses import dataclass

import numpy as np

from llm_erm.rulelists.names import MARKS
from llm_erm.tables.cells import days_at, microsecond_at, read_date
from llm_erm.tables.columns import NumberColumn

_NUMBER = re.compile(
    r"[+-]?(?=\.?\d)\d*(?:(?<=\d),\d{3})*(?:\.\d*)?(?:e[+-]?\d{1,3})?", re.IGNORECASE
)

_ORIGIN = datetime.date(1970, 1, 1)
_FIRST_DAY = (datetime.date.min - _ORIGIN).days
_LAST_DAY = (datetime.date.max - _ORIGIN).days

_DAY = 86_400
"""Seconds."""
_SECOND = 1_000_000
"""Microseconds."""


@dataclass(frozen=True)
class Step:
    """A number or date in a comparison.

    Attributes:
        value: The threshold up to which it reaches: a day, to its end where a column has times.
        below: The threshold that divides it, and what is above, from what is below in a column such
            as this; None for the first day that there is.
    """

    value: float
    below: float | None


def step_at(text: str, column: NumberColumn) -> Step | None:
    """Returns what a text stands for; None if it is neither a number nor a date."""
    text = text.strip(MARKS + " \n\t").replace("−", "-")
    if column.dates:
        return _date_at(text, column)
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return Step(value, _below(value, column)) if math.isfinite(value) else None


def _date_at(text: str, column: NumberColumn) -> Step | None:
    try:
        day = (datetime.date.fromisoformat(text) - _ORIGIN).days
    except ValueError:
        moment = read_date(text)
        return None if moment is None else Step(moment, _before(moment, column))
    value = float(day)
    if not column.integral:  # the last day holds all that is left, as nothing follows it
        value = _just_before(day + 1, column) if day < _LAST_DAY else day + 1.0
    return Step(value, _before(day, column))


def _before(days: float, column: NumberColumn) -> float | None:
    if days <= _FIRST_DAY:
        return None
    return _below(days, column) if column.integral else _just_before(days, column)


def _just_before(days: float, column: NumberColumn) -> float:
    """Returns the last moment before one: a whole second if all values are, or a microsecond."""
    values = column.values[~np.isnan(column.values)]
    if (np.rint(values * _DAY) / _DAY == values).all():
        return days_at((microsecond_at(days) - 1) // _SECOND * _SECOND)
    return days_at(microsecond_at(math.nextafter(days, -math.inf)))


def _below(value: float, column: NumberColumn) -> float:
    """Returns the threshold that divides numbers such as a column's below a value from others."""
    if column.integral:
        return float(min(math.ceil(value) - 1.0, np.nextafter(value, -np.inf)))
    values = column.values[~np.isnan(column.values)]
    digits = next((d for d in range(1, 7) if (np.round(values, d) == values).all()), None)
    next_below = math.nextafter(value, -math.inf)
    if digits is None or round(value, digits) != value:
        return next_below
    return min(round(value - 0.5 * 10.0**-digits, digits + 1), next_below)
