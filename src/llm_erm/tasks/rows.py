"""The tasks fn_m to fn_q of the published successor, whose inputs are rows of public tables.

Names, units and categories are hidden, so that a model cannot recall the table. Each input lists
the columns in order, as in ``x0:-3.14,x1:c07``. Numbers go through a random affine map, another for
each column and data set, and have two decimals. Categories become c0, c1, … in the order of their
names, padded to one width. No rule is known, and a row has a fixed number of columns, which is its
length.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks import uci
from llm_erm.tasks.archives import RawColumn, RawTable, read_table
from llm_erm.tasks.task import PublishedDraw, Release, Task
from llm_erm.tasks.uci import Source

MAP_DECIMALS = 9
"""Decimals of the affine maps' coefficients: the last digits of a normal variate come from the
system's logarithm, which may be another elsewhere."""


def blind(table: RawTable, numeric: frozenset[int], rng: RandomState) -> list[str]:
    """Returns the rows of a table in the blind form.

    Args:
        table: The table.
        numeric: Positions of the columns that hold numbers.
        rng: Draws the affine maps.
    """
    factors = rng.standard_normal(len(numeric)).round(MAP_DECIMALS).tolist()
    shifts = rng.standard_normal(len(numeric)).round(MAP_DECIMALS).tolist()
    maps = dict(zip(sorted(numeric), zip(factors, shifts, strict=True), strict=True))
    columns = []
    for index, column in enumerate(table.columns):
        words = _numbers(column, *maps[index]) if index in maps else _categories(column)
        columns.append(np.array([f"x{index}:{word}" for word in words], dtype=object)[column.codes])
    return [",".join(row) for row in zip(*columns, strict=True)]


def _numbers(column: RawColumn, factor: float, shift: float) -> list[str]:
    words = [f"{float(value) * factor + shift:.2f}" for value in column.values]
    return ["0.00" if word == "-0.00" else word for word in words]


def _categories(column: RawColumn) -> list[str]:
    width = len(str(len(column.values) - 1))
    return [f"c{place:0{width}d}" for place in range(len(column.values))]


@dataclass(frozen=True)
class _Rows:
    """Draws the rows of a table, in either way."""

    id: str
    source: Source
    folder: Path | None

    def draw(
        self, rng: RandomState, length: int, counts: tuple[int, int], *, distinct: bool = True
    ) -> tuple[list[str], list[str]]:
        """Returns rows of each class without replacement.

        Args:
            rng: Draws the affine maps and the rows.
            length: The number of columns.
            counts: How many rows of label 0 and of label 1.
            distinct: Whether rows that are equal in the blind form count as one. Their label is
                that of one of them, drawn at random, so that an input has one label.

        Raises:
            InputError: The table cannot be read, or a class has fewer rows.
        """
        table = read_table(self.source, self.folder)
        inputs = blind(table, self.source.numeric, rng)
        order = rng.permutation(len(inputs)).tolist()
        labels = table.labels.tolist()
        pools: tuple[list[str], list[str]] = ([], [])
        if distinct:
            kept: dict[str, int] = {}
            for row in order:
                kept.setdefault(inputs[row], labels[row])
            for x, label in kept.items():
                pools[label].append(x)
        else:
            for row in order:
                pools[labels[row]].append(inputs[row])
        for label, (pool, count) in enumerate(zip(pools, counts, strict=True)):
            if count > len(pool):
                what = "distinct row" if distinct else "row"
                raise InputError(
                    f"{self.source.title} has {counted(len(pool), what)} of label {label}, but "
                    f"all splits of {self.id} together ask for {count:,}; ask for smaller splits."
                )
        # In order of their first appearance, rows that occur often would come too early.
        return (
            [pools[0][i] for i in rng.permutation(len(pools[0]))[: counts[0]].tolist()],
            [pools[1][i] for i in rng.permutation(len(pools[1]))[: counts[1]].tolist()],
        )

    def published(self, release: Release, length: int) -> PublishedDraw | None:
        """Returns how the successor's release draws rows, which may be equal."""
        draw = partial(self.draw, distinct=False)
        return PublishedDraw(draw, repeats=True) if release == "pv" else None


def _task(id: str, name: str, computes: str, source: Source) -> Task:
    columns = len(source.columns)

    def why_not(length: int) -> str | None:
        return (
            None
            if length == columns
            else f"its rows have {columns} columns, and that is their length"
        )

    rows = _Rows(id, source, None)
    return Task(
        id=id,
        name=name,
        kind="row",
        computes=computes,
        lengths=(columns,),
        why_not=why_not,
        label=None,
        draw=rows.draw,
        published=rows.published,
        uniform=True,
    )


_SOURCES = {
    "fn_m": uci.ADULT,
    "fn_n": uci.MUSHROOM,
    "fn_o": uci.DIABETES,
    "fn_p": uci.HTRU2,
    "fn_q": uci.CHESS,
}
_TASKS = (
    _task("fn_m", "adult_income", "a person earns more than $50,000 a year", uci.ADULT),
    _task("fn_n", "mushroom", "a mushroom is edible", uci.MUSHROOM),
    _task("fn_o", "cdc_diabetes", "a person has diabetes", uci.DIABETES),
    _task("fn_p", "htru2", "a signal comes from a pulsar", uci.HTRU2),
    _task("fn_q", "chess", "white wins", uci.CHESS),
)

TABLES: dict[str, Task] = {task.id: task for task in _TASKS}
"""The tasks by id; as they are here, they fetch their tables."""


def from_folder(task: Task, folder: Path | None) -> Task:
    """Returns a task that reads its table from a folder; other tasks as they are."""
    if folder is None or task.id not in TABLES:
        return task
    rows = _Rows(task.id, _SOURCES[task.id], folder)
    return replace(task, draw=rows.draw, published=rows.published)


def column_names(function: str) -> tuple[str, ...]:
    """Returns the names of a table's columns, in order; none if the task has no table."""
    source = _SOURCES.get(function)
    return () if source is None else source.columns
