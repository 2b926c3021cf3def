"""The interface of all engines: prompts in, a stream of answers out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llm_erm.errors import InputError
from llm_erm.incontext.prompt import ANSWER_START
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion, Tell, untold

if TYPE_CHECKING:
    from llm_erm.llms.budget import Budget

MOST_CONTEXT_TOKENS = 25_000
"""Default limit on the context, as published."""


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
    def address(self) -> str:
        """Where its calls go; empty if it makes none."""
        return ""

    @property
    def context_tokens(self) -> int | None:
        """Maximum number of tokens in a prompt and its answer; None if unknown."""
        ...

    def render(self, message: str, settings: InContextSettings) -> str:
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

    def answer(
        self, prompts: Sequence[Prompt], settings: InContextSettings, tell: Tell = untold
    ) -> Iterator[Completion]:
        """Yields the answers in the order in which they arrive.

        The index of an answer is that of its query. The first prompt is answered alone, so that the
        others find the common beginning in the cache.

        Args:
            prompts: The queries.
            settings: Settings of the answers.
            tell: Is told, in the thread that asks for answers, what happens before one arrives.

        Raises:
            LLMERMError: The model cannot answer.
        """
        ...

    def news(self) -> list[str]:
        """Returns what was found out about the model since the last call, one sentence each."""
        return []

    def close(self) -> None:
        """Frees the engine's resources, until it is loaded again."""
        ...


def context_of(name: str, trained: int, asked: int | None) -> int:
    """Returns the maximum number of tokens in a prompt and its answer.

    Args:
        name: The model.
        trained: Number of tokens that it was trained for.
        asked: Number of tokens requested; None for all, but at most ``MOST_CONTEXT_TOKENS``.

    Raises:
        InputError: More are requested than it was trained for.
    """
    if asked is None:
        return min(trained, MOST_CONTEXT_TOKENS)
    if asked > trained:
        raise InputError(
            f"The context is {asked} tokens, but {name} was trained for {trained}; give at most "
            f"{trained}.",
            setting="context_tokens",
        )
    return asked


def label_tokens(name: str, tokens: Callable[[str], list[int]]) -> tuple[int, int]:
    """Returns the token of each label after the beginning of the answer.

    Args:
        name: The model.
        tokens: Returns the tokens of a text.

    Raises:
        InputError: A label is not a single token.
    """
    start, *whole = (tokens(ANSWER_START + label) for label in ("", "0", "1"))
    if any(found[:-1] != start for found in whole):
        raise InputError(
            f"{name} has no single token for each label, so labels cannot be scored; use "
            "constrained answers.",
            setting="answer",
        )
    return whole[0][-1], whole[1][-1]
