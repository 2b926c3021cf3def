"""Reads what a journal gains while another process writes it, and nothing twice."""

import errno
from collections.abc import Iterator
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import is_special

MARK_BYTES = 64
"""So many bytes before the place that was read to tell whether the file is still the same."""


class RewrittenError(Exception):
    """A journal no longer begins with what was read of it."""


class Tail:
    """The part of a growing file that was not read yet."""

    def __init__(self, path: Path) -> None:
        """Prepares to read from the beginning; the file need not exist yet."""
        self.path = path
        self._place = 0
        self._mark = b""

    def lines(self) -> Iterator[bytes]:
        """Yields the whole lines that were added since, without their ends.

        Half a line at the end is left for the next time.

        Raises:
            RewrittenError: The file was written anew, or deleted.
            InputError: It cannot be read.
        """
        try:
            if is_special(self.path):  # reading a pipe would wait for a writer
                raise OSError(errno.EINVAL, "not a file")
            with self.path.open("rb") as file:
                file.seek(self._place - len(self._mark))
                if file.read(len(self._mark)) != self._mark:
                    raise RewrittenError
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._place += len(line)
                    self._mark = (self._mark + line)[-MARK_BYTES:]
                    yield line[:-1]
        except FileNotFoundError:
            if self._place:
                raise RewrittenError from None
        except OSError as error:
            raise InputError(
                f"Cannot read {self.path}: {error.strerror}; restore it, or name another folder."
            ) from error
