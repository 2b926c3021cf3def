"""A test's own observer: everything that a job told of, by kind."""

from dataclasses import dataclass, field

from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt
from llm_erm.runs.events import Answered, Attempted, Event, Prompted


@dataclass
class Seen:
    """Events in the order in which they came."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[Attempt]:
        """Attempts as they were told of, corrected ones twice."""
        return [event.attempt for event in self.events if isinstance(event, Attempted)]

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts in order, as they are in the end."""
        last = {attempt.index: attempt for attempt in self.told}
        return [last[index] for index in sorted(last)]

    @property
    def answers(self) -> list[Completion]:
        return [event.completion for event in self.events if isinstance(event, Answered)]

    @property
    def prompts(self) -> list[str]:
        return [event.prompt for event in self.events if isinstance(event, Prompted)]
