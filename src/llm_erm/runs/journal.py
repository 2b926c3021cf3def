"""JSON-lines files that survive a kill: a line reaches the system before work continues."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from llm_erm.errors import InputError
from llm_erm.runs.files import read, writing
from llm_erm.serial import RecordError, from_json, to_json

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

Record = TypeVar("Record")

FAR = 2**30
"""An offset that no journal reaches; Windows cannot lock beyond 2 GiB."""


class Journal:
    """A file that grows by one record per line.

    A kill may leave an incomplete last line; ``repair`` removes it.
    """

    def __init__(self, path: Path, setting: str = "out_dir") -> None:
        """Opens the file, creating it if necessary; ``setting`` is the one that names its place.

        Raises:
            InputError: The file cannot be written.
        """
        self.path = path
        self._appending = threading.Lock()
        with writing(path.parent, setting):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab", buffering=0)

    def lock(self) -> bool:
        """Locks the file for this process until it is closed; returns whether that worked."""
        try:
            if sys.platform == "win32":  # no other process can read a locked part there
                self.file.seek(FAR)
                msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def repair(self) -> None:
        """Removes an incomplete last line.

        Raises:
            InputError: The file cannot be written.
        """
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with writing(self.path.parent):
                self.file.truncate(whole)

    def append(self, record: object) -> None:
        """Adds a whole line or nothing; may be called from several threads.

        Raises:
            InputError: The disk is full or the folder was deleted.
        """
        data = (to_json(record) + "\n").encode()
        with self._appending, writing(self.path.parent):
            end = os.fstat(self.file.fileno()).st_size
            try:
                while data:  # unbuffered, so that closing the file cannot fail again
                    data = data[self.file.write(data) :]
            except OSError:  # a later line may fit, and must not follow half of this one
                with suppress(OSError):
                    self.file.truncate(end)
                raise

    def clear(self) -> None:
        """Deletes all lines."""
        self.file.truncate(0)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


def records_in(path: Path, kind: type[Record], setting: str | None = None) -> Iterator[Record]:
    """Yields the records in the complete lines of a file; nothing if there is no file.

    ``setting`` is the one that deletes the run, if there is one.

    Raises:
        InputError: The file cannot be read, or a line does not hold such a record.
    """
    if not path.exists():
        return
    whole, _, _ = read(path).rpartition("\n")
    for number, line in enumerate(whole.split("\n") if whole else (), start=1):
        try:
            record = from_json(kind, line)
        except RecordError as error:
            raise InputError(
                f"{path}, line {number}, is damaged, or another version of llm-erm wrote it "
                f"({error}); fix that line, or delete the run.",
                setting=setting,
            ) from None
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}", setting=setting) from None
        yield record
