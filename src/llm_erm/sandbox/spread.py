"""Spreads a long execution over idle workers."""

import itertools
import math
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from llm_erm.sandbox.job import SandboxJob
from llm_erm.sandbox.part import Part
from llm_erm.sandbox.process import ZygoteProcess

FIRST_LOOK_SECONDS = 0.25
WORTH_SPREADING_SECONDS = 1.0


def run_parts(
    job: SandboxJob,
    zygote: Callable[[], AbstractContextManager[ZygoteProcess]],
    slots: threading.Semaphore,
    stack: ExitStack,
) -> list[Part]:
    """Runs a job and returns its parts in the order of the inputs, once every child is dead.

    One child starts with all the inputs. If it turns out to take long while workers are idle,
    others take over the later inputs.

    Args:
        job: The job to run.
        zygote: Lends a process to run it in.
        slots: One slot per worker; a child holds one while it runs.
        stack: Keeps the parts' files open until they are read.
    """
    with ExitStack() as busy:
        busy.enter_context(slots)
        began = time.monotonic()
        lead = stack.enter_context(Part(job, 0, len(job.inputs), busy.enter_context(zygote())))
        parts = [lead]
        while not lead.wait(FIRST_LOOK_SECONDS):
            if _remaining_seconds(lead, time.monotonic() - began) < WORTH_SPREADING_SECONDS:
                continue
            helpers = take_idle(slots, busy)
            if helpers:
                tried, _ = lead.progress()
                share = math.ceil((lead.stop - tried) / (helpers + 1))
                ends = [min(tried + share * (i + 1), lead.stop) for i in range(helpers + 1)]
                for start, stop in itertools.pairwise(ends):
                    lent = busy.enter_context(zygote())
                    parts.append(stack.enter_context(Part(job, start, stop, lent)))
                lead.stop_at(ends[0])
                _wait_for(parts)
                break
        return parts


def _remaining_seconds(lead: Part, elapsed: float) -> float:
    """Estimates how much longer one child would take; 0 if it cannot be estimated yet."""
    tried, load_seconds = lead.progress()
    if tried == 0:
        return 0.0
    return (elapsed - load_seconds) / tried * (lead.stop - tried)


def take_idle(slots: threading.Semaphore, busy: ExitStack) -> int:
    """Takes all slots that are free right now and returns their number."""
    taken = 0
    while slots.acquire(blocking=False):
        busy.callback(slots.release)
        taken += 1
    return taken


def _wait_for(parts: Sequence[Part]) -> None:
    """Returns once all children are dead; a failure ends later parts, which no longer matter."""
    while waiting := [part for part in parts if part.ending is None]:
        poll = select.poll()
        for part in waiting:
            poll.register(part.zygote, select.POLLIN)
        poll.poll()
        for index, part in enumerate(parts):
            if part.ending is None and part.wait(0) and part.judge()[0] != "ok":
                for later in parts[index + 1 :]:
                    if later.ending is None:
                        later.zygote.stop_at(0)
