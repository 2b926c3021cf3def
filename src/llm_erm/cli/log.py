"""The log of a run: one JSON object a line."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_erm.cli.output import note
from llm_erm.journal import writing


class _JsonLines(logging.Formatter):
    """An event's name, level, time in milliseconds, and the ``facts`` passed as extra."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "level": record.levelname,
            "ts": int(record.created * 1000),
            "msg": record.getMessage(),
        }
        return json.dumps(event | getattr(record, "facts", {}), default=str)


class _File(logging.Handler):
    """Appends unbuffered; a line that cannot be written is one notice, never a failed run."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__()
        self.setFormatter(_JsonLines())
        self._file = file
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._failed:
            return
        try:
            self._file.write(self.format(record).encode() + b"\n")
        except OSError as error:
            self._failed = True
            note(f"The log {self._file.name} ends here: {error.strerror}.")


@contextmanager
def open_log(path: Path, level: str) -> Iterator[logging.Logger]:
    """Yields a logger that writes ``path`` anew.

    Raises:
        InputError: The file cannot be written.
    """
    with writing(path, "--log-file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
    with file:
        log = logging.Logger("llm_erm", level)
        log.addHandler(_File(file))
        yield log
