"""From a provider's name to pydantic-ai's model: one ``case`` a provider, in alphabetical order."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from llm_erm.errors import MissingExtraError
from llm_erm.llms.budget import Price

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model

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
    "gemini": "google",
    "openai": "openai",
}
_LONGEST_SECONDS = 100 * 24 * 3600.0
"""A time limit that the client libraries need to be given, so that ours is the only one."""


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


def build(connection: Connection) -> "Model":
    """Returns the model behind a connection; nothing is sent.

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


def _build(connection: Connection) -> "Model":
    model, url = connection.model, connection.base_url
    match connection.provider:
        case "anthropic":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            client = AsyncAnthropic(
                api_key=connection.api_key, base_url=url, max_retries=0, timeout=_LONGEST_SECONDS
            )
            return AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))
        case "gemini":
            import httpx2
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            limits = httpx2.Limits(max_connections=None)
            http = httpx2.AsyncClient(timeout=_LONGEST_SECONDS, limits=limits)
            provider = GoogleProvider(api_key=connection.api_key, base_url=url, http_client=http)
            return GoogleModel(model, provider=provider)
        case "ollama":
            from pydantic_ai.models.ollama import OllamaModel
            from pydantic_ai.providers.ollama import OllamaProvider

            return OllamaModel(model, provider=OllamaProvider(openai_client=_openai(connection)))
        case "vllm":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.vllm import VLLMProvider

            return OpenAIChatModel(model, provider=VLLMProvider(openai_client=_openai(connection)))
        case "chat":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIChatModel(
                model, provider=OpenAIProvider(openai_client=_openai(connection))
            )
        case "openai":
            from pydantic_ai.models.openai import OpenAIResponsesModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIResponsesModel(
                model, provider=OpenAIProvider(openai_client=_openai(connection))
            )


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


async def close(model: "Model") -> None:
    """Closes the connections of a model that :func:`build` made."""
    client: Any = model.client  # type: ignore[attr-defined]  # each of those above has one
    await (client.aio.aclose() if model.system.startswith("google") else client.close())


def price_of(connection: Connection) -> Price:
    """Returns the price of a call before it is made, by the list of genai-prices."""
    return partial(_listed_price, connection)


def _listed_price(connection: Connection, prompt_tokens: int, output_tokens: int) -> float | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    name = _PRICE_LISTS.get(connection.provider)
    if name is None and connection.base_url is None:
        return None
    try:
        usage = Usage(input_tokens=prompt_tokens, output_tokens=output_tokens)
        if name is not None:
            priced = calc_price(usage, connection.model, provider_id=name)
        else:
            priced = calc_price(usage, connection.model, provider_api_url=connection.base_url)
    except LookupError:
        return None
    return float(priced.total_price)
