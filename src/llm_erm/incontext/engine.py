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
        index: Index of the query, counted from 1.
        text: The whole rendered prompt.
        seed: Seed of its answer, in [0, 2³¹).
    """

    index: int
    text: str
    seed: int


@dataclass(frozen=True)
class Answer:
    """A model's answer to a prompt.

    Attributes:
        completion: Its text, tokens and time; the index is that of the query.
        probability: Probability of label 1, given that the next token is one of the two labels; for
            ``score`` only, and None if neither is among the likely tokens.
        computed_tokens: Number of prompt tokens that were not found in the cache, by the engine's
            own counters; None if unknown.
    """

    completion: Completion
    probability: float | None = None
    computed_tokens: int | None = None


class Engine(Protocol):
    """A language model that answers prompts with a common beginning.

    The default implementations suit a model without costs.
    """

    @property
    def name(self) -> str:
        """``engine:model``, as stored with every run."""
        ...

    @property
    def described(self) -> object:
        """What shapes its answers besides prompts and settings: a frozen dataclass, or JSON values.

        Loads no weights.
        """
        ...

    @property
    def budget(self) -> "Budget | None":
        """The budget of its calls; None if they cost nothing."""
        return None

    @property
    def context_tokens(self) -> int | None:
        """Maximum number of tokens in a prompt and its answer; None if unknown."""
        ...

    def render(self, message: str, settings: Settings) -> str:
        """Returns the text that the model reads for a user's message.

        Loads no weights, like ``context_tokens`` and ``count_tokens``.
        """
        ...

    def count_tokens(self, prompt: str) -> int | None:
        """Returns the number of tokens in a rendered prompt; None if unknown."""
        ...

    def load(self) -> None:
        """Loads the model.

        Raises:
            LLMERMError: The model fails to load; the message says what to change.
        """
        ...

    def answer(self, prompts: Sequence[Prompt], settings: Settings) -> Iterator[Answer]:
        """Yields the answers in the order in which they arrive.

        The first prompt is answered alone, so that the others find the common beginning in the
        cache.

        Raises:
            LLMERMError: The model cannot answer.
        """
        ...

    def close(self) -> None:
        """Frees the engine's resources, until it is loaded again."""
        ...
