"""JSON-lines files that survive a kill: a line reaches the system before work continues."""

import errno
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import writing

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FAR = 2**30
"""An offset that no journal reaches; Windows cannot lock beyond 2 GiB."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of file systems that lock no files, as some over a network."""

LOCK_SECONDS = 5.0
"""Time for a process to end whose run was killed; it holds the folder until then."""


class Journal:
    """A file that grows line by line, and notices if another process lets it grow.

    That a lock was granted means little on a network file system.
    """

    def __init__(self, path: Path, setting: str = "out_dir") -> None:
        """Opens the file, creating it if necessary; ``setting`` is the one that names its place.

        Raises:
            InputError: The file cannot be written.
        """
        self.path = path
        self._appending = threading.Lock()
        self._setting = setting
        self._end: int | None = None  # where our last line ended
        with writing(path.parent, setting):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab", buffering=0)

    def lock(self) -> bool:
        """Locks the file for this process until it is closed; returns False if another holds it.

        Raises:
            InputError: The file system fails.
        """
        try:
            if sys.platform == "win32":  # no other process can read a locked part there
                self.file.seek(FAR)
                msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                self.close()
                with writing(self.path.parent, self._setting):
                    raise
        return True

    def append(self, line: str) -> None:
        """Adds a whole line or nothing; may be called from several threads.

        Raises:
            InputError: The disk is full, the folder was deleted, or another process appends.
        """
        data = line.encode()
        with self._appending, writing(self.path.parent):
            end = os.fstat(self.file.fileno()).st_size
            if self._end not in (None, end):
                raise InputError(
                    f"Another process is writing to {self.path.parent}, whose file system does not "
                    "prevent that; stop one of the two, and run the same command to resume.",
                    setting=self._setting,
                )
            self._end = None
            try:
                while data:  # unbuffered, so that closing the file cannot fail again
                    data = data[self.file.write(data) :]
            except OSError:  # a later line may fit, and must not follow half of this one
                with suppress(OSError):
                    self.file.truncate(end)
                raise
            self._end = end + len(line.encode())

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


def lock(folder: Path) -> Journal:
    """Returns the open lock file of a folder, which no other process holds until it is closed.

    Raises:
        InputError: Another process holds it, or it cannot be written.
    """
    return locked(folder / ".lock")


def locked(path: Path, setting: str = "out_dir") -> Journal:
    """Returns an open file that no other process holds until it is closed.

    Args:
        path: The file, which is created if necessary.
        setting: The setting that names its folder.

    Raises:
        InputError: Another process holds it, or it cannot be written.
    """
    held = Journal(path, setting)
    deadline = time.monotonic() + LOCK_SECONDS
    while not held.lock():
        if time.monotonic() > deadline:
            held.close()
            raise InputError(
                f"Another process is writing to {path.parent}; wait for it, or name another "
                "folder.",
                setting=setting,
            )
        time.sleep(0.05)
    return held
