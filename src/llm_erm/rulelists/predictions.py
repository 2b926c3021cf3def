"""Writes a table again with what a rule says of each row, in bounded memory."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.evidence import Learned
from llm_erm.runs.files import safe_cell
from llm_erm.tables.cells import MISSING, stripped
from llm_erm.tables.notices import quoted
from llm_erm.tables.streaming import Batch, stream

_MOST_WORDS = 100
"""Labels that are no classes are counted one by one up to so many different ones."""
_MAY_BE_FORMULA = re.compile(r"[\s'=+\-@＝＋－＠]")
"""First characters of texts that ``safe_cell`` may change."""
_NUMBER = re.compile(r"[+-](?:[0-9.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?)?")
"""What begins like a formula and is none: a number, or a sign alone."""
_JSON_VALUE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


class Predictions:
    """The rows of a table as they are in their source, each with its class and a line of the rule.

    Delimited text keeps its delimiter, JSON Lines remain JSON Lines, and all else becomes CSV. In
    cells that a spreadsheet would take for formulas, an apostrophe comes first; numbers stay.

    Attributes:
        names: The two columns that are added: the class, and the number of the line that gave it.
        rows: Number of rows so far.
        labelled: How many of these have a label.
        wrong: How many of these have another label than the rule gives.
    """

    def __init__(self, learned: Learned, source: Any) -> None:  # noqa: ANN401 - as ``stream`` takes
        """Opens the table.

        Raises:
            InputError: It cannot be read, or lacks a column that the rule needs.
        """
        self.rows = self.labelled = self.wrong = 0
        self._rule = learned.rule
        self._target = learned.schema.target
        self._classes = frozenset(learned.schema.classes)
        self._stream = stream(source, learned.schema, needed=learned.rule.columns)
        first = _unused(f"{self._target}_predicted", self._stream.names)
        self.names = (first, _unused(f"{self._target}_line", (*self._stream.names, first)))
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
            if delimited:
                rows = zip(batch.rows, given, lines, strict=True)
                yield self._delimited([[*row, label, str(line + 1)] for row, label, line in rows])
            else:
                yield self._json_lines(batch, given, lines)

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
                safe = tuple(cell if _NUMBER.fullmatch(cell) else safe_cell(cell) for cell in cells)
                differing = sum(map(str.__ne__, cells, safe))
                self._formulas += differing
                changed |= differing > 0
                columns[place] = safe
        return list(zip(*columns, strict=True)) if changed else rows

    def _json_lines(self, batch: Batch, given: Sequence[str], lines: Sequence[int]) -> str:
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
            for name in dict.fromkeys(given)
        }
        return "".join(
            _with_members(str(row), f"{keys[0]}: {values[label]}, {keys[1]}: {line + 1}") + "\n"
            for row, label, line in zip(batch.rows, given, lines, strict=True)
        )


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
