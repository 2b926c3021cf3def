"""How a rule that was exported as a Python file reads rows: its functions are copied there."""

import csv
import math
from collections.abc import Callable, Collection, Iterable
from typing import TextIO

from llm_erm.tables.cells import MISSING, NumberFormat, read_date, read_number

BOOLEANS: tuple[str, str] = ("False", "True")


def text_of(value: object) -> str | None:
    """Returns a cell as a text without spaces around it; None if it is missing."""
    if isinstance(value, bool):
        return BOOLEANS[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = "" if value is None else str(value).strip()
    return None if text in MISSING else text


def number_of(value: object, form: NumberFormat, missing: Collection[str]) -> float:
    """Returns a cell as a number; NaN, of which no comparison is true, if it is missing."""
    text = text_of(value)
    if text is None or text in missing:
        return math.nan
    number = read_number(text, form if isinstance(value, str) else NumberFormat())
    return math.nan if number is None or math.isinf(number) else number


def days_of(value: object, missing: Collection[str]) -> float:
    """Returns a date as days since 1970-01-01; NaN, as for numbers, if it is missing."""
    text = text_of(value)
    days = None if text is None or text in missing else read_date(text)
    return math.nan if days is None else days


def print_classes(
    predict: Callable[[dict[str, object]], str],
    columns: Collection[str],
    lines: Iterable[str],
    out: TextIO,
) -> None:
    """Prints the class of each row of a CSV file whose first line has the names of the columns."""
    rows = csv.DictReader(lines, skipinitialspace=True)
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    for name in columns:
        if name not in rows.fieldnames:
            raise SystemExit(f"There is no column {name!r}; the first line must name the columns.")
    for row in rows:
        print(predict(row), file=out)
