"""Clients for the providers' APIs, built on pydantic-ai; the clients' own retries are off."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from llm_erm.errors import InputError
from llm_erm.llms.llm import Request
from llm_erm.llms.wire import patient
from llm_erm.secrets import keep_address, keep_secret, without_user
from llm_erm.settings import OPERATIONAL

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model
    from pydantic_ai.models.openai import OpenAIResponsesModelSettings
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.settings import ModelSettings

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Verbosity = Literal["low", "medium", "high"]
ToolChoice = Literal["auto", "none"]

_OPENAI_HOSTS = (".openai.com", ".azure.com")
_LONGEST_SECONDS = 100 * 24 * 3600.0
"""The client libraries require a time limit; with this one, ours is the only one in effect."""


@dataclass(frozen=True)
class RemoteSettings:
    """Settings of a remote model and of the calls to it.

    Attributes:
        temperature: Sampling temperature; None for the model's default.
        top_p: Share of probability mass to sample from; None for the model's default.
        reasoning_effort: How much a reasoning model thinks; None for the model's default.
        verbosity: How long its text is; None for the model's default.
        tool_choice: Whether it may use its tools.
        code_interpreter: Whether it has the provider's hosted code interpreter.
        timeout_seconds: Maximum wall time of one call, after which it counts as failed.
        retries: Maximum number of retries of a call that certainly got no answer.
        concurrency: Maximum number of calls in flight, for all requests together.
        speculative: Maximum number of samples per request that are in flight or not yet settled.
    """

    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    tool_choice: ToolChoice = "auto"
    code_interpreter: bool = False
    timeout_seconds: Annotated[float, OPERATIONAL] = 1200.0
    retries: Annotated[int, OPERATIONAL] = 4
    concurrency: Annotated[int, OPERATIONAL] = 5
    speculative: Annotated[int, OPERATIONAL] = 1


@dataclass(frozen=True)
class Client:
    """One model of a provider, ready to be called.

    Attributes:
        model: pydantic-ai's model.
        close: Closes the connections.
        call_settings: Returns the settings of every call of a request.
        notices: What was found out about the server and not told yet, one sentence each.
    """

    model: "Model"
    close: Callable[[], Awaitable[None]]
    call_settings: "Callable[[RemoteSettings, Request], ModelSettings]"
    notices: list[str]


def anthropic_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of Anthropic's Messages API."""
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    notices: list[str] = []
    client = AsyncAnthropic(
        api_key=checked_key(api_key),
        base_url=base_url,
        max_retries=0,
        timeout=_LONGEST_SECONDS,
        http_client=patient(DefaultAsyncHttpxClient, model, notices, timeout=_LONGEST_SECONDS),
    )
    provider = AnthropicProvider(anthropic_client=client)
    anthropic = AnthropicModel(model, provider=provider)
    return Client(anthropic, client.close, _thinking_settings, notices)


def chat_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of any server with OpenAI's chat completions API."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    notices: list[str] = []
    client = openai_client(api_key, base_url, model, notices)
    chat = OpenAIChatModel(
        model,
        provider=OpenAIProvider(openai_client=client),
        profile=_profile(renamed_limit=is_openai(base_url)),
    )
    return Client(chat, client.close, _chat_settings, notices)


def gemini_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of Google's Gemini API."""
    import httpx2
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    notices: list[str] = []
    limits = httpx2.Limits(max_connections=None)
    client = patient(httpx2.AsyncClient, model, notices, timeout=_LONGEST_SECONDS, limits=limits)
    provider = GoogleProvider(api_key=checked_key(api_key), base_url=base_url, http_client=client)
    google = GoogleModel(model, provider=provider)
    return Client(google, client.aclose, _thinking_settings, notices)


def ollama_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of an Ollama server."""
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    notices: list[str] = []
    client = openai_client(api_key, base_url, model, notices)
    provider = OllamaProvider(openai_client=client)
    chat = OllamaModel(model, provider=provider, profile=_profile(renamed_limit=False))
    return Client(chat, client.close, _chat_settings, notices)


def responses_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of OpenAI's Responses API, or of a server that offers this API."""
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    notices: list[str] = []
    client = openai_client(api_key, base_url, model, notices)
    responses = OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=client))
    return Client(responses, client.close, _responses_settings, notices)


