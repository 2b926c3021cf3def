"""The folder of one run: its settings, a journal of attempts, results and programs.

settings.json        what shapes the results; another run cannot write into the folder
attempts.jsonl       one line an attempt, appended and flushed the moment it is verified
results.jsonl        one line a grid point, once its search has ended
programs/<task>.py   the selected programs, each a file that needs nothing of this package
"""

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion, ToolCall, Usage
from llm_erm.records import Attempt, Candidate, Run, Verdict

_FAR = 2**30
"""A place in a file; locks of this kind reach no further than 2 GiB."""
Point = tuple[str, int, int]
"""A grid point: task id, length, base seed."""


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
        self._settings_path = folder / "settings.json"
        self._results_path = folder / "results.jsonl"
        self._appending = threading.Lock()
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._journal = (folder / "attempts.jsonl").open("ab", buffering=0)
        try:
            self._lock()
            if fresh:
                self._clear()
            self._check_settings(dict(settings))
            self._attempts = self._read_attempts()
            self.results = self._read_results()
        except BaseException:
            self._journal.close()
            raise

    def attempts(self, point: Point) -> list[Attempt]:
        """Returns the journaled attempts of a grid point, in order."""
        return list(self._attempts.get(point, ()))

    def append(self, point: Point, attempt: Attempt) -> None:
        """Adds an attempt to the journal and hands it to the operating system.

        One with the index of an earlier attempt takes its place.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        function, length, seed = point
        line = {"function": function, "length": length, "seed": seed} | asdict(attempt)
        with self._appending, writing(self.folder):  # searches append from threads of their own
            data = (json.dumps(line) + "\n").encode()
            while data:  # unbuffered: nothing is left behind to fail once more on closing
                data = data[self._journal.write(data) :]
        _put(self._attempts.setdefault(point, []), attempt)

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
                _replace(programs / name, standalone(run))
        self.add_result((run.function, run.length, run.seed), result)

    def add_result(self, point: Point, result: Mapping[str, Any]) -> None:
        """Writes the summary of a grid point, in place of an earlier one.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        self.results[point] = dict(result)
        lines = "".join(json.dumps(line) + "\n" for line in self.results.values())
        with writing(self.folder):
            _replace(self._results_path, lines)

    def close(self) -> None:
        """Closes the journal and lets other processes write to the folder."""
        self._journal.close()

    def _lock(self) -> None:
        try:
            if sys.platform == "win32":
                # Nobody may read a locked byte, so one is locked that no journal reaches.
                self._journal.seek(_FAR)
                msvcrt.locking(self._journal.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise InputError(
                f"Another process is writing to {self.folder}; wait for it or name another folder "
                "with --out-dir."
            ) from None

    def _clear(self) -> None:
        """Deletes an earlier run, and nothing that no run wrote."""
        if self._begun() and not self._settings_path.exists():
            raise InputError(
                f"{self.folder} holds an attempts.jsonl or results.jsonl but no settings.json, so "
                "it is no run to start afresh; name another folder with --out-dir."
            )
        with writing(self.folder):
            self._journal.truncate(0)
            for path in (self._settings_path, self._results_path):
                path.unlink(missing_ok=True)
            for program in (self.folder / "programs").glob("*-L*-seed*.py"):
                program.unlink()

    def _begun(self) -> bool:
        """Whether the folder holds attempts or results."""
        return any(
            path.exists() and path.stat().st_size
            for path in (self.folder / "attempts.jsonl", self._results_path)
        )

    def _check_settings(self, settings: dict[str, Any]) -> None:
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if not self._begun():
            with writing(self.folder):
                _replace(self._settings_path, text)
        elif (earlier := _read(self._settings_path)) != text:
            raise InputError(
                f"{self.folder} holds a run with other settings "
                f"({_difference(earlier, settings)}); name another folder with --out-dir, "
                "or delete that run with --fresh."
            )

    def _read_attempts(self) -> dict[Point, list[Attempt]]:
        """Reads the journal; a last line without its end was cut off by a kill and is removed."""
        path = self.folder / "attempts.jsonl"
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with writing(self.folder):
                self._journal.truncate(whole)
        attempts: dict[Point, list[Attempt]] = {}
        for number, line in _json_lines(path):
            try:
                attempt, place = _attempt(line), attempts.setdefault(_point(line), [])
            except (KeyError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}, is no journaled attempt ({error!r}); mend that line, "
                    "or delete the run with --fresh."
                ) from None
            if attempt.index > len(place) + 1:
                raise InputError(
                    f"{path}, line {number}, is attempt {attempt.index} of {line['function']} and "
                    f"attempt {len(place) + 1} is missing; restore it, or delete the run with "
                    "--fresh."
                )
            _put(place, attempt)
        return attempts

    def _read_results(self) -> dict[Point, dict[str, Any]]:
        try:
            return {_point(line): line for _, line in _json_lines(self._results_path)}
        except KeyError as error:
            raise InputError(
                f"A line of {self._results_path} lacks {error}; delete that file, and the results "
                "are made anew from the journal."
            ) from None


