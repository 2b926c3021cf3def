"""Labels of rows that were asked for: put into the table, apart from those that it has."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tables.cells import MISSING, stripped
from llm_erm.tables.chunks import Chunk, as_texts
from llm_erm.tables.kinds import in_order
from llm_erm.tables.notices import names, short


@dataclass(frozen=True)
class Answers:
    """Labels that were asked for.

    Attributes:
        place: What messages call them.
        rows: By the number of a row in the source, counted from 1: its cells by column, with the
            answer as its label.
    """

    place: str
    rows: Mapping[int, Mapping[str, str]]

    def put_into(self, chunk: Chunk, target: str, source: str) -> tuple[Chunk, NDArray[np.bool_]]:
        """Returns rows with the labels that were asked for, and for which rows none was.

        Raises:
            InputError: A row is not the one that was asked about, or has another label by now.
        """
        asked = np.isin(chunk.row_numbers, list(self.rows))
        if not asked.any():
            return chunk, ~asked
        texts = {name: list(as_texts(cells)) for name, cells in chunk.columns.items()}
        labels = texts.setdefault(target, [""] * len(chunk))
        for place in np.flatnonzero(asked).tolist():
            number = int(chunk.row_numbers[place])
            answer = self.rows[number]
            for name, cell in answer.items():
                own = texts[name][place] if name in texts else ""
                (known,) = stripped([own])
                if name == target and known in MISSING:
                    continue
                if known != stripped([cell])[0]:
                    raise InputError(
                        f"Row {number:,} of {source} has {short(own)!r} in {short(name)!r}, but in "
                        f"{self.place} it has {short(cell)!r}; restore the table that was asked "
                        "about, or name another file of answers.",
                        setting="answered",
                    )
            labels[place] = answer[target]
        return replace(chunk, columns={**chunk.columns, target: labels}), ~asked

    def check(self, source: str, n_rows: int, target: str, classes: Collection[str]) -> None:
        """Checks the answers against all rows of the source.

        Raises:
            InputError: There is one for a row that the source does not have, or one that is none of
                the classes.
        """
        if beyond := [number for number in self.rows if not 1 <= number <= n_rows]:
            raise InputError(
                f"{self.place} has an answer for row {beyond[0]:,}, but {source} has "
                f"{counted(n_rows, 'row')}; restore the table that was asked about, or name "
                "another file of answers.",
                setting="answered",
            )
        for number, cells in self.rows.items():
            (answer,) = stripped([cells[target]])
            if answer not in classes:
                raise InputError(
                    f"In {self.place}, row {number:,} has {short(cells[target])!r} in "
                    f"{short(target)!r}, which is none of the classes of {source}: "
                    f"{names(in_order(classes))}; correct the answer, or leave out its row.",
                    setting="answered",
                )


NO_ANSWERS = Answers("", {})
