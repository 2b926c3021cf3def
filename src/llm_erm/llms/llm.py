"""The interface of all language models: a request in, a stream of completions out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from llm_erm.secrets import hide_known

if TYPE_CHECKING:
    from llm_erm.llms.budget import Budget

FinishReason = Literal["stop", "length", "refusal", "error", "unanswered", "cancelled"]
"""Why generation ended: normally, at the token limit, by a refusal, by a failed call that may have
been billed, by one that certainly was not, or because the search ended while the call was in
flight."""


THOUGHTS = ("<think>\n", "\n</think>")
"""What stands around thoughts that a server sent apart from the answer."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one completion; a cached or reasoning token is also counted in its total."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ToolCall:
    """One tool call within an answer: what was run and what it returned."""

    tool: str
    code: str = ""
    output: str = ""


@dataclass(frozen=True)
class Completion:
    """One answer of a language model, usable or not.

    Attributes:
        index: Index of the sample, counted from 1.
        text: The answer as the model gave it; its thoughts, between marks, if it has no other text.
        usage: Tokens spent on it.
        latency_seconds: Wall time from request to last token, which samples drawn together share.
        finish_reason: Why generation ended.
        cost_usd: Price of the call in US dollars; None if unknown, 0.0 for a local model.
        tool_calls: Tool calls within the answer, in order.
        error: What went wrong; None if generation ended normally or at the token limit.
        more_drawn: Whether the next sample was drawn together with this one, so that it exists
            already.
        probability: Probability of label 1, given that the next token is one of the two labels;
            None unless labels were scored and at least one of them is among the likely tokens.
        computed_tokens: Number of prompt tokens that were not found in a cache; None if unknown.
    """

    index: int
    text: str
    usage: Usage = Usage()
    latency_seconds: float = 0.0
    finish_reason: FinishReason = "stop"
    cost_usd: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    error: str | None = None
    more_drawn: bool = False
    probability: float | None = None
    computed_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuses a time that no answer takes, such as that of an edited file."""
        if self.latency_seconds < 0:
            raise ValueError(f"latency_seconds is {self.latency_seconds}, less than 0")

    @property
    def only_thoughts(self) -> bool:
        """Whether the answer has text, and all of it is thoughts."""
        start, end = THOUGHTS
        return self.text.startswith(start) and self.text.find(end) == len(self.text) - len(end)

    def without_secrets(self) -> "Completion":
        """Returns the same answer without the keys that a server may have echoed in it."""
        return replace(
            self,
            text=hide_known(self.text),
            tool_calls=tuple(
                ToolCall(hide_known(call.tool), hide_known(call.code), hide_known(call.output))
                for call in self.tool_calls
            ),
            error=None if self.error is None else hide_known(self.error),
        )


@dataclass(frozen=True)
class Tool:
    """A tool that a model may call while it answers; its calls are part of the completion.

    Attributes:
        name: Its name, for the model.
        description: What it does, for the model.
        run: Takes the model's code and returns the text to send back; blocks, and may be called
            from any thread.
        calls: Maximum number of calls per answer.
    """

    name: str
    description: str
    run: Callable[[str], str]
    calls: int


@dataclass(frozen=True)
class PromptRead:
    """How much of a prompt a model has read, apart from what it knew.

    Attributes:
        tokens: Number of tokens read so far.
        total: Number of tokens to read.
    """

    tokens: int
    total: int


@dataclass(frozen=True)
class Written:
    """How much a model has written of the samples that it draws together.

    Attributes:
        tokens: Number of tokens written so far; all of them once the samples are there.
        most: Number of tokens that all samples may have.
    """

    tokens: int
    most: int


@dataclass(frozen=True)
class Paused:
    """Calls wait before they are sent again.

    Attributes:
        seconds: The longest time until one of them is sent; 0 if none waits any more.
        why: The reason, as part of a sentence.
    """

    seconds: float
    why: str = ""


State = PromptRead | Written | Paused
"""What a model does before it answers."""

Tell = Callable[[State], None]
"""Is told what a model does before it answers; must be quick."""


def untold(state: State) -> None:
    """Ignores what a model does."""


class Pace:
    """Tells a model how many completions of a request the reader has processed.

    With it, a reader can wait for the next completion while it still processes the last one, and so
    journal each one when it arrives, without paying for samples that it may not need.

    Attributes:
        settled: Number of completions that the reader has processed.
        stopped: Whether the reader wants no more completions.
        kept: Set by a model that follows the pace: it does not start another sample just because
            the next completion is requested.
    """

    def __init__(self) -> None:
        self.settled = 0
        self.stopped = False
        self.kept = False
        self._changed = asyncio.Event()

    def settle(self) -> None:
        """Counts one more completion as processed."""
        self.settled += 1
        self._changed.set()

    def stop(self) -> None:
        """Signals that no more samples are wanted, not even those in flight."""
        self.stopped = True
        self._changed.set()

    async def change(self) -> None:
        """Waits until the reader has settled something or stopped; for one task at a time."""
        await self._changed.wait()
        self._changed.clear()


@dataclass(frozen=True)
class Request:
    """A request for samples of one prompt, identified by indices counted from 1.

    Indices are part of the request so that sample 7 is the same whether it is requested as one of
    ten or after a restart, if the model can guarantee that.

    Attributes:
        prompt: The whole prompt.
        indices: Indices of the requested samples, in increasing order.
        seed: Seed of the whole series of samples, from which the seed of each sample is derived.
        max_tokens: Maximum number of generated tokens per sample.
        grammar: GBNF text that every answer must match, or None.
        json_schema: JSON schema that every answer must match, or None.
        continued: Whether the prompt is continued as plain text; else it is the user's message.
        tool: A tool that the model may use, or None.
        pace: Tells how many completions are processed; if None, a completion counts as processed
            when the next one is requested.
        tell: Is told, from the event loop, what happens before an answer arrives.
    """

    prompt: str
    indices: Sequence[int] = (1,)
    seed: int = 0
    max_tokens: int = 2048
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    continued: bool = False
    tool: Tool | None = None
    pace: Pace | None = field(default=None, repr=False, compare=False)
    tell: Tell = field(default=untold, repr=False, compare=False)


class LLM(Protocol):
    """A source of completions; the default implementations suit a model without cost or state."""

    @property
    def name(self) -> str:
        """``provider:model``, as stored with every run."""
        ...

    @property
    def described(self) -> object:
        """What shapes its answers beyond the request: a frozen dataclass, or JSON values."""
        return {"name": self.name}

    @property
    def budget(self) -> "Budget | None":
        """The budget of its calls; None if they cost nothing."""
        return None

    @property
    def address(self) -> str:
        """Where its calls go; empty if it makes none."""
        return ""

    @property
    def concurrent(self) -> bool:
        """Whether it can answer several requests at the same time."""
        return False

    @property
    def reads_files(self) -> bool:
        """Whether it may have read files on this machine, such as those of the data."""
        return False

    def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the completions of ``request``, each as soon as it arrives.

        A model that answers one sample after another can ignore ``request.pace``: the next
        completion is requested only once the last one was processed. A model with several samples
        in flight sets ``request.pace.kept`` before it yields, and starts another sample only while
        the samples in flight or not settled are fewer than its limit. Once the pace is stopped, it
        cancels the calls in flight, yields as its last items what had arrived and, with
        ``finish_reason="cancelled"``, each call that may still be billed, and returns.

        Closing the iterator early cancels what was not yet generated, without yielding it. A failed
        call is a completion with ``finish_reason="error"``, or ``"unanswered"`` if it certainly
        cost nothing; only a failure that would affect all other calls is raised, after the
        completions in flight were yielded.

        Raises:
            ProviderError: No call can succeed (unreachable, no such model, not allowed).
        """
        ...

    def news(self) -> list[str]:
        """Returns what was found out about the model since the last call, one sentence each."""
        return []

    async def aclose(self) -> None:
        """Frees the model's threads, connections and memory, until the next request."""
        return
