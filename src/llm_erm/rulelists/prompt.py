"""The prompt that asks a language model for a rule: the columns, the rows learned from, the words.

Whatever a cell says can change what is proposed, and nothing else: rules are read, never executed,
and chosen by rows that the prompt does not show.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.phrases import counted, either
from llm_erm.rulelists.literals import number_text
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.names import Names, cell
from llm_erm.rulelists.pool import MOST_IN_SET
from llm_erm.rulelists.settings import ErrorCost
from llm_erm.tables.columns import MISSING_CODE, Column, NumberColumn, Table

MOST_CELLS = 20_000
"""Cells that a prompt shows at most: some 60,000 to 100,000 tokens."""

LONGEST_DESCRIPTION = 300
"""Characters of what the user says of a column."""

MOST_LEVELS = 200
"""Categories of a column that are listed at most; the rows may show others."""


@dataclass(frozen=True)
class Asked:
    """What a prompt is about, besides the rows.

    Attributes:
        names: What stands for each name.
        target: The column to predict.
        max_conditions: Most conditions of a rule.
        costs: What errors cost, if not 1 each.
        descriptions: What the user says of columns, by their names.
        seed: Of the draw of rows, if there are more than a prompt shows.
    """

    names: Names
    target: str
    max_conditions: int
    costs: Sequence[ErrorCost]
    descriptions: Mapping[str, str]
    seed: int


def shown_rows(rows: int, columns: int) -> int:
    """Returns how many of so many rows a prompt shows."""
    return min(rows, max(MOST_CELLS // (columns + 1), 1))


def prompt_of(table: Table, labels: NDArray[np.int32], asked: Asked) -> str:
    """Returns the prompt that asks for a rule.

    Args:
        table: The rows learned from; it shows nothing of others.
        labels: Shape ``(n_rows,)``: their classes.
        asked: What else it says.
    """
    names, target = asked.names, asked.names.target
    classes = list(names.classes.values())
    said = cell(asked.descriptions.get(asked.target, ""), LONGEST_DESCRIPTION)
    columns = "\n".join(f"- {_about(one, asked)}" for one in table.columns)
    rows = shown_rows(table.n_rows, len(table.columns))
    some = np.sort(np.random.RandomState(asked.seed).permutation(table.n_rows)[:rows])
    more = "" if rows == table.n_rows else f", a random sample of {table.n_rows:,}"
    costs = "".join(
        f"\nAn error that gives {names.classes[one.given]} to a {names.classes[one.true]} counts "
        f"as {counted(one.cost, 'error')}."
        for one in asked.costs
    )
    return f"""\
# Task
Each row of a table is one case. Find a rule that tells {target} from the other columns, for these \
cases and for new ones like them.
{target} is {either(classes)}{f" ({said})" if said else ""}.{costs}
Labels may be wrong here and there. Prefer a rule that makes sense, given what the columns are, to \
one that fits every row.

# Columns
{columns}

# Rows
{counted(rows, "row")}{more}. An empty cell is a missing value.
```
{_csv(table.take(some), labels[some], names)}```

# How to write a rule
{_language(asked.max_conditions, len(classes), _dates(table))}

# Answer
Think first if you like. Then write the rule, and nothing else, into one fenced block at the end.
"""


def _about(column: Column, asked: Asked) -> str:
    """Returns a line on a column: what it is, and which values the rows have."""
    said = cell(asked.descriptions.get(column.name, ""), LONGEST_DESCRIPTION)
    name = asked.names.columns[column.name]
    return f"{name}: {said}{'; ' if said else ''}{_values(column, asked.names)}"


def _values(column: Column, names: Names) -> str:
    if isinstance(column, NumberColumn):
        present = column.values[~np.isnan(column.values)]
        kind = "dates" if column.dates else "whole numbers" if column.integral else "numbers"
        if not len(present):
            return f"{kind}, none of them known here"
        low, high = (
            number_text(float(end), date=column.dates, times=column.times)
            for end in (present.min(), present.max())
        )
        return f"{kind} from {low} to {high}"
    shown = names.levels.get(column.name, {})
    codes = np.unique(column.codes[column.codes >= 0])
    levels = [shown[column.levels[code]] for code in codes[:MOST_LEVELS]]
    more = "" if len(codes) <= MOST_LEVELS else f" and {len(codes) - MOST_LEVELS:,} more"
    return f"one of {{{', '.join(levels)}}}{more}"


def _csv(table: Table, labels: NDArray[np.int32], names: Names) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(names.columns[one.name] for one in table.columns), names.target])
    classes = list(names.classes.values())
    cells = [list(_cells(one, names)) for one in table.columns]
    writer.writerows([*row, classes[label]] for *row, label in zip(*cells, labels, strict=True))
    return text.getvalue()


def _cells(column: Column, names: Names) -> Iterator[str]:
    if isinstance(column, NumberColumn):
        for value in column.values.tolist():
            known = not np.isnan(value)
            yield number_text(value, date=column.dates, times=column.times) if known else ""
        return
    shown = names.levels.get(column.name, {})
    for code in column.codes.tolist():
        yield "" if code == MISSING_CODE else shown[column.levels[code]]


def _dates(table: Table) -> str:
    """Returns how dates are written."""
    if any(isinstance(one, NumberColumn) and one.times for one in table.columns):
        return "dates as 2024-12-31 14:30, or as 2024-12-31 for the whole day"
    return "dates as 2024-12-31"


def _language(max_conditions: int, classes: int, dates: str) -> str:
    some = ""
    if classes == 2 and max_conditions >= FEWEST:
        some = """

Or one line that needs some of its conditions, and no other:
```
IF at least 2 hold of: pressure > 7.5; valve = open; heat is missing → fails
ELSE → holds
```"""
    return f"""\
A rule is a list of lines. The first line whose conditions all hold decides; ELSE comes last. For \
example, for another table:
```
IF pressure > 7.5 AND valve in {{open, ajar}} → fails
ELSE IF 20 < heat ≤ 35 → fails
ELSE → holds
```{some}

A condition is one of
- column > number, column ≤ number, low < column ≤ high ({dates})
- column > other column, column ≤ other column
- column = category, column ≠ category, column in {{a, b}}, column not in {{a, b}}, with up to \
{MOST_IN_SET} categories
- column is missing, column is present

A missing value makes every other condition false. There is no OR: write another line. There is no \
arithmetic. A rule has at most {counted(max_conditions, "condition")} in all its lines together; \
low < column ≤ high counts as two."""
