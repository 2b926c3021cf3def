"""From a provider's name to pydantic-ai's model: one ``case`` a provider, in alphabetical order."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from llm_erm.errors import MissingExtraError
from llm_erm.llms.budget import Price

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model
    from pydantic_ai.profiles import ModelProfile

Provider = Literal["anthropic", "chat", "gemini", "ollama", "openai", "vllm"]
"""Who answers: ``openai`` is the Responses API, ``chat`` any server of chat completions."""

HOSTED_TOOL: tuple[Provider, ...] = ("anthropic", "gemini", "openai")
"""Providers with a code interpreter of their own."""

ADDRESSES: dict[Provider, str] = {
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}
"""Where the servers that run on one's own machine listen by default."""

_PRICE_LISTS: dict[Provider, str] = {
    "anthropic": "anthropic",
    "chat": "openai",
    "gemini": "google",
    "openai": "openai",
}
_OPENAI_HOSTS = (".openai.com", ".azure.com")
_LONGEST_SECONDS = 100 * 24 * 3600.0
"""A time limit that the client libraries need to be given, so that ours is the only one."""


MOST_CALLS = 1000
"""Connections that the client libraries hold; more calls would wait there, their time running."""


@dataclass(frozen=True)
class Connection:
    """Where and how a provider is reached.

    Attributes:
        provider: Which one.
        model: The model's name there.
        api_key: The key; any text for a server that asks for none.
        base_url: Address of the API; the provider's own where it is None.
    """

    provider: Provider
    model: str
    api_key: str
    base_url: str | None = None


Close = Callable[[], Awaitable[None]]
"""Closes a model's connections."""


def build(connection: Connection) -> "tuple[Model, Close]":
    """Returns the model behind a connection and what closes it; nothing is sent.

    The clients' own time limits and repeats are off, so that neither is paid for unseen.

    Raises:
        MissingExtraError: The client library is not installed.
    """
    try:
        return _build(connection)
    except ImportError as error:
        raise MissingExtraError(
            f"The client for {connection.provider} is not installed; run: "
            "pip install 'llm-erm[remote]'"
        ) from error


def _build(connection: Connection) -> "tuple[Model, Close]":
    model, url = connection.model, connection.base_url
    client: Any
    match connection.provider:
        case "anthropic":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            client = AsyncAnthropic(
                api_key=connection.api_key, base_url=url, max_retries=0, timeout=_LONGEST_SECONDS
            )
            provider: Any = AnthropicProvider(anthropic_client=client)
            return AnthropicModel(model, provider=provider), client.close
        case "gemini":
            import httpx2
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            limits = httpx2.Limits(max_connections=None)
            client = httpx2.AsyncClient(timeout=_LONGEST_SECONDS, limits=limits)
            provider = GoogleProvider(api_key=connection.api_key, base_url=url, http_client=client)
            return GoogleModel(model, provider=provider), client.aclose
        case "ollama":
            from pydantic_ai.models.ollama import OllamaModel
            from pydantic_ai.providers.ollama import OllamaProvider

            client = _openai(connection)
            provider = OllamaProvider(openai_client=client)
            profile = _profile(connection)
            return OllamaModel(model, provider=provider, profile=profile), client.close
        case "vllm":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.vllm import VLLMProvider

            client = _openai(connection)
            return OpenAIChatModel(model, provider=VLLMProvider(openai_client=client)), client.close
        case "chat":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            client = _openai(connection)
            provider = OpenAIProvider(openai_client=client)
            profile = _profile(connection)
            return OpenAIChatModel(model, provider=provider, profile=profile), client.close
        case "openai":
            from pydantic_ai.models.openai import OpenAIResponsesModel
            from pydantic_ai.providers.openai import OpenAIProvider

            client = _openai(connection)
            provider = OpenAIProvider(openai_client=client)
            return OpenAIResponsesModel(model, provider=provider), client.close


def _openai(connection: Connection) -> "AsyncOpenAI":
    from openai import AsyncOpenAI, DefaultAioHttpClient

    return AsyncOpenAI(
        api_key=connection.api_key,
        base_url=connection.base_url or ADDRESSES.get(connection.provider),
        max_retries=0,
        timeout=None,
        # The client's own transport looks at every connection on each call: with 256 of them that
        # takes twice the processor time.
        http_client=DefaultAioHttpClient(timeout=None),
    )


def _profile(connection: Connection) -> "ModelProfile":
    """What a chat server understands: OpenAI's own has renamed the limit of output tokens.

    Others know the old name, and some of them ignore the new one and write on without a limit
    (Ollama: https://github.com/ollama/ollama/issues/7125).
    """
    from pydantic_ai.profiles.openai import OpenAIModelProfile

    host = urlsplit(connection.base_url).hostname if connection.base_url else _OPENAI_HOSTS[0]
    own = connection.provider == "chat" and (host or "").endswith(_OPENAI_HOSTS)
    return OpenAIModelProfile(openai_chat_supports_max_completion_tokens=own)


def price_of(connection: Connection) -> Price:
    """Returns the price of a call before it is made, by the list of genai-prices."""
    return partial(_listed_price, connection)


def _listed_price(connection: Connection, prompt_tokens: int, output_tokens: int) -> float | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    usage = Usage(input_tokens=prompt_tokens, output_tokens=output_tokens)
    places = {
        "provider_api_url": connection.base_url,
        "provider_id": _PRICE_LISTS.get(connection.provider),
    }
    for key, place in places.items():  # the address first, as the price of an answer is found
        if place is not None:
            where: Any = {key: place}
            with suppress(LookupError):
                return float(calc_price(usage, connection.model, **where).total_price)
    return None
