"""What a search without a language model tells of, beside its attempts."""

from dataclasses import dataclass

from llm_erm.facts import LevelCount
from llm_erm.runs.events import Event


@dataclass(frozen=True)
class LevelDone(Event):
    """The programs of one description length were considered.

    Attributes:
        count: How many there were.
    """

    count: LevelCount
