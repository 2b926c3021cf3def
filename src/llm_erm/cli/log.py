"""The log of a run: one JSON object a line."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_erm.store import writing


class _JsonLines(logging.Formatter):
    """An event's name, level, time in milliseconds, and the ``facts`` passed as extra."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "level": record.levelname,
            "ts": int(record.created * 1000),
            "msg": record.getMessage(),
        }
        return json.dumps(event | getattr(record, "facts", {}), default=str)


@contextmanager
def open_log(path: Path, level: str) -> Iterator[logging.Logger]:
    """Yields a logger that writes ``path`` anew.

    Raises:
        InputError: The file cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(_JsonLines())
    log = logging.Logger("llm_erm", level)
    log.addHandler(handler)
    try:
        yield log
    finally:
        handler.close()
