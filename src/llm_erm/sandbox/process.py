"""The parent's handle on one zygote process."""

import importlib.util
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from llm_erm.errors import LLMERMError
from llm_erm.sandbox import protocol
from llm_erm.sandbox.execution import Limits

# Names the package without running it: its __init__ would load numpy and the whole library into
# the memory that every child is copied from.
BOOTSTRAP = """
import sys, types
for name, folder in (("llm_erm", sys.argv[1]), ("llm_erm.sandbox", sys.argv[1] + "/sandbox")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from llm_erm.sandbox.zygote import main
main(sys.argv[2:])
"""
# The whole environment of the zygote: nothing of the user's reaches a candidate. The hash seed is
# fixed so that a verdict is the same in every run; the thread counts keep OpenBLAS from forking.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
START_SECONDS = 120.0


class ZygoteLostError(Exception):
    """The zygote ended, which no candidate should be able to bring about."""


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    Attributes:
        status: As wait(2) gives it.
        killer: One of ``protocol.KILLED_BY``.
        cpu_seconds: User and system time of the child.
    """

    status: int
    killer: str
    cpu_seconds: float


class Zygote:
    """One zygote process; one candidate runs in it at a time."""

    def __init__(self, kind: str, hash_seed: int = 0) -> None:
        """Starts the process; ``wait_ready`` tells when it can be used."""
        self.kind = kind
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", "-s", "-S", "-c", BOOTSTRAP]
            command += [str(Path(__file__).parent.parent), str(theirs.fileno()), kind]
            if kind == protocol.SCIENCE:
                command += package_folders()
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
                command,
                env=ENVIRONMENT | {"PYTHONHASHSEED": str(hash_seed)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Blocks until the imports are done; raises if they failed."""
        self._socket.settimeout(START_SECONDS)
        try:
            answer = self._socket.recv(8192)
        except TimeoutError:
            answer = b"it did not answer"
        self._socket.settimeout(None)
        if answer != protocol.READY:
            self.close()
            reason = answer.removeprefix(protocol.FAILED).decode("utf-8", "replace").strip()
            raise LLMERMError(
                f"The sandbox could not start {sys.executable} "
                f"({reason.splitlines()[-1] if reason else 'the process ended'}); it needs a "
                "CPython of this installation on Linux: reinstall llm-erm there and try again."
            )

    def run(self, job: int, shared: int, count: int, limits: Limits, wall: float) -> Ending:
        """Runs one candidate and returns once its process is dead."""
        self._send(
            protocol.REQUEST.pack(
                protocol.RUN,
                count,
                limits.seconds_per_call,
                limits.seconds_per_candidate,
                wall,
                limits.memory_bytes,
            ),
            job,
            shared,
        )
        try:
            answer = self._socket.recv(protocol.REPLY.size)
        except OSError:
            answer = b""
        if len(answer) != protocol.REPLY.size:
            raise ZygoteLostError
        status, killer, seconds = protocol.REPLY.unpack(answer)
        return Ending(status, protocol.KILLED_BY[killer], seconds)

    def _send(self, request: bytes, *files: int) -> None:
        try:
            socket.send_fds(self._socket, [request], files)
        except OSError:
            raise ZygoteLostError from None

    def close(self) -> None:
        """Ends the process and whatever runs in it."""
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def package_folders() -> list[str]:
    """Returns the folders that hold the third-party packages a candidate may import."""
    folders = []
    for name in ("numpy", "sympy", "mpmath", "gmpy2"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parent.parent))
    return list(dict.fromkeys(folders))
