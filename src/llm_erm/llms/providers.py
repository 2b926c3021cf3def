"""The providers of language models: each is one row of ``PROVIDERS``."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms import clients
from llm_erm.llms.budget import Budget
from llm_erm.llms.clients import (
    Client,
    ReasoningEffort,
    RemoteSettings,
    ToolChoice,
    Verbosity,
)
from llm_erm.llms.llm import LLM
from llm_erm.llms.local import DEFAULT_CONTEXT_TOKENS, LocalLLM
from llm_erm.llms.remote import RemoteLLM
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.llms.transformers_model import TransformersLLM
from llm_erm.phrases import either

Constraint = Literal["grammar", "block", "free-block", "schema", "none"]
"""What a search asks a model for, and what the answers must match: an expression that matches the
small grammar; a fenced block of Python that matches a grammar, or that need not; JSON that matches
its schema, or that need not."""

OWN_CONTEXT_TOKENS = 32_768
"""Enough for 100 examples of length 100, which take about 12,000 tokens, and a batch of answers."""


class ModelSettings(TypedDict, total=False):
    """Settings of a model; each provider takes some of them.

    Attributes:
        api_key: The key, unless the server needs none.
        base_url: Address of the API (default: the provider's own).
        budget: Limits what may be spent.
        temperature: Sampling temperature; 0 for the likeliest token each time.
        top_p: Share of probability mass to sample from, above 0 and up to 1.
        reasoning_effort: How much the model thinks.
        verbosity: How long the text of its answers is.
        tool_choice: Whether it may use its tools.
        code_interpreter: Whether it has the provider's hosted code interpreter.
        timeout_seconds: Maximum wall time of one call.
        retries: Maximum number of retries of a call that certainly got no answer.
        concurrency: Maximum number of calls in flight, for all requests together.
        speculative: Maximum number of samples per request that are in flight or not yet settled.
        threads: Number of compute threads.
        context_tokens: Maximum number of tokens in the prompt and all samples drawn together.
    """

    api_key: str
    base_url: str
    budget: Budget
    temperature: float
    top_p: float
    reasoning_effort: ReasoningEffort
    verbosity: Verbosity
    tool_choice: ToolChoice
    code_interpreter: bool
    timeout_seconds: float
    retries: int
    concurrency: int
    speculative: int
    threads: int
    context_tokens: int


@dataclass(frozen=True)
class Defaults:
    """Default settings of a search whose candidates a model proposes.

    Attributes:
        attempts: Maximum number of candidates.
        max_tokens: Maximum number of generated tokens per attempt.
        constraint: What the model is asked for, and what its answers must match.
    """

    attempts: int = 5
    max_tokens: int = 20_000
    constraint: Constraint = "none"


def _usual(model: str | None, constraint: Constraint | None) -> Defaults:
    return Defaults(constraint=constraint or "none")


@dataclass(frozen=True)
class Provider:
    """One row of the table.

    Attributes:
        name: The part before the colon in the name of a model.
        build: Builds a model from its name (None for the default one) and the given settings,
            without sending or loading anything.
        default_model: The model used if none is named, or None.
        needs_model: Whether a model must be named.
        settings: Names of the settings that it takes.
        given: Default values of settings.
        key_variables: Environment variables that usually hold a key.
        needs_key: Whether it requires a key.
        address: Default address of the API; None for the client's own default.
        address_variables: Environment variables that usually hold another address.
        needs_address: Whether it is any server, which has to be named.
        price_list: Provider in genai-prices to use if the address is unknown there.
        constraints: What a search can ask its models for; those with a grammar or a schema are
            sent by its client.
        defaults: Returns the default settings of a search for a model name and a constraint.
    """

    name: str
    build: Callable[[str | None, ModelSettings], LLM]
    default_model: str | None = None
    needs_model: bool = False
    settings: frozenset[str] = frozenset()
    given: ModelSettings = field(default_factory=ModelSettings)
    key_variables: tuple[str, ...] = ()
    needs_key: bool = False
    address: str | None = None
    address_variables: tuple[str, ...] = ()
    needs_address: bool = False
    price_list: str | None = None
    constraints: tuple[Constraint, ...] = ("none", "free-block")
    defaults: Callable[[str | None, Constraint | None], Defaults] = _usual

    def usual(self, model: str | None, constraint: Constraint | None) -> Defaults:
        """Returns the default settings of a search for a model name and a constraint, if any.

        Raises:
            InputError: The provider cannot hold answers to the constraint.
        """
        if constraint not in (None, *self.constraints):
            raise InputError(
                f"{self.name} cannot hold answers to the constraint {constraint}; give "
                f"{either(self.constraints)}.",
                setting="constraint",
            )
        return self.defaults(model, constraint)

    @property
    def remote(self) -> bool:
        """Whether calls go to a server and count against a budget.

        Such models can use our tools.
        """
        return "budget" in self.settings


_REMOTE = {one.name for one in fields(RemoteSettings)} | {"api_key", "base_url", "budget"}
_OPENAI_KEY = ("OPENAI_API_KEY",)


def _remote(
    name: str,
    client: Callable[[str, str, str | None], Client],
    *without: str,
    key_variables: tuple[str, ...] = _OPENAI_KEY,
    **more: Any,  # noqa: ANN401 - the other columns
) -> Provider:
    """Returns the row of a provider with an API.

    Args:
        name: The provider.
        client: Makes the client from the model's name, the key and the address.
        without: Settings of remote models that this provider lacks.
        key_variables: Environment variables for the key (default: OpenAI's, for your own servers).
        more: Other columns of the row.
    """

    def build(model: str | None, settings: ModelSettings) -> LLM:
        assert model is not None  # it is required or has a default
        given: dict[str, Any] = dict(settings)
        key, url = given.pop("api_key", None) or "unused", given.pop("base_url", None)
        budget = given.pop("budget", None)
        connect = partial(client, model, key, url)
        own = RemoteSettings(**given)
        try:
            return RemoteLLM(f"{name}:{model}", connect, own, base_url=url, budget=budget)
        except ImportError as error:
            raise MissingExtraError(
                f"The client for {name} is not installed; run: pip install 'llm-erm[remote]'"
            ) from error

    return Provider(
        name,
        build,
        needs_model=True,
        settings=frozenset(_REMOTE - set(without)),
        key_variables=key_variables,
        **more,
    )


def _local(model: str | None, settings: ModelSettings) -> LLM:
    usual = DEFAULT_CONTEXT_TOKENS if model is None else OWN_CONTEXT_TOKENS
    return LocalLLM(
        None if model is None else Path(model),
        threads=settings.get("threads"),
        context_tokens=settings.get("context_tokens", usual),
        temperature=settings.get("temperature", 1.0),
        top_p=settings.get("top_p", 1.0),
    )


def _local_defaults(model: str | None, constraint: Constraint | None) -> Defaults:
    """Returns a budget of many short expressions, or of a few programs for other models."""
    match constraint or ("grammar" if model is None else "block"):
        case "grammar":
            return Defaults(256, 64, "grammar")
        case form:
            return Defaults(16, 1024, form)


def _server_defaults(model: str | None, constraint: Constraint | None) -> Defaults:
    return Defaults(constraint=constraint or "free-block")


def _own_defaults(model: str | None, constraint: Constraint | None) -> Defaults:
    return Defaults(16, 1024, constraint or "free-block")


def _transformers(model: str | None, settings: ModelSettings) -> LLM:
    assert model is not None  # it is required
    return TransformersLLM(model, settings.get("temperature"), settings.get("top_p"))


def _scripted(model: str | None, settings: ModelSettings) -> LLM:
    assert model is not None  # it is required
    return ScriptedLLM.from_file(Path(model))


PROVIDERS: dict[str, Provider] = {
    row.name: row
    for row in (
        _remote(
            "anthropic",
            clients.anthropic_client,
            "verbosity",
            key_variables=("ANTHROPIC_API_KEY",),
            needs_key=True,
            price_list="anthropic",
        ),
        _remote(
            "chat",
            clients.chat_client,
            "code_interpreter",
            address_variables=("OPENAI_BASE_URL",),
            needs_address=True,
            price_list="openai",
            constraints=("free-block", "block", "schema", "none"),
            defaults=_server_defaults,
        ),
        _remote(
            "gemini",
            clients.gemini_client,
            "verbosity",
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            needs_key=True,
            price_list="google",
        ),
        _remote(
            "ollama",
            clients.ollama_client,
            "code_interpreter",
            address="http://localhost:11434/v1",
            constraints=("free-block", "schema", "none"),
            defaults=_server_defaults,
        ),
        _remote(
            "openai",
            clients.responses_client,
            default_model="gpt-5",
            given={"reasoning_effort": "high", "verbosity": "low"},
            needs_key=True,
            address_variables=("OPENAI_BASE_URL",),
            price_list="openai",
        ),
        _remote(
            "vllm",
            clients.vllm_client,
            "code_interpreter",
            address="http://localhost:8000/v1",
            constraints=("free-block", "block", "schema", "none"),
            defaults=_server_defaults,
        ),
        Provider(
            "local",
            _local,
            settings=frozenset({"threads", "context_tokens", "temperature", "top_p"}),
            constraints=get_args(Constraint),
            defaults=_local_defaults,
        ),
        Provider(
            "transformers",
            _transformers,
            needs_model=True,
            settings=frozenset({"temperature", "top_p"}),
            defaults=_own_defaults,
        ),
        Provider(
            "scripted",
            _scripted,
            needs_model=True,
            constraints=get_args(Constraint),
        ),
    )
}
"""Every provider by its name: ``openai`` is the Responses API, ``chat`` any server of chat
completions, ``local`` a model in this process, ``transformers`` one that transformers runs there,
``scripted`` a file of answers."""


def key_variables() -> tuple[str, ...]:
    """Returns the environment variables that usually hold the providers' keys."""
    return tuple(dict.fromkeys(name for row in PROVIDERS.values() for name in row.key_variables))
