"""Productions that read the columns of a table row: thresholds, categories, missing values."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration.bank import Bank, Grow, pack_bits
from llm_erm.enumeration.language import Production, choice_bits
from llm_erm.errors import InputError
from llm_erm.execution import Input

MAX_THRESHOLDS = 63
"""Thresholds per column at most; if there are more, evenly spaced quantiles are used."""

Inputs = Sequence[Input]

Value = str | int | float | bool | None
"""One entry of a table row."""


def column_names(inputs: Inputs) -> list[str]:
    """Returns the names of the table's columns, sorted."""
    return sorted(set().union(*(set(row) for row in inputs if isinstance(row, Mapping))))


def check_columns(inputs: Inputs) -> None:
    """Checks that all table rows have the same columns, so that programs can name them.

    Raises:
        InputError: If they do not.
    """
    wanted = column_names(inputs)
    for number, row in enumerate(inputs, start=1):
        if wanted and not (isinstance(row, Mapping) and sorted(row) == wanted):
            lacking = [name for name in wanted if not isinstance(row, Mapping) or name not in row]
            raise InputError(
                f"Row {number} of the training data lacks the columns {lacking}; give every row "
                "the same columns, with None for missing values."
            )


def _entries(inputs: Inputs, name: str) -> list[Value]:
    return [row.get(name) for row in inputs if isinstance(row, Mapping)]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_float(value: Value) -> float:
    """Returns a number as a float: NaN if missing, infinite if too large."""
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if isinstance(value, int) and value > 0 else -math.inf


def numeric_columns(inputs: Inputs) -> list[str]:
    """Returns the names of the columns that have entries and only numeric ones."""
    return [
        name
        for name in column_names(inputs)
        if (there := [v for v in _entries(inputs, name) if v is not None])
        and all(map(_is_number, there))
    ]


def thresholds(inputs: Inputs, name: str) -> list[float]:
    """Returns numbers with few decimals between adjacent values of a column, ascending."""
    entries = {_as_float(v) for v in _entries(inputs, name) if _is_number(v)}
    values = sorted(filter(math.isfinite, entries))  # Python has no literals for the others
    gaps = list(pairwise(values))
    if len(gaps) > MAX_THRESHOLDS:
        gaps = [gaps[int(i)] for i in np.linspace(0, len(gaps) - 1, MAX_THRESHOLDS)]
    return [between(low, high) for low, high in gaps]


def between(low: float, high: float) -> float:
    """Returns the number with the fewest decimals that is at least ``low`` and below ``high``."""
    for digits in range(17):
        rounded = round((low + high) / 2, digits)
        if low <= rounded < high:
            return rounded
    return low


def categories(inputs: Inputs, name: str) -> list[Value]:
    """Returns the distinct entries of a non-numeric column, without missing ones."""
    there = {
        v
        for v in _entries(inputs, name)
        if v is not None and (not isinstance(v, float) or math.isfinite(v))
    }
    return sorted(there, key=lambda value: (str(type(value)), str(value)))


def _above(bank: Bank, production: Production, cost: int) -> None:
    columns = numeric_columns(bank.inputs)
    for name, bits in _each_name(bank, columns, cost):
        limits = thresholds(bank.inputs, name)
        if limits and bits == choice_bits(len(limits)):
            entries = np.array(list(map(_as_float, _entries(bank.inputs, name))))
            there = entries > np.array(limits)[:, None]
            _add(bank, production, name, there)


def _category(bank: Bank, production: Production, cost: int) -> None:
    columns = [
        name for name in column_names(bank.inputs) if name not in numeric_columns(bank.inputs)
    ]
    for name, bits in _each_name(bank, columns, cost):
        values = categories(bank.inputs, name)
        if values and bits == choice_bits(len(values)):
            entries = _entries(bank.inputs, name)
            there = np.array([[entry == value for entry in entries] for value in values])
            _add(bank, production, name, there)


def _missing(bank: Bank, production: Production, cost: int) -> None:
    for name, bits in _each_name(bank, column_names(bank.inputs), cost):
        if bits == 0:
            there = np.array([[entry is None for entry in _entries(bank.inputs, name)]])
            _add(bank, production, name, there)


def _larger(bank: Bank, production: Production, cost: int) -> None:
    columns = numeric_columns(bank.inputs)
    for name, bits in _each_name(bank, columns, cost):
        if bits == choice_bits(len(columns)):
            values = np.array([list(map(_as_float, _entries(bank.inputs, o))) for o in columns])
            there = values[columns.index(name)] > values
            _add(bank, production, name, there)


def _each_name(bank: Bank, columns: list[str], cost: int) -> Iterator[tuple[str, int]]:
    """Yields the columns and the bits left after the code that identifies one of them."""
    bits, rest = divmod(cost, bank.costs.unit)
    left = bits - choice_bits(len(columns))
    if rest == 0 and left >= 0:
        for name in columns:
            yield name, left


def _add(bank: Bank, production: Production, name: str, there: NDArray[np.bool_]) -> None:
    index = column_names(bank.inputs).index(name)
    bank.truths.add(production.name, index, np.arange(len(there)), pack_bits(there))


def parameters(inputs: Inputs, production: str, left: int, right: int) -> tuple[object, ...]:
    """Returns the values of ``{p}`` and ``{q}`` in a production that reads a table."""
    name = column_names(inputs)[left]
    match production:
        case "above":
            return name, thresholds(inputs, name)[right]
        case "category":
            return name, categories(inputs, name)[right]
        case "larger":
            return name, numeric_columns(inputs)[right]
        case _:
            return (name,)


PIECES: dict[str, Grow] = {
    "above": _above,
    "category": _category,
    "missing": _missing,
    "larger": _larger,
}
