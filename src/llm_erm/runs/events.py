"""The events of a run, and the observers that receive them: journals, bars, logs, trackers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llm_erm.llms.llm import Completion, State
from llm_erm.records import Attempt, Result

if TYPE_CHECKING:
    from llm_erm.runs.jobs import JobKey


@dataclass(frozen=True)
class Event:
    """Something that happened in a job; methods add kinds of their own."""


@dataclass(frozen=True)
class Started(Event):
    """A job started or resumed.

    Attributes:
        total: Maximum number of steps (attempts, queries or epochs); None if unknown.
        done: Number of steps done by an earlier run.
        seconds: Maximum wall time; None if there is no limit.
    """

    total: int | None
    done: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Prompted(Event):
    """A prompt was written; a search with one prompt tells of it once.

    Attributes:
        prompt: Its text. That of in-context learning has a gap for the query.
        index: The first sample that it is for; a strategy may write another one for later samples.
    """

    prompt: str
    index: int = 1


@dataclass(frozen=True)
class Answered(Event):
    """A model's answer arrived; it may have been paid for.

    Attributes:
        completion: The answer; one marked as cancelled if the call was abandoned.
    """

    completion: Completion


@dataclass(frozen=True)
class Hidden(Event):
    """The next answer contained a key, which was replaced, so it is not exactly the model's."""


@dataclass(frozen=True)
class Attempted(Event):
    """A candidate was verified, or failed the replay of the selected program.

    Attributes:
        attempt: The attempt; it replaces an earlier one with the same index.
    """

    attempt: Attempt


@dataclass(frozen=True)
class Advanced(Event):
    """A job made progress.

    Attributes:
        done: Number of steps done so far.
    """

    done: int


@dataclass(frozen=True)
class Underway(Event):
    """A model does something that takes time before its next answer.

    Attributes:
        state: What it does. A pause is one of all jobs that call the model.
    """

    state: State


@dataclass(frozen=True)
class Judged(Event):
    """Attempts are run on the held-out data after the selection.

    Attributes:
        done: Number of programs that have run.
        total: Number of programs to run.
    """

    done: int
    total: int


@dataclass(frozen=True)
class Noticed(Event):
    """There is something that the user should know.

    Attributes:
        text: One sentence.
    """

    text: str


@dataclass(frozen=True)
class Isolated(Event):
    """The sandbox of a run is open.

    Attributes:
        level: How well it isolates programs.
        missing: Reasons why the level is not ``strong``, one sentence each.
    """

    level: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished(Event):
    """A job has its result.

    Attributes:
        result: The result.
    """

    result: Result


Observe = Callable[[Event], None]
"""Receives the events of one job."""


def ignore(event: Event) -> None:
    """Ignores an event."""


class Observer(Protocol):
    """Receives every event of a run; the events of each job arrive in order.

    It is called by one thread at a time, the one that caused the event, so it must be quick. An
    error that it raises stops the run.
    """

    def __call__(self, job: "JobKey | None", event: Event) -> None:
        """Receives an event of a job, or of the whole run if ``job`` is None."""
        ...
