"""What happens in a run and who is told of it: journals, bars, logs and trackers alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result

if TYPE_CHECKING:
    from llm_erm.runs.jobs import JobKey


@dataclass(frozen=True)
class Event:
    """Something that happened in a job; methods add kinds of their own."""


@dataclass(frozen=True)
class Started(Event):
    """A job began, or went on.

    Attributes:
        total: Steps that it takes at most: attempts, queries, epochs; None where that is unknown.
        done: Those that were done before.
    """

    total: int | None
    done: int = 0


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
        completion: The answer, or a cancelled one for a call that was given up on.
    """

    completion: Completion


@dataclass(frozen=True)
class Attempted(Event):
    """A candidate was verified, or failed the replay of the selected program.

    Attributes:
        attempt: The attempt; it takes the place of an earlier one with its index.
    """

    attempt: Attempt


@dataclass(frozen=True)
class Advanced(Event):
    """A job came closer to its end.

    Attributes:
        done: Steps that are done.
    """

    done: int


@dataclass(frozen=True)
class Noticed(Event):
    """Something that a reader should know.

    Attributes:
        text: One sentence.
    """

    text: str


@dataclass(frozen=True)
class Isolated(Event):
    """The sandbox of a run is open.

    Attributes:
        level: How well it isolates programs.
        missing: What keeps the level from being ``strong``, one sentence each.
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
"""Tells of the events of one job."""


def ignore(event: Event) -> None:
    """Takes no note of an event."""


class Observer(Protocol):
    """Is told of every event of a run, in the order of the events of each job.

    Called by one thread at a time, and by whichever made the event, so it must be quick. The run
    stops at an error that it raises.
    """

    def __call__(self, job: "JobKey | None", event: Event) -> None:
        """Takes note of an event of a job, or of the whole run where ``job`` is None."""
        ...
