"""The log of a run: one JSON object per line."""

import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_erm.cli.output import note
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt
from llm_erm.runs.events import Attempted, Event, Finished, Isolated
from llm_erm.runs.files import is_special, writing
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.serial import to_plain

LONGEST_LINE = 2**24
"""Bytes of a log that are searched for the end of its last whole line."""


class Log:
    """Logs attempts and results as they arrive, one JSON object per line.

    Attributes:
        isolation: Isolation level of the sandbox; empty until it is open.
    """

    def __init__(self, file: io.FileIO, folder: RunFolder, level: str) -> None:
        """Prepares the log; everything in it has the level INFO.

        Args:
            file: Where to write, without a buffer.
            folder: The run's folder, which holds the model's answers.
            level: Lowest level to log.
        """
        self._file = file
        self._folder = folder
        self._writes = level in ("DEBUG", "INFO")
        self.isolation = ""

    def exported(self) -> None:
        """Logs that the published files were written."""
        self._write("artifacts_written", {})

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Logs an event."""
        if isinstance(event, Isolated):
            self.isolation = event.level
        if job is None:
            return
        match event:
            case Attempted(attempt):
                answer = self._folder.answers(job).get(attempt.index)
                self._write("attempt", _facts(job, attempt, answer))
            case Finished(result):
                self._write("search_finished", to_plain(result))

    def _write(self, message: str, facts: Mapping[str, Any]) -> None:
        """Adds a line; if that fails, prints a notice and goes quiet."""
        if not self._writes:
            return
        line = {"level": "INFO", "ts": int(time.time() * 1000), "msg": message, **facts}
        try:
            self._file.write(json.dumps(line, default=str).encode() + b"\n")
        except OSError as error:
            self._writes = False
            note(f"Cannot write the log {self._file.name} any further: {error.strerror}.")


def _facts(job: JobKey, attempt: Attempt, answer: Completion | None) -> dict[str, Any]:
    facts = {
        "fn": job.function,
        "length": job.length,
        "trial": job.trial,
        "attempt": attempt.index,
        "status": attempt.validation.status,
        "val_acc": attempt.validation.accuracy,
        "perfect": attempt.validation.perfect,
        "error": attempt.candidate.reason,
    }
    if answer is None:  # deleted since
        return facts
    return facts | {
        "duration_ms": round(answer.latency_seconds * 1000),
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "reasoning_tokens": answer.usage.reasoning_tokens,
    }


@contextmanager
def open_log(folder: RunFolder, path: Path | None, level: str) -> Iterator[Log]:
    """Yields the log of a run, which goes on after that of its earlier parts.

    Args:
        folder: The run's folder.
        path: The log file (default: ``log.jsonl`` in the folder).
        level: Lowest level to log, such as ``INFO``.

    Raises:
        InputError: The file cannot be written.
    """
    path = path or folder.path / "log.jsonl"
    with writing(path, "log_file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not is_special(path) and path.exists():
            _end_last_line(path)
        file = path.open("ab", buffering=0)
    with file:
        yield Log(file, folder, level)


def _end_last_line(path: Path) -> None:
    """Removes a half-written line at the end of a log, so that the next entry starts a new line.

    The file may be another one of the user's, whose last line is ended instead.
    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(start := max(end - LONGEST_LINE, 0))
        tail = file.read()
        begun = tail.rfind(b"\n") + 1
        line = tail[begun:]
        if line.startswith(b"{") and not _is_json(line):
            file.truncate(start + begun)
        elif line:
            file.write(b"\n")


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
