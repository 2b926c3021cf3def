"""What every language model looks like to a learner: a request in, a stream of completions out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from llm_erm.llms.budget import Budget

FinishReason = Literal["stop", "length", "refusal", "error", "cancelled"]
"""Why generation ended: on its own, at the token limit, by refusing, by a failed call, or because
the search was over while the call was in flight."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one completion; a cached or reasoning token is also counted in its total."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ToolCall:
    """One use of a tool while answering: what was run and what came back."""

    tool: str
    code: str = ""
    output: str = ""


@dataclass(frozen=True)
class Completion:
    """One answer of a language model, whether or not it is of any use.

    Attributes:
        index: Which sample of the prompt this is, counted from 1.
        text: The answer as the model gave it.
        usage: Tokens spent on it.
        latency_seconds: Wall time from request to last token; samples drawn together share theirs.
        finish_reason: Why generation ended.
        cost_usd: Price of the call in US dollars; None where it is unknown, 0.0 for a local model.
        tool_calls: Tools used on the way, in order.
        error: What went wrong, where it did not stop on its own or at the token limit.
        more_drawn: Whether the next sample was drawn together with this one, so that it is there
            and paid for.
        probability: Of label 1, given that the next token is one of the two labels; None unless
            the labels were scored, and where the model names neither.
        computed_tokens: Prompt tokens that were computed and not found in a cache; None where that
            is unknown.
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


@dataclass(frozen=True)
class Tool:
    """Something a model may use while it answers; every use is part of its completion.

    Attributes:
        name: What the model calls it.
        description: What it does, for the model.
        run: Takes the code that the model wrote, returns the text that it gets back; blocks, and
            may be called from any thread.
        calls: How often one answer may use it.
    """

    name: str
    description: str
    run: Callable[[str], str]
    calls: int


class Pace:
    """How far a reader has come with the completions of a request; the model looks at it.

    With it a reader can ask for the next completion before it has dealt with the last one, and so
    journal each one the moment it arrives, without paying for samples that it may not need.

    Attributes:
        settled: Number of completions that the reader has dealt with.
        stopped: Whether the reader wants no more.
        kept: Set by a model that keeps to the pace: for it, being asked for the next completion is
            no reason to begin another sample.
    """

    def __init__(self) -> None:
        self.settled = 0
        self.stopped = False
        self.kept = False
        self._changed = asyncio.Event()

    def settle(self) -> None:
        """Counts one more completion as dealt with."""
        self.settled += 1
        self._changed.set()

    def stop(self) -> None:
        """Says that no more samples are wanted, not even those in flight."""
        self.stopped = True
        self._changed.set()

    async def change(self) -> None:
        """Waits until the reader has settled something or stopped; for one task at a time."""
        await self._changed.wait()
        self._changed.clear()


@dataclass(frozen=True)
class Request:
    """Samples of one prompt, each named by its index, counted from 1.

    The index is part of the request so that sample 7 is the same whether asked for in one request
    of ten or after a restart, where the model can promise that.

    Attributes:
        prompt: The whole prompt, as the user's message.
        indices: Indices of the samples wanted, in rising order.
        seed: Seed of the whole series of samples; each sample derives its own from it.
        max_tokens: Limit on generated tokens per sample.
        grammar: GBNF text that every answer must match, or None.
        json_schema: JSON schema that every answer must match, or None.
        tool: What the model may use while it answers, or None.
        pace: How far the reader has come; where it is None, a completion is dealt with when the
            next one is asked for.
    """

    prompt: str
    indices: Sequence[int] = (1,)
    seed: int = 0
    max_tokens: int = 2048
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    tool: Tool | None = None
    pace: Pace | None = field(default=None, repr=False, compare=False)


class LLM(Protocol):
    """A source of completions; what is not abstract here suits a model without cost or state."""

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
        """What its calls may cost; None where they cost nothing."""
        return None

    @property
    def concurrent(self) -> bool:
        """Whether it answers several requests at the same time."""
        return False

    def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the completions of ``request``, each as soon as it arrives.

        A model that answers one sample after the other can ignore ``request.pace``: it is asked for
        the next completion only once the last one was dealt with. A model with several samples in
        flight sets ``request.pace.kept`` before it yields, and begins another sample only while
        those in flight and those not settled are together fewer than it may have. Once the pace is
        stopped, it gives up what is in flight, yields as its last items what had arrived and, with
        ``finish_reason="cancelled"``, each call that may be billed all the same, and returns.

        Closing the iterator early cancels what was not yet generated, without yielding it. A failed
        call is a completion with ``finish_reason="error"``; only a fault that no other call
        can escape is raised, after the completions of what was in flight were yielded.

        Raises:
            ProviderError: No call can succeed (unreachable, no such model, not allowed).
        """
        ...

    async def aclose(self) -> None:
        """Frees what the model holds (threads, connections, memory), until it is asked again."""
