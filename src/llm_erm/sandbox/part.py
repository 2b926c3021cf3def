"""One child's part of an execution: some of the inputs, and their results."""

import math
import os
import signal
from dataclasses import replace
from typing import Self

from llm_erm.execution import Status
from llm_erm.sandbox import payload
from llm_erm.sandbox.job import SandboxJob, passed_limit
from llm_erm.sandbox.process import Ending, ZygoteProcess


class Part:
    """A range of a job's inputs that one child runs; a context manager that frees its files."""

    def __init__(self, job: SandboxJob, start: int, stop: int, zygote: ZygoteProcess) -> None:
        self.start, self.stop, self.zygote = start, stop, zygote
        self.ending: Ending | None = None
        self._job = job
        self._count = stop - start
        share = replace(job, inputs=job.inputs[start:stop])
        content = payload.anonymous_file("llm-erm-job", payload.pack_job(share))
        try:
            self._shared = payload.anonymous_file("llm-erm-map", payload.empty_map(share))
            zygote.start(content, self._shared, self._count, job.limits)
        finally:
            os.close(content)

    def wait(self, seconds: float | None = None) -> bool:
        """Returns whether the child is dead, waiting up to ``seconds`` (None: until it is)."""
        if self.ending is None:
            self.ending = self.zygote.ending(seconds)
        return self.ending is not None

    def stop_at(self, index: int) -> None:
        """Leaves the job's inputs from ``index`` on to other parts."""
        self.stop = index
        self.zygote.stop_at(index - self.start)

    def left(self) -> payload.Leftover:
        """Returns what the child has written to the map so far."""
        return payload.read_map(self._shared, self._count, self._job.outputs)

    def progress(self) -> tuple[int, float]:
        """Returns the inputs tried and the CPU seconds of loading (0 until it is complete)."""
        return payload.read_progress(self._shared, self._count)

    def judge(self) -> tuple[Status, str | None]:
        """Returns status and message; how the process ended outweighs what it claims."""
        ending, limits = self.ending, self._job.limits
        if ending is None:
            raise RuntimeError("the child is not dead yet")
        killed = os.WTERMSIG(ending.status) if os.WIFSIGNALED(ending.status) else 0
        seconds = math.inf if killed == signal.SIGXCPU else ending.cpu_seconds
        passed = passed_limit(ending.killer, seconds, limits)
        if passed is not None:
            return "timeout", passed
        left = self.left()
        if ending.killer == "request":
            return "ok", left.message
        if killed == signal.SIGSYS:
            return "forbidden", "it made a system call that no candidate may make"
        if killed == signal.SIGKILL:
            return "memory", "the system ended it, most likely for want of memory"
        if killed:
            return "crash", f"its process died of {signal.Signals(killed).name}"
        if ending.status != 0 or left.outcome == "unfinished":
            code = os.waitstatus_to_exitcode(ending.status)
            return "crash", f"its process ended itself with status {code}"
        return left.outcome, left.message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._shared)
