"""A method whose jobs do what their names say, for tests of what runs methods."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate, Result, Verdict
from llm_erm.runs.events import Attempted, Event, Isolated, Noticed, Observe, Started
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.settings import OPERATIONAL
from llm_erm.tasks.spec import DataSpec

SPEC = DataSpec(function="fn_a", length=8, train_size=10, val_size=10, test_size=20)
STEPS = 3
TOGETHER = 4
"""So many jobs called ``together`` must be under way at once."""
VERDICT = Verdict("ok", 10, 0, 10)


@dataclass(frozen=True, kw_only=True)
class Fake(Method):
    """One job per variant, of three attempts; what is before its ``-`` happens at the second.

    Attributes:
        variants: Names of the jobs.
        notes: Where jobs and sessions write down what they did, a file each.
        steps: Number of attempts of each job.
    """

    variants: tuple[str, ...]
    notes: Annotated[Path, OPERATIONAL]
    steps: int = STEPS

    @property
    def name(self) -> str:
        return "fake"

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        return [Job(spec, variant) for spec in specs for variant in self.variants]

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["FakeSession"]:
        self.note(f"opened-{os.getpid()}")
        yield FakeSession(self)
        self.note(f"closed-{os.getpid()}")

    def note(self, name: str) -> None:
        (self.notes / name).touch()

    def noted(self, beginning: str) -> list[str]:
        """What is written down with this beginning, without it."""
        return sorted(path.name[len(beginning) :] for path in self.notes.glob(f"{beginning}*"))


class FakeSession:
    events: tuple[Event, ...] = (Isolated("none"),)

    def __init__(self, method: Fake) -> None:
        self._method = method

    def learn(self, work: Work, observe: Observe) -> Result:
        variant = work.job.variant
        self._method.note(f"began-{variant}")
        observe(Started(self._method.steps, len(work.attempts)))
        for index in range(1 + len(work.attempts), self._method.steps + 1):
            if index == 2:
                self._happen(variant.partition("-")[0], observe)
            observe(Attempted(Attempt(index, Candidate(f"{variant} {index}"), VERDICT, VERDICT)))
        return Result(
            method="fake",
            model="none",
            data=work.splits.key,
            variant=variant,
            examples=work.splits.examples,
            attempts=self._method.steps,
            test=Verdict("ok", len(work.splits.reveal().test), 0, 20),
            seconds=0.0,
            facts=SynthesisFacts(),
        )

    def _happen(self, what: str, observe: Observe) -> None:
        """Does what a job is named after; failures come to pass once, so that a run can go on."""
        if what in {"error", "refused", "spent", "killed", "lost"}:
            if self._method.noted(f"failed-{what}"):
                return
            self._method.note(f"failed-{what}")
        match what:
            case "error":
                raise RuntimeError("a bug")
            case "refused":
                raise InputError("a wrong setting", setting="some_setting")
            case "spent":
                raise BudgetSpentError("no money left")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "lost":
                self._method.note(f"lost-{os.getppid()}")
                time.sleep(100)
            case "asleep":
                self._method.note(f"asleep-{os.getpid()}")
                observe(Noticed("asleep"))
                time.sleep(100)
            case "computing":
                self._method.note(f"asleep-{os.getpid()}")
                ctypes.PyDLL(None).sleep(100)  # lets no other thread run
            case "together":
                device = os.environ.get("CUDA_VISIBLE_DEVICES")
                self._method.note(f"together-{os.getpid()}-{device}")
                while len(self._method.noted("together-")) < TOGETHER:
                    time.sleep(0.01)
            case "environment":
                for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
                    observe(Noticed(f"{name}={os.environ.get(name)}"))
                time.sleep(1)  # the other process gets a job, too
            case "untellable":
                observe(_Untellable())


class Unlike:
    """Like most models, it is equal to itself only.

    Args:
        held: What it holds, which some cannot send to another process.
    """

    def __init__(self, held: object = None) -> None:
        self.held = held


@dataclass(frozen=True, kw_only=True)
class Awaited(Fake):
    """The same with coroutines, and a model.

    Attributes:
        model: The model.
        budget: What it may spend.
    """

    model: Annotated[Unlike, OPERATIONAL]
    budget: Annotated[Budget | None, OPERATIONAL] = None

    @contextmanager
    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> Iterator["AwaitedSession"]:
        self.note(f"opened-{time.monotonic_ns()}")
        yield AwaitedSession(self)
        self.note(f"closed-{time.monotonic_ns()}")


class AwaitedSession:
    """Notes the event loops that it is used in."""

    events: tuple[Event, ...] = ()

    def __init__(self, method: Awaited) -> None:
        self._method = method
        self._loops: list[asyncio.AbstractEventLoop] = []

    async def learn(self, work: Work, observe: Observe) -> Result:
        self._loops.append(asyncio.get_running_loop())
        return FakeSession(self._method).learn(work, observe)

    async def aclose(self) -> None:
        loops = {*self._loops, asyncio.get_running_loop()}
        self._method.note(f"freed-after-{len(self._loops)}-in-{len(loops)}")


class _Untellable(Event):
    """An event that cannot be read where it is sent to."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("no number",)