def standalone(run: Run) -> str:
    """Returns the selected program as a file of its own, with what is known of it on top."""
    assert run.selected is not None
    assert run.test is not None
    test = f"{run.test.accuracy:.4f}" if run.test.status == "ok" else f"none ({run.test.status})"
    lines = [
        f"Program for {run.function} at length {run.length}, proposed by {run.model}.",
        f"Validation accuracy {run.selected.validation.accuracy:.4f}, test accuracy {test}.",
    ]
    if run.certificate is not None:
        lines.append(
            f"Error at most {run.certificate.error_upper_bound:.4f} at "
            f"{run.certificate.confidence:.0%} confidence, on inputs drawn like the examples."
        )
    if run.isolation is not None:
        lines.append(f"Isolation of the sandbox that ran it: {run.isolation}.")
    lines.append("Written by a language model: read it before you run it outside a sandbox.")
    source = (run.selected.candidate.source or "").rstrip("\n")
    return "".join(f"# {line}\n" for line in lines) + "\n" + source + "\n"


@contextmanager
def writing(place: Path, flag: str = "--out-dir") -> Iterator[None]:
    """Turns a failure to write into one sentence for the user; ``flag`` names another place."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write to {place}: {error.strerror or error}; free space, mend its "
            f"permissions, or name another place with {flag}."
        ) from error


def _replace(path: Path, text: str) -> None:
    """Writes a whole file or nothing."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    draft.replace(path)


def _put(attempts: list[Attempt], attempt: Attempt) -> None:
    attempts[attempt.index - 1 : attempt.index] = [attempt]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; restore it, or name another folder with "
            "--out-dir."
        ) from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.exists():
        return
    for number, line in enumerate(_read(path).splitlines(), start=1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InputError(
                f"{path}, line {number}, is not one JSON object; mend that line, or delete the run "
                "with --fresh."
            )
        yield number, value


def _point(line: Mapping[str, Any]) -> Point:
    return line["function"], line["length"], line["seed"]


def _attempt(line: Mapping[str, Any]) -> Attempt:
    candidate = line["candidate"]
    completion = dict(candidate["completion"])
    completion["usage"] = Usage(**completion["usage"])
    completion["tool_calls"] = tuple(ToolCall(**call) for call in completion["tool_calls"])
    return Attempt(
        index=line["index"],
        candidate=Candidate(**{**candidate, "completion": Completion(**completion)}),
        train=Verdict(**line["train"]),
        validation=Verdict(**line["validation"]),
        duplicate_of=line["duplicate_of"],
    )


def _difference(earlier: str, settings: Mapping[str, Any]) -> str:
    try:
        before = json.loads(earlier)
        changed = sorted(
            key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key)
        )
    except (ValueError, AttributeError):
        return "settings.json is damaged"
    return "different: " + ", ".join(changed)
