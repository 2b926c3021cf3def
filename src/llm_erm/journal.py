"""JSON-lines files that survive a kill: each line is the operating system's before work goes on."""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FAR = 2**30
"""A place in a file that no journal reaches; locks of Windows reach no further than 2 GiB."""


class Journal:
    """A file that grows by one JSON object a line.

    A last line without its end was cut off by a kill; it is removed when the file is opened.
    """

    def __init__(self, path: Path, flag: str = "--out-dir") -> None:
        """Opens the file, making it if need be; ``flag`` names another place for it.

        Raises:
            InputError: It cannot be written.
        """
        self.path = path
        self._appending = threading.Lock()
        with writing(path.parent, flag):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab", buffering=0)

    def lock(self) -> bool:
        """Takes the file for this process until it is closed; returns whether it was free."""
        try:
            if sys.platform == "win32":  # nobody else may read what is locked there
                self.file.seek(FAR)
                msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def repair(self) -> None:
        """Removes a last line that was cut off.

        Raises:
            InputError: The file cannot be written.
        """
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with writing(self.path.parent):
                self.file.truncate(whole)

    def append(self, line: Mapping[str, Any]) -> None:
        """Adds a whole line or nothing; may be called from several threads.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        data = (json.dumps(line) + "\n").encode()
        with self._appending, writing(self.path.parent):
            end = os.fstat(self.file.fileno()).st_size
            try:
                while data:  # unbuffered: nothing is left behind to fail once more on closing
                    data = data[self.file.write(data) :]
            except OSError:  # a later line may find room, and must not follow half of this one
                with suppress(OSError):
                    self.file.truncate(end)
                raise

    def empty(self) -> bool:
        """Returns whether nothing was ever written."""
        return self.path.stat().st_size == 0

    def clear(self) -> None:
        """Deletes all lines."""
        self.file.truncate(0)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class RunFolder:
    """The folder of one run: ``settings.json`` and the journals, held by one process at a time.

    Attributes:
        path: Where it is.
        journals: The journals by name; the first one's lock is the folder's.
        digest: Digest of the settings, for the lines of the journals.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        names: Sequence[str],
        *,
        fresh: bool = False,
        made: Sequence[str] = (),
    ) -> None:
        """Opens the folder, making it if need be.

        Args:
            path: Where everything of this run goes.
            settings: What shapes the results; JSON values only.
            names: What the journals are called.
            fresh: Whether to delete what an earlier run left there.
            made: Patterns of the other files that a run writes there, deleted with it.

        Raises:
            InputError: The folder cannot be written or holds a run with other settings, or another
                process is writing there.
        """
        self.path = path
        self._settings_path = path / "settings.json"
        self.journals = {name: Journal(path / f"{name}.jsonl") for name in names}
        try:
            self._lock()
            if fresh:
                self._clear(made)
            self.digest = self._check_settings(dict(settings))
            for journal in self.journals.values():
                journal.repair()
        except BaseException:
            self.close()
            raise

    def rewrite(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Writes a journal anew, whole or not at all.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        journal = self.journals[name]
        with writing(self.path):
            journal.close()
            replace(journal.path, "".join(json.dumps(line) + "\n" for line in lines))
        self.journals[name] = Journal(journal.path)

    def close(self) -> None:
        """Closes the journals and lets other processes write to the folder."""
        for journal in self.journals.values():
            journal.close()

    def _lock(self) -> None:
        if not next(iter(self.journals.values())).lock():
            raise InputError(
                f"Another process is writing to {self.path}; wait for it or name another folder "
                "with --out-dir."
            )

    def _clear(self, made: Sequence[str]) -> None:
        """Deletes an earlier run, and nothing that no run wrote."""
        if self._begun() and not self._settings_path.exists():
            there = " or ".join(journal.path.name for journal in self.journals.values())
            raise InputError(
                f"{self.path} holds {there} but no settings.json, so "
                "it is no run to start afresh; name another folder with --out-dir."
            )
        with writing(self.path):
            for journal in self.journals.values():
                journal.clear()
            self._settings_path.unlink(missing_ok=True)
            for pattern in made:
                for path in self.path.glob(pattern):
                    path.unlink()

    def _begun(self) -> bool:
        """Whether any journal holds a line."""
        return not all(journal.empty() for journal in self.journals.values())

    def _check_settings(self, settings: dict[str, Any]) -> str:
        """Returns the digest of the settings, which every line of the journal carries."""
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if not self._begun():
            with writing(self.path):
                replace(self._settings_path, text)
        elif (earlier := read(self._settings_path)) != text:
            raise InputError(
                f"{self.path} holds a run with other settings "
                f"({_difference(earlier, settings)}); name another folder with --out-dir, "
                "or delete that run with --fresh."
            )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _difference(earlier: str, settings: Mapping[str, Any]) -> str:
    try:
        before = json.loads(earlier)
        changed = sorted(
            key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key)
        )
    except (ValueError, AttributeError):
        return "settings.json is damaged"
    return "different: " + ", ".join(changed)


@contextmanager
def naming(path: Path, number: int) -> Iterator[None]:
    """Turns a line of the wrong form into one sentence for the user."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}, line {number}, is no line of a run ({error!r}); mend that line, or delete "
            "the run with --fresh."
        ) from None


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the whole lines of a file with their numbers, none where there is no file.

    Raises:
        InputError: The file cannot be read, or one of them is no JSON object.
    """
    if not path.exists():
        return
    whole, _, _ = read(path).rpartition("\n")
    for number, line in enumerate(whole.splitlines(), start=1):
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


def read(path: Path, flag: str = "--out-dir") -> str:
    """Returns the text of a file of a run; ``flag`` names another run.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; restore it, or name another folder with {flag}."
        ) from error


def replace(path: Path, text: str) -> None:
    """Writes a whole file or nothing; a link stays one, and what it names is written.

    A device or a pipe is written to, since no file may take its place.
    """
    data = text.encode("utf-8", errors="backslashreplace")
    if is_special(path):
        path.write_bytes(data)
        return
    path = path.resolve()
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.replace(path)


def is_special(path: Path) -> bool:
    """Returns whether there is something that is neither file nor folder, such as /dev/null."""
    return path.exists() and not path.is_file() and not path.is_dir()


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
