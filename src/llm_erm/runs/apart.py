"""Runs jobs in isolation from each other: in this process, or in processes that may crash."""

import io
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self, TextIO, TypeVar

from llm_erm.errors import LLMERMError, Terminated, UnfinishedError
from llm_erm.records import Result
from llm_erm.runs.events import Event
from llm_erm.runs.files import writing
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.pool import JobPool
from llm_erm.secrets import redact

Call = Callable[[], list[Result]]
"""Does one job and returns its results; picklable."""
Sentence = Callable[[LLMERMError], str]
"""Returns the message of an error; picklable."""
Returned = TypeVar("Returned")

GRACE_SECONDS = 5.0
"""Time for a stopped job to clean up; one that waits for a slow program could take minutes."""


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        status: 0 if it succeeded, else the exit status that a command would have.
        results: Its results.
    """

    status: int
    results: tuple[Result, ...] = ()


def perform(log: Path, call: Call, sentence: Sentence) -> Ended:
    """Does a job in this process; its output and the reason for a failure go to the log.

    Raises:
        InputError: The log cannot be written.
        KeyboardInterrupt: The job was stopped.
    """
    with _logged(log):
        try:
            return Ended(0, tuple(call()))
        except LLMERMError as error:
            print(f"llm-erm: {sentence(error)}", file=sys.stderr)  # noqa: T201 - to the log
            return Ended(3 if isinstance(error, UnfinishedError) else 2)
        except (Exception, SystemExit):  # noqa: BLE001 - a bug in one job must stop no other
            traceback.print_exc()
            return Ended(1)


class Places:
    """Processes that each do one job at a time; a process that crashes is replaced.

    Ctrl-C and SIGTERM end all jobs, including those just starting, and let no other job start.
    """

    def __init__(self, devices: Sequence[str | None]) -> None:
        """Prepares the places; a process starts with its first job.

        Args:
            devices: The CUDA device that each process sees; None for all devices.
        """
        self._places = [_Place(device) for device in devices]
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        for place in self._places:
            self._free.put(place)
        self._stopping = False
        self._terminated = False
        self._asked_to_stop = threading.Event()
        self._ended = threading.Event()
        self._killer = threading.Thread(target=self._kill, daemon=True)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._killer.start()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._handlers[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for place in self._places:
            place.close()
        self._ended.set()
        self._asked_to_stop.set()
        self._killer.join()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def each(
        self,
        do: Callable[..., Returned],
        arguments: Sequence[tuple[Any, ...]],
        tell: Callable[[Returned], None],
    ) -> None:
        """Calls a function that uses ``perform`` once per entry of ``arguments``, in threads.

        Args:
            do: The function.
            arguments: The arguments of each call.
            tell: Called with each return value as soon as it is there, one at a time.

        Raises:
            KeyboardInterrupt: The jobs were stopped, and all of them have ended.
            Terminated: It was SIGTERM that stopped them.
        """
        with ThreadPoolExecutor(len(self._places)) as threads:
            futures = [threads.submit(self._unless_stopped, do, some) for some in arguments]
            try:
                for future in as_completed(futures):
                    tell(future.result())
            except KeyboardInterrupt:  # jobs are stopped by SIGTERM, whatever stopped this
                self._stop()
            except BaseException:
                self._stop()
                raise
        if self._stopping:
            raise Terminated if self._terminated else KeyboardInterrupt

    def perform(self, log: Path, call: Call, sentence: Sentence) -> Ended:
        """Does a job in a separate process; see the function of the same name."""
        place = self._free.get()
        try:
            return self._unless_stopped(place.perform, (log, call, sentence))
        finally:
            self._free.put(place)

    def _unless_stopped(self, do: Callable[..., Returned], arguments: tuple[Any, ...]) -> Returned:
        """Calls a function and returns its value, unless the jobs are stopped by then."""
        if not self._stopping:
            returned = do(*arguments)
        if self._stopping:
            raise KeyboardInterrupt
        return returned

    def _stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        if self._stopping:  # another signal may arrive while this one holds locks
            return
        self._stopping = True
        self._terminated = number == signal.SIGTERM
        for place in self._places:
            place.stop()
        self._asked_to_stop.set()

    def _kill(self) -> None:
        """Kills jobs that do not stop in time; their journals are complete at any moment."""
        self._asked_to_stop.wait()
        if not self._ended.wait(GRACE_SECONDS):
            for place in self._places:
                place.stop(kill=True)


class _Place:
    """A process for one job at a time."""

    def __init__(self, device: str | None) -> None:
        self._devices = () if device is None else (device,)
        self._opened = ExitStack()
        self._pool: JobPool | None = None
        self._stopping = False

    def perform(self, log: Path, call: Call, sentence: Sentence) -> Ended:
        if self._pool is None:
            self._pool = self._opened.enter_context(JobPool(1, self._devices, _ignore))
        if self._stopping:  # stopped before the pool existed
            self._pool.stop()
        try:
            ended: Ended = self._pool.submit(_perform_apart, log, call, sentence).result()
        except BrokenProcessPool:
            self.close()
            with writing(log), log.open("a") as file:
                file.write("llm-erm: the job's process was killed, perhaps for lack of memory.\n")
            return Ended(1)
        return ended

    def stop(self, *, kill: bool = False) -> None:
        self._stopping = True
        if (pool := self._pool) is not None:
            pool.stop(kill=kill)

    def close(self) -> None:
        self._pool = None
        self._opened.close()


def _perform_apart(log: Path, call: Call, sentence: Sentence) -> Ended:
    """Does a job in a process that does nothing else, so all output can go to the log."""
    with writing(log), log.open("ab") as file:  # at its end, with whatever else is written there
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    return perform(log, call, sentence)


def _ignore(job: JobKey | None, event: Event) -> None:
    """Ignores an event: the run of each job records its own."""


class _Stream(io.TextIOBase):
    """Writes to the log of the current job.

    It is the same object for all jobs because libraries keep a reference to ``sys.stderr``.
    """

    def __init__(self) -> None:
        self.log: TextIO | None = None

    def write(self, text: str) -> int:
        self._target().write(redact(text))
        return len(text)

    def flush(self) -> None:
        self._target().flush()

    def fileno(self) -> int:
        return self._target().fileno()

    def _target(self) -> TextIO:
        if self.log is not None:
            return self.log
        real = sys.__stderr__ if sys.stderr is self else sys.stderr
        assert real is not None  # closed streams were replaced when the command began
        return real


_STREAM = _Stream()


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Sends all output of this process to a file, which is overwritten."""
    with writing(log):
        log.write_bytes(b"")
        file = log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    with file:
        _STREAM.log = file
        try:
            with redirect_stdout(_STREAM), redirect_stderr(_STREAM):
                yield
        finally:
            _STREAM.log = None
