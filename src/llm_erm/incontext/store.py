"""The folder of an in-context run, from which an interrupted one goes on.

settings.json    what shapes the results; another run cannot write into the folder
queries.jsonl    one line a query, the moment it is answered
results.jsonl    one line a task, length, trial and number of shots, once all its queries are
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from llm_erm.incontext.engine import Answer
from llm_erm.incontext.learn import Query, Questions
from llm_erm.journal import RunFolder, lines_of, naming
from llm_erm.llms.llm import Completion, Usage

FILES = ("queries", "results")


class _Place(NamedTuple):
    function: str
    length: int
    seed: int
    trial: int
    shots: int


class QueryStore:
    """Writes one run's folder and reads back what an interrupted run left there."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Opens ``folder``, making it if need be.

        Args:
            folder: Where everything of this run goes.
            settings: What shapes the results; JSON values only.
            fresh: Whether to delete what an earlier run left there.

        Raises:
            InputError: The folder cannot be written, holds a run with other settings or a journal
                that is no journal, or another process is writing there.
        """
        self.folder = folder
        self._run = RunFolder(folder, settings, FILES, fresh=fresh)
        self._queries: dict[_Place, dict[int, Query]] = {}
        self._results: dict[_Place, dict[str, Any]] = {}
        try:
            path = self._run.journals["queries"].path
            for number, place, line in _lines(path):
                with naming(path, number):
                    query = _query(line)
                self._queries.setdefault(place, {})[query.index] = query
            for _, place, line in _lines(self._run.journals["results"].path):
                self._results[place] = line
        except BaseException:
            self.close()
            raise

    def queries(self, questions: Questions) -> list[Query]:
        """Returns the answered queries, in order."""
        answered = self._queries.get(_place(questions), {})
        return [answered[index] for index in sorted(answered)]

    def append(self, questions: Questions, query: Query) -> None:
        """Adds a query to the journal and hands it to the operating system.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        place = _place(questions)
        self._run.journals["queries"].append(place._asdict() | asdict(query))
        self._queries.setdefault(place, {})[query.index] = query

    def result(self, questions: Questions) -> dict[str, Any] | None:
        """Returns the result of an earlier part of this run, where there is one."""
        return self._results.get(_place(questions))

    def finish(self, questions: Questions, result: dict[str, Any]) -> None:
        """Adds a result.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        place = _place(questions)
        self._run.journals["results"].append(place._asdict() | result)
        self._results[place] = place._asdict() | result

    def close(self) -> None:
        """Closes the journals and lets other processes write to the folder."""
        self._run.close()


def _place(questions: Questions) -> _Place:
    splits = questions.splits
    return _Place(splits.fn, splits.length, splits.seed, splits.trial, questions.shots)


def _lines(path: Path) -> Iterator[tuple[int, _Place, dict[str, Any]]]:
    for number, line in lines_of(path):
        with naming(path, number):
            place = _Place(**{key: line[key] for key in _Place._fields})
        yield number, place, line


def _query(line: Mapping[str, Any]) -> Query:
    answer = line["answer"]
    said = answer["completion"]
    completion = Completion(**{**said, "usage": Usage(**said["usage"]), "tool_calls": ()})
    return Query(
        index=line["index"],
        input=line["input"],
        label=line["label"],
        prompt=line["prompt"],
        answer=Answer(completion, answer["probability"], answer["computed_tokens"]),
        prediction=line["prediction"],
    )