def vllm_client(model: str, api_key: str, base_url: str | None) -> Client:
    """Returns a model of a vLLM server."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.vllm import VLLMProvider

    notices: list[str] = []
    client = openai_client(api_key, base_url, model, notices)
    chat = OpenAIChatModel(model, provider=VLLMProvider(openai_client=client))
    return Client(chat, client.close, _vllm_settings, notices)


def openai_client(
    api_key: str,
    base_url: str | None,
    model: str,
    notices: list[str],
    needed: Collection[str] = (),
) -> "AsyncOpenAI":
    """Returns OpenAI's own client, without retries or a time limit of its own.

    Args:
        api_key: The key.
        base_url: Address of the API; None for OpenAI's own.
        model: The model that is called.
        notices: Gets what is found out about the server, one sentence each.
        needed: Parameters that are sent even to a server that does not know them.
    """
    from openai import AsyncOpenAI, DefaultAioHttpClient

    return AsyncOpenAI(
        api_key=checked_key(api_key),
        base_url=base_url,
        max_retries=0,
        timeout=None,
        # The client's own transport checks every connection at each call; with 256 connections,
        # that doubles the CPU time.
        http_client=patient(DefaultAioHttpClient, model, notices, needed, timeout=None),
    )


def checked_address(url: str) -> str:
    """Returns the address of an API without surrounding whitespace.

    Raises:
        InputError: The address is incomplete, or contains what may be a secret, which the message
            does not show.
    """
    url = url.strip()
    keep_address(url)
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or a numeric host that is not valid
        whole = False
    if not whole or not url.isprintable() or " " in url:
        raise InputError(
            f"The API address {without_user(url)!r} must begin with http:// or https:// and name a "
            "host, as in http://localhost:8000/v1.",
            setting="base_url",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            f"The API address at {parts.hostname} must not contain a user name, a query or a "
            "fragment, which would not be sent; give the key separately.",
            setting="base_url",
        )
    return url


def checked_key(key: str) -> str:
    """Returns a key that is to be sent, after registering it as a secret.

    Raises:
        InputError: It contains characters that no key has, such as a line end.
    """
    keep_secret(key)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(
            "The key contains characters that no key has, such as a blank or a line end; copy it "
            "again.",
            setting="api_key",
        )
    return key


def is_openai(base_url: str | None) -> bool:
    """Returns whether an address is OpenAI's own, where the limit on output tokens was renamed.

    Other servers know the old name, and some ignore the new one and generate without a limit
    (Ollama: https://github.com/ollama/ollama/issues/7125).
    """
    host = urlsplit(base_url).hostname if base_url else _OPENAI_HOSTS[0]
    return (host or "").endswith(_OPENAI_HOSTS)


def _profile(*, renamed_limit: bool) -> "ModelProfile":
    from pydantic_ai.profiles.openai import OpenAIModelProfile

    return OpenAIModelProfile(openai_chat_supports_max_completion_tokens=renamed_limit)


def _shared_settings(own: RemoteSettings, request: Request) -> "OpenAIResponsesModelSettings":
    from pydantic_ai.models.openai import OpenAIResponsesModelSettings

    settings = OpenAIResponsesModelSettings(max_tokens=request.max_tokens)
    if own.tool_choice == "none":
        settings["tool_choice"] = own.tool_choice
    if own.code_interpreter:
        settings["openai_include_code_execution_outputs"] = True
    return settings


def _thinking_settings(own: RemoteSettings, request: Request) -> "ModelSettings":
    settings = _shared_settings(own, request)
    if own.temperature is not None:
        settings["temperature"] = own.temperature
    if own.top_p is not None:
        settings["top_p"] = own.top_p
    if own.reasoning_effort is not None:
        settings["thinking"] = False if own.reasoning_effort == "none" else own.reasoning_effort
    return settings


def _sampling(own: RemoteSettings) -> dict[str, Any]:
    """Returns what goes into the body beside the library's settings.

    The library would drop these for models that it takes for reasoning ones, and warn of it;
    ``wire`` leaves them out once the server has said that it does not know them.
    """
    given = {"temperature": own.temperature, "top_p": own.top_p}
    return {name: value for name, value in given.items() if value is not None}


def _effort_settings(own: RemoteSettings, request: Request) -> "OpenAIResponsesModelSettings":
    settings = _shared_settings(own, request)
    if own.reasoning_effort is not None:
        # Set directly: the library would drop it for models that it does not know.
        settings["openai_reasoning_effort"] = own.reasoning_effort
    if own.verbosity is not None:
        settings["openai_text_verbosity"] = own.verbosity
    return settings


def _chat_settings(own: RemoteSettings, request: Request) -> "ModelSettings":
    """Returns those of chat completions; a grammar is sent as llama.cpp's server takes it."""
    settings = _effort_settings(own, request)
    extra: Any = _sampling(own)
    if request.grammar is not None:
        extra |= {"grammar": request.grammar}
    elif request.json_schema is not None:
        schema = {"name": "answer", "schema": dict(request.json_schema), "strict": True}
        extra |= {"response_format": {"type": "json_schema", "json_schema": schema}}
    return settings | {"extra_body": extra} if extra else settings


def _vllm_settings(own: RemoteSettings, request: Request) -> "ModelSettings":
    settings = _chat_settings(own, request)
    if request.grammar is not None:
        extra: Any = {"structured_outputs": {"grammar": request.grammar}}
        settings["extra_body"] = _sampling(own) | extra
    return settings


def _responses_settings(own: RemoteSettings, request: Request) -> "ModelSettings":
    settings = _effort_settings(own, request)
    settings["tool_choice"] = own.tool_choice
    extra: Any = _sampling(own)
    if request.tool is None and not own.code_interpreter:
        # The library omits it without tools, but the published call contains it.
        extra |= {"tool_choice": own.tool_choice}
    return settings | {"extra_body": extra} if extra else settings
