"""The folder of one run: its settings, a journal of attempts, results and programs.

settings.json        what shapes the results; another run cannot write into the folder
answers.jsonl        one line an answer of the model, the moment it arrives
attempts.jsonl       one line an attempt, the moment it is verified
results.jsonl        one line a grid point, once its search has ended
programs/<task>.py   the selected programs, each a file that needs nothing of this package
"""

import json
import math
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from llm_erm.errors import InputError
from llm_erm.journal import RunFolder, lines_of, naming, read, replace, writing
from llm_erm.llms.llm import Completion, ToolCall, Usage
from llm_erm.records import Attempt, Candidate, Run, Verdict

FILES = ("attempts", "answers", "results")
PROGRAMS = "programs/*-L*-seed*.py"


class Point(NamedTuple):
    """A grid point: task id, length, base seed of the data, and which trial that is.

    Where one command runs several learners, also the name of the learner.
    """

    function: str
    length: int
    seed: int
    trial: int = 1
    learner: str | None = None


class Store:
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
        self._run = RunFolder(folder, settings, FILES, fresh=fresh, made=(PROGRAMS,))
        self._attempts: dict[Point, list[Attempt]] = {}
        self._answers: dict[Point, dict[int, Completion]] = {}
        self._given_up: list[Completion] = []
        self.results: dict[Point, dict[str, Any]] = {}
        self._adding = threading.Lock()
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def attempts(self, point: Point) -> list[Attempt]:
        """Returns the journaled attempts of a grid point, in order."""
        return list(self._attempts.get(point, ()))

    def answers(self, point: Point) -> list[Completion]:
        """Returns the answers that no attempt was made of yet, in the order in which they came."""
        there = {attempt.index for attempt in self._attempts.get(point, ())}
        return [one for one in self._answers.get(point, {}).values() if one.index not in there]

    def completions(self) -> list[Completion]:
        """Returns all that calls came to: every answer, used or not, and every call given up."""
        points = self._attempts.keys() | self._answers.keys()
        return [
            *(one.candidate.completion for made in self._attempts.values() for one in made),
            *(one for point in points for one in self.answers(point)),
            *self._given_up,
        ]

    def given_up(self) -> int:
        """Returns how many calls were given up in flight."""
        return len(self._given_up)

    def append(self, point: Point, news: Attempt | Completion) -> None:
        """Adds an attempt or an answer to the journal and hands it to the operating system.

        An attempt with the index of an earlier one takes its place.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        place = {key: value for key, value in point._asdict().items() if value is not None}
        line = place | {"settings_sha256": self._run.digest} | asdict(news)
        if isinstance(news, Completion):
            self._run.journals["answers"].append(line)
            self._keep(point, news)
        else:
            self._run.journals["attempts"].append(line)
            _put(self._attempts.setdefault(point, []), news)

    def finish(self, run: Run, result: Mapping[str, Any]) -> None:
        """Writes the summary of a grid point and its selected program.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        if run.selected is not None:
            with writing(self.folder):
                programs = self.folder / "programs"
                programs.mkdir(exist_ok=True)
                name = f"{run.function}-L{run.length}-seed{run.seed}.py"
                replace(programs / name, standalone(run))
        self.add_result(Point(run.function, run.length, run.seed, run.trial), result)

    def add_result(self, point: Point, result: Mapping[str, Any]) -> None:
        """Writes the summary of a grid point, in place of an earlier one; from any thread.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        with self._adding:
            known, self.results[point] = point in self.results, dict(result)
            if known:
                self._run.rewrite("results", list(self.results.values()))
            else:
                self._run.journals["results"].append(result)

    def close(self) -> None:
        """Closes the journal and lets other processes write to the folder."""
        self._run.close()

    def _keep(self, point: Point, completion: Completion) -> None:
        """A sample that was given up may be asked for again; both calls may be billed."""
        if completion.finish_reason == "cancelled":
            self._given_up.append(completion)
        else:
            self._answers.setdefault(point, {})[completion.index] = completion

    def _read(self) -> None:
        for point, completion in _answers_in(self.folder):
            self._keep(point, completion)
        path = self._run.journals["attempts"].path
        for number, line in lines_of(path):
            with naming(path, number):
                _put(self._attempts.setdefault(_point(line), []), _attempt(line))
        path = self._run.journals["results"].path
        for number, line in lines_of(path):
            with naming(path, number):
                self.results[_point(line)] = line


def _answers_in(folder: Path) -> Iterator[tuple[Point, Completion]]:
    path = folder / "answers.jsonl"
    for number, line in lines_of(path):
        with naming(path, number):
            found = _point(line), _completion(line)
        yield found


def read_answers(folder: Path) -> tuple[dict[str, Any], dict[Point, list[Completion]]]:
    """Returns the settings of a run and its model's answers, in the order in which they came.

    Raises:
        InputError: The folder holds no run, or a journal that is none.
    """
    try:
        settings = json.loads(read(folder / "settings.json", "--from"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise InputError(f"{folder}/settings.json is damaged; name another run.")
    answers: dict[Point, dict[int, Completion]] = {}
    for point, completion in _answers_in(folder):
        if completion.finish_reason != "cancelled":
            answers.setdefault(point, {})[completion.index] = completion
    if not answers:
        raise InputError(f"{folder}/answers.jsonl holds no answers; name another run.")
    return settings, {point: list(there.values()) for point, there in answers.items()}


def standalone(run: Run) -> str:
    """Returns the selected program as a file of its own, with what is known of it on top."""
    assert run.selected is not None
    assert run.test is not None
    test = f"{run.test.accuracy:.4f}" if run.test.status == "ok" else f"none ({run.test.status})"
    lines = [
        f"Program for {run.function} at length {run.length}, found by {run.method} ({run.model}).",
        f"Validation accuracy {run.selected.validation.accuracy:.4f}, test accuracy {test}.",
    ]
    if run.certificate is not None and (bound := run.certificate.validation) is not None:
        lines.append(
            f"Error at most {math.ceil(bound.error_upper_bound * 1e4) / 1e4} at "
            f"{run.certificate.confidence:.0%} confidence, if {bound.assumes}."
        )
    if run.isolation is not None:
        lines.append(f"Isolation of the sandbox that ran it: {run.isolation}.")
    if run.method == "synthesis":
        lines.append("Written by a language model: read it before you run it outside a sandbox.")
    source = (run.selected.candidate.source or "").rstrip("\n")
    return "".join(f"# {line}\n" for line in lines) + "\n" + source + "\n"


def _put(attempts: list[Attempt], attempt: Attempt) -> None:
    """Puts an attempt in its place, that of an earlier one with its index included."""
    place = bisect_left(attempts, attempt.index, key=attrgetter("index"))
    same = place < len(attempts) and attempts[place].index == attempt.index
    attempts[place : place + same] = [attempt]


def _point(line: Mapping[str, Any]) -> Point:
    place = line["function"], line["length"], line["seed"]
    return Point(*place, line.get("trial", 1), line.get("learner"))


def _attempt(line: Mapping[str, Any]) -> Attempt:
    candidate = line["candidate"]
    completion = _completion(candidate["completion"])
    return Attempt(
        index=line["index"],
        candidate=Candidate(**{**candidate, "completion": completion}),
        train=Verdict(**line["train"]),
        validation=Verdict(**line["validation"]),
        duplicate_of=line["duplicate_of"],
    )


def _completion(line: Mapping[str, Any]) -> Completion:
    fields = {name: line[name] for name in Completion.__dataclass_fields__}
    usage = Usage(**fields["usage"])
    tool_calls = tuple(ToolCall(**call) for call in fields["tool_calls"])
    return Completion(**{**fields, "usage": usage, "tool_calls": tool_calls})
