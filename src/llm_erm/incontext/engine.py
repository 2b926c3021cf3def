"""The interface of all engines: prompts in, a stream of answers out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llm_erm.incontext.settings import Settings
from llm_erm.llms.llm import Completion

if TYPE_CHECKING:
    from llm_erm.llms.budget import Budget


@dataclass(frozen=True)
class Prompt:
    """One query as the model reads it.

    Attributes:
        index: Which query it is, counted from 1.
        text: The whole rendered prompt.
        seed: Seed of its answer, in [0, 2³¹).
    """

    index: int
    text: str
    seed: int


@dataclass(frozen=True)
class Answer:
    """What a model answers to a prompt.

    Attributes:
        completion: Its text, tokens and time; the index is the query's.
        probability: Of label 1, given that the next token is one of the two labels; for ``score``
            alone, and None where the model names neither.
        computed_tokens: Prompt tokens that were computed and not found in the cache, by the
            engine's own counters; None where it does not tell.
    """

    completion: Completion
    probability: float | None = None
    computed_tokens: int | None = None


class Engine(Protocol):
    """A language model that answers prompts which share their beginning.

    What is not abstract here suits a model that costs nothing.
    """

    @property
    def name(self) -> str:
        """``engine:model``, as stored with every run."""
        ...

    @property
    def described(self) -> object:
        """What shapes its answers beside prompts and settings: a frozen dataclass, or JSON values.

        Loads no weights.
        """
        ...

    @property
    def budget(self) -> "Budget | None":
        """What its calls may cost; None where they cost nothing."""
        return None

    @property
    def context_tokens(self) -> int | None:
        """Tokens that a prompt and its answer may take together; None where that is unknown."""
        ...

    def render(self, message: str, settings: Settings) -> str:
        """Returns the text that the model reads for a user's message.

        Loads no weights, like ``context_tokens`` and ``count_tokens``.
        """
        ...

    def count_tokens(self, prompt: str) -> int | None:
        """Returns the tokens of a rendered prompt; None where that is unknown."""
        ...

    def load(self) -> None:
        """Gets ready to answer.

        Raises:
            LLMERMError: The model does not load; the message names what to change.
        """
        ...

    def answer(self, prompts: Sequence[Prompt], settings: Settings) -> Iterator[Answer]:
        """Yields the answers in the order in which they arrive.

        The first prompt is answered alone, so that the others find the beginning that all share in
        the cache.

        Raises:
            LLMERMError: The model cannot answer.
        """
        ...

    def close(self) -> None:
        """Frees what the engine holds, until it loads again."""
        ...
