"""Writes a table again with what a rule says of each row, in bounded memory."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.undetermined import in_question, votes
from llm_erm.runs.files import safe_cell
from llm_erm.tables.cells import MISSING, stripped
from llm_erm.tables.notices import quoted
from llm_erm.tables.streaming import Batch, stream

_MOST_WORDS = 100
"""Labels that are not classes are counted one by one up to so many different ones."""
_MAY_BE_FORMULA = re.compile(r"[\s'=+\-@＝＋－＠]")
"""First characters of texts that ``safe_cell`` may change."""
_NUMBER = re.compile(r"[+-](?:[0-9.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?)?")
"""What begins like a formula and is none: a number, or a sign alone."""
_JSON_VALUE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


class Predictions:
    """The rows of a table as they are in their source, each with its class and a line of the rule.

    If asked to, it also says which other classes rules that are as good give to a row.

    Delimited text keeps its delimiter, but not the spaces that follow one outside quotation marks;
    JSON Lines remain JSON Lines, and all else becomes CSV. In cells that a spreadsheet would take
    for formulas, an apostrophe comes first; numbers stay.

    Attributes:
        names: The columns that are added: the class, the number of the line that gave it, and, if
            asked for, the other classes.
        rows: Number of rows so far.
        undetermined: How many of these have other classes; none if not asked for.
        labelled: How many of these have a label.
        wrong: How many of these have another label than the rule gives.
    """

    def __init__(
        self,
        learned: Learned,
        source: Any,  # noqa: ANN401 - as ``stream`` takes
        *,
        mark_undetermined: bool = False,
    ) -> None:
        """Opens the table.

        Raises:
            InputError: It cannot be read, or lacks a column that the rule needs, or a rule that is
                as good if these are asked for.
        """
        self.rows = self.labelled = self.wrong = self.undetermined = 0
        self._in_question = in_question(learned) if mark_undetermined else None
        self._rule = learned.rule
        self._target = learned.schema.target
        self._classes = frozenset(learned.schema.classes)
        rules = self._in_question or (self._rule,)
        needed = {name for rule in rules for name in rule.columns}
        self._stream = stream(source, learned.schema, needed=needed)
        added = ["predicted", "line"] + (["undetermined"] if mark_undetermined else [])
        self.names: tuple[str, ...] = ()
        for what in added:
            name = _unused(f"{self._target}_{what}", (*self._stream.names, *self.names))
            self.names = (*self.names, name)
        self._formulas = 0
        self._other_labels: Counter[str] = Counter()

    def texts(self) -> Iterator[str]:
        """Yields the file in parts, each of whole lines; the names of the columns come first.

        Raises:
            InputError: The table cannot be read further.
        """
        delimited = self._stream.form != "jsonl"
        if delimited:
            yield self._delimited([[*self._stream.names, *self.names]])
        labels = [line.label for line in self._rule.lines] + [self._rule.otherwise]
        classes = [self._rule.classes[label] for label in labels]
        for batch in self._stream:
            lines = self._rule.lines_of(batch.table).tolist()
            given = [classes[line] for line in lines]
            self._check(batch, given)
            others = self._others(batch, given)
            if delimited:
                told = [[label, str(line + 1)] for label, line in zip(given, lines, strict=True)]
                if others is not None:
                    for cells, names in zip(told, others, strict=True):
                        cells.append("; ".join(names))
                rows = zip(batch.rows, told, strict=True)
                yield self._delimited([[*row, *cells] for row, cells in rows])
            else:
                yield self._json_lines(batch, given, lines, others)

    def notices(self) -> tuple[str, ...]:
        """Returns what the user should know of the rows so far, a sentence each."""
        notices = list(self._stream.notices())
        if self._formulas:
            notices.append(
                f"{counted(self._formulas, 'cell')} that a spreadsheet would take for "
                f"{'a formula' if self._formulas == 1 else 'formulas'} now "
                f"{'begins' if self._formulas == 1 else 'begin'} with an apostrophe."
            )
        if self._other_labels:
            notices.append(
                f"{counted(self._other_labels.total(), 'label')} that the rule's data did not have "
                f"({quoted(self._other_labels)}) "
                f"{'counts' if self._other_labels.total() == 1 else 'count'} as wrong."
            )
        return tuple(notices)

    def close(self) -> None:
        """Closes the table."""
        self._stream.close()

    def _check(self, batch: Batch, given: Sequence[str]) -> None:
        """Counts the rows, those with a label, and those that the rule gets wrong."""
        self.rows += len(given)
        labels = batch.texts(self._target)
        if labels is None:
            return
        for label, own in zip(stripped(labels), given, strict=True):
            if label in MISSING:
                continue
            self.labelled += 1
            self.wrong += label != own
            if label not in self._classes:
                known = label in self._other_labels or len(self._other_labels) < _MOST_WORDS
                self._other_labels[label if known else "..."] += 1

    def _others(self, batch: Batch, given: Sequence[str]) -> list[list[str]] | None:
        """Returns the classes that other rules give to each row; None if not asked for."""
        if self._in_question is None:
            return None
        possible = votes(self._in_question, batch.table, len(self._rule.classes)) > 0
        others: list[list[str]] = [[] for _ in given]
        for row in np.flatnonzero(possible.sum(axis=1) > 1).tolist():
            names = [self._rule.classes[label] for label in np.flatnonzero(possible[row])]
            others[row] = [name for name in names if name != given[row]]
            self.undetermined += 1
        return others

    def _delimited(self, rows: Sequence[Sequence[str]]) -> str:
        rows = self._without_formulas(rows)
        text = _written(rows, self._stream.delimiter or ",", csv.QUOTE_MINIMAL)
        if "\r" in text:  # which ends a line, but by itself gets no quotation marks
            text = _written(rows, self._stream.delimiter or ",", csv.QUOTE_ALL)
        return text

    def _without_formulas(self, rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        columns = list(zip(*rows, strict=True))
        changed = False
        for place, cells in enumerate(columns):
            firsts = {cell[:1] for cell in cells}
            if any(map(_MAY_BE_FORMULA.match, firsts)):
                safe = tuple(map(without_formula, cells))
                differing = sum(map(str.__ne__, cells, safe))
                self._formulas += differing
                changed |= differing > 0
                columns[place] = safe
        return list(zip(*columns, strict=True)) if changed else rows

    def _json_lines(
        self,
        batch: Batch,
        given: Sequence[str],
        lines: Sequence[int],
        others: list[list[str]] | None,
    ) -> str:
        for name in self.names:
            if batch.texts(name) is not None:  # not among the first rows, or it would be unused
                raise InputError(
                    f"An object after row {batch.row_numbers[0]:,} has the key {name!r}, which "
                    "is to be added to each; rename it."
                )
        keys = [json.dumps(name, ensure_ascii=False) for name in self.names]
        bare = all(map(_JSON_VALUE.fullmatch, self._classes))
        values = {
            name: name if bare else json.dumps(name, ensure_ascii=False)
            for name in self._rule.classes
        }
        members = [
            f"{keys[0]}: {values[label]}, {keys[1]}: {line + 1}"
            for label, line in zip(given, lines, strict=True)
        ]
        if others is not None:
            lists = (f"[{', '.join(values[name] for name in names)}]" for names in others)
            members = [
                f"{told}, {keys[2]}: {names}" for told, names in zip(members, lists, strict=True)
            ]
        rows = zip(batch.rows, members, strict=True)
        return "".join(_with_members(str(row), told) + "\n" for row, told in rows)


def without_formula(cell: str) -> str:
    """Returns a cell that no spreadsheet takes for a formula: a number stays as it is."""
    return cell if _NUMBER.fullmatch(cell) else str(safe_cell(cell))


def _written(rows: Sequence[Sequence[str]], delimiter: str, quoting: Literal[0, 1]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
    return text.getvalue()


def _unused(name: str, names: Collection[str]) -> str:
    """Returns a name for a new column, numbered if there is one of that name."""
    copy, unused = 1, name
    while unused in names:
        copy += 1
        unused = f"{name} ({copy})"
    return unused


def _with_members(row: str, members: str) -> str:
    """Returns a line of JSON Lines with more members in its object; the rest stays as written."""
    text = row.strip()
    end = _DECODER.raw_decode(text)[1] if "->" in text else len(text)
    begun = text[: end - 1].rstrip()
    return f"{begun}{'' if begun.endswith('{') else ', '}{members}}}{text[end:]}"
