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

_HALF_MICROSECOND = 5e-7
"""In seconds; times are multiples of a microsecond."""


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
        value = read_date(text)
        if value is None:
            return None
        below = _below(value, column) if column.integral else _just_before(value, column)
    else:
        value = float(day) if column.integral else _just_before(day + 1, column)
        below = day - 1.0 if column.integral else _just_before(day, column)
    return Step(value, below if below >= _FIRST_DAY else None)


def _just_before(days: float, column: NumberColumn) -> float:
    """Returns the moment before one: by a second, or a microsecond if values have parts of one."""
    seconds = column.values[~np.isnan(column.values)] * 86_400.0
    whole = bool((np.abs(seconds - np.rint(seconds)) < _HALF_MICROSECOND).all())
    return days_at(microsecond_at(days) - (1_000_000 if whole else 1))


def _below(value: float, column: NumberColumn) -> float:
    """Returns the threshold that divides numbers such as a column's below a value from others."""
    if column.integral:
        return float(min(math.ceil(value) - 1.0, np.nextafter(value, -np.inf)))
    values = column.values[~np.isnan(column.values)]
    digits = next((d for d in range(1, 7) if (np.round(values, d) == values).all()), None)
    if digits is None or round(value, digits) != value:
        return float(np.nextafter(value, -np.inf))
    return round(value - 0.5 * 10.0**-digits, digits + 1)
