"""Runs a program once, a text in and a text out, and ends it with all that it started."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

MOST_OUTPUT_BYTES = 10_000_000
"""A program that prints more is ended: no answer is that long, and each is kept in the journal."""
KEPT_ERROR_BYTES = 2000
"""What is kept of the end of stderr, for messages."""
GRACE_SECONDS = 2.0
"""Time that a program has to end by itself after SIGTERM."""
WAKE_SECONDS = 0.05
"""How often a program is checked that neither prints nor reads."""
MOST_ROUNDS = 10
"""How often the rest of a session is looked for: what is being killed may start others."""
FILES = 5
"""Files that this process has open for a program: its streams, and to wait for them."""
ENDING_SECONDS = 0.005
"""The same once it has closed its output, since it ends then as a rule."""
_PART_BYTES = 65_536

How = Literal["exited", "late", "too long", "stopped"]
"""Whether a program ended by itself or was ended: after its time, for its output, on request."""


@dataclass(frozen=True)
class Ended:
    """What came of a program.

    Attributes:
        how: How it ended.
        status: Its exit status, or minus the signal that ended it; None if it cannot be ended, as
            when it runs as another user.
        output: What it printed, up to where it was ended.
        errors: The end of what it printed to stderr.
        seconds: Its wall time.
    """

    how: How
    status: int | None
    output: bytes
    errors: bytes
    seconds: float


def run(words: Sequence[str], text: bytes, timeout_seconds: float, stop: threading.Event) -> Ended:
    """Runs a program in an empty folder, which is deleted afterwards.

    It has no terminal, and it leads a group of processes, all of which are ended with it.

    Args:
        words: The program and its arguments.
        text: What it reads from its standard input; it need not.
        timeout_seconds: Its wall time at most.
        stop: Set by another thread to end it.

    Raises:
        OSError: It cannot be started.
    """
    # The selector first: a program that was started must not be lost for want of a file.
    with (
        tempfile.TemporaryDirectory(prefix="llm-erm-call-", ignore_cleanup_errors=True) as folder,
        selectors.DefaultSelector() as selector,
    ):
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the user's own command, and no shell
            words,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        talk = _Talk(process, text, selector)
        try:
            how = talk.until(started + timeout_seconds, stop)
        finally:
            status = _end(process)
            talk.close()
        seconds = time.monotonic() - started
    errors = bytes(talk.errors).replace(os.fsencode(folder), b".")  # its name differs each time
    return Ended(how, status, bytes(talk.output), errors, seconds)


class _Talk:
    """Writes to a program while it reads from it, so that neither waits for the other."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        text: bytes,
        selector: selectors.BaseSelector,
    ) -> None:
        self._process = process
        self._left = memoryview(text)
        self.output = bytearray()
        self.errors = bytearray()
        self._selector = selector
        for stream in _streams(process):
            os.set_blocking(stream.fileno(), False)
            written = stream is process.stdin
            event = selectors.EVENT_WRITE if written else selectors.EVENT_READ
            self._selector.register(stream, event)

    def until(self, deadline: float, stop: threading.Event) -> How:
        """Talks until the program has exited, or must be ended."""
        exited = False
        while True:
            if not exited and (exited := _has_exited(self._process)):
                # Whatever it left running must not keep its output open.
                _signal(self._process, signal.SIGKILL)
            seconds = WAKE_SECONDS if self._selector.get_map() else ENDING_SECONDS
            said = self._once(0.0 if exited else seconds)
            if len(self.output) > MOST_OUTPUT_BYTES:
                return "too long"
            if exited and not said:
                return "exited"
            if stop.is_set():
                return "stopped"
            if time.monotonic() > deadline:
                return "late"

    def close(self) -> None:
        """Closes what is open of the program's streams."""
        for stream in _streams(self._process):
            with suppress(OSError):
                stream.close()

    def _once(self, seconds: float) -> bool:
        """Writes and reads what is possible now; returns whether anything was read."""
        said = False
        for key, _ in self._selector.select(seconds):
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if stream is self._process.stdin:
                self._write(stream)
                continue
            part = os.read(key.fd, _PART_BYTES)
            if not part:
                self._selector.unregister(stream)
            elif stream is self._process.stdout:
                self.output += part
            else:
                self.errors += part
                del self.errors[:-KEPT_ERROR_BYTES]
            said = said or bool(part)
        return said

    def _write(self, stream: IO[bytes]) -> None:
        try:
            written = os.write(stream.fileno(), self._left[:_PART_BYTES])
        except BrokenPipeError:  # it does not want to read
            written = len(self._left)
        self._left = self._left[written:]
        if not self._left:
            self._selector.unregister(stream)
            stream.close()


def _streams(process: "subprocess.Popen[bytes]") -> list[IO[bytes]]:
    streams = (process.stdin, process.stdout, process.stderr)
    return [stream for stream in streams if stream is not None]


def _end(process: "subprocess.Popen[bytes]") -> int | None:
    """Ends a program and its session; returns its status, or None if that is not permitted."""
    if not _has_exited(process):
        _signal(process, signal.SIGTERM)
        _wait(process)
    _signal(process, signal.SIGKILL)
    try:
        return process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Waits for the program to end, but no longer than the grace period."""
    deadline = time.monotonic() + GRACE_SECONDS
    while not _has_exited(process) and time.monotonic() < deadline:
        time.sleep(WAKE_SECONDS)


def _has_exited(process: "subprocess.Popen[bytes]") -> bool:
    """Returns whether a program has exited; on Linux, its number stays taken until it is ended.

    So the number of its group cannot be that of another one by the time that gets a signal.
    """
    if sys.platform == "linux" and process.returncode is None:
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid, how) is not None
    return process.poll() is not None


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    # Not permitted: another user's processes, or, on macOS, a group of which nobody is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
    for _ in range(MOST_ROUNDS if number == signal.SIGKILL else 1):
        others = _others_in_session(process.pid)
        for pid in others:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if not others:
            return


def _others_in_session(leader: int) -> list[int]:
    """Returns the processes of a session that are in groups of their own, as a shell's jobs are.

    On Linux, a session's number stays taken as long as its leader is not reaped.
    """
    if sys.platform != "linux":
        return []
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal():
            continue
        try:
            about = (place / "stat").read_bytes()
        except OSError:  # it has ended
            continue
        state, _, group, session = about.rpartition(b")")[2].split()[:4]
        if int(session) == leader and int(group) != leader and state not in (b"Z", b"X"):
            found.append(int(place.name))
    return found
