"""Calls a server with OpenAI's APIs in plain JSON, below pydantic-ai's layer.

pydantic-ai does not cover raw prompts, continued answers and probabilities of next tokens, and
servers differ in more ways than a typed client knows. Usage and failures are handled as for every
other model.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_erm.errors import MissingExtraError
from llm_erm.llms.answers import to_completion
from llm_erm.llms.clients import checked_address, openai_client
from llm_erm.llms.llm import Completion

if TYPE_CHECKING:
    import openai
    from pydantic_ai import exceptions

_QUOTA_CODES = {
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "insufficient_quota",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
}
"""Codes that OpenAI sends with status 429 although waiting does not help:
https://developers.openai.com/api/docs/guides/error-codes."""

_NEEDED = ("response_format",)
"""Parameters without which answers are not what they are said to be."""

_FINISH_REASONS = {"length": "length", "content_filter": "content_filter"}


class PlainClient:
    """Posts JSON to one model of a server.

    Args:
        model: The server's name for the model.
        base_url: Address of the API, including ``/v1``.
        api_key: The key; any text if the server needs no key.

    Raises:
        InputError: The address or the key is not valid.
        MissingExtraError: The client library is not installed.
    """

    def __init__(self, model: str, base_url: str, api_key: str) -> None:
        base_url = checked_address(base_url)
        self.notices: list[str] = []
        try:
            self._connect = partial(openai_client, api_key, base_url, model, self.notices, _NEEDED)
            self._client: openai.AsyncOpenAI | None = self._connect()
        except ImportError as error:
            raise MissingExtraError(
                "The client for servers is not installed; run: pip install 'llm-erm[remote]'"
            ) from error
        self.model = model
        self.base_url = base_url

    def __getstate__(self) -> dict[str, object]:
        """Returns the state without the connections, for another process."""
        return {**self.__dict__, "_client": None}

    async def post(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Completion]:
        """Returns the JSON response to a request, and the completion in it.

        Args:
            path: ``/chat/completions`` or ``/completions``.
            body: The request, without the model.

        Raises:
            ModelAPIError: The call failed; this is pydantic-ai's exception.
            LookupError | TypeError | AttributeError: The answer is not in the API's format.
        """
        if self._client is None:
            self._client = self._connect()
        with _library_errors(self.model):
            answer: Any = await self._client.post(
                path, body={"model": self.model, **body}, cast_to=object
            )
        if isinstance(answer, str):
            raise TypeError("expected JSON data")
        return answer, self._completion(answer)

    async def aclose(self) -> None:
        """Closes the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _completion(self, answer: Mapping[str, Any]) -> Completion:
        from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart
        from pydantic_ai.usage import RequestUsage

        choice = answer["choices"][0]
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        usage = answer.get("usage") or {}  # some servers do not report it
        prompt = usage.get("prompt_tokens_details") or {}
        output = usage.get("completion_tokens_details") or {}
        reason, refusal = choice.get("finish_reason"), message.get("refusal")
        thoughts = message.get("reasoning_content") or message.get("reasoning")
        response = ModelResponse(
            parts=[
                *([ThinkingPart(thoughts)] if isinstance(thoughts, str) else []),
                TextPart(message["content"] or ""),
            ],
            usage=RequestUsage(
                input_tokens=usage.get("prompt_tokens", 0),
                cache_read_tokens=prompt.get("cached_tokens") or 0,
                output_tokens=usage.get("completion_tokens", 0),
                details={"reasoning_tokens": output.get("reasoning_tokens") or 0},
            ),
            model_name=answer.get("model") or self.model,
            provider_name="openai",
            provider_url=self.base_url,
            finish_reason="content_filter" if refusal else _FINISH_REASONS.get(reason, "stop"),  # type: ignore[arg-type]
            provider_details={"finish_reason": reason, **({"refusal": refusal} if refusal else {})},
        )
        return to_completion(response, 0, 0.0)


@contextmanager
def _library_errors(model: str) -> Iterator[None]:
    """Turns the client's exceptions into pydantic-ai's, as its own models do."""
    import openai
    from pydantic_ai import exceptions

    try:
        yield
    except openai.APIStatusError as error:
        raise exceptions.ModelHTTPError.for_category(
            _category(error),
            status_code=error.status_code,
            model_name=model,
            body=error.body,
            headers=dict(error.response.headers),
            provider_error_code=error.code,
            provider_error_type=error.type,
        ) from error
    except openai.APIConnectionError as error:
        timed_out = isinstance(error, openai.APITimeoutError)
        kind = exceptions.ModelTimeoutError if timed_out else exceptions.ModelConnectionError
        not_sent = _was_not_sent(error)
        raise kind(model, error.message, phase="connect" if not_sent else None) from error
    except openai.APIError as error:
        raise exceptions.ModelAPIError(model, error.message, body=error.body) from error


def _category(
    error: "openai.APIStatusError",
) -> "type[exceptions.ModelQuotaExceededError | exceptions.ModelRequestRejectedError] | None":
    from pydantic_ai import exceptions

    if error.status_code == 402 or {error.code, error.type} & _QUOTA_CODES:
        return exceptions.ModelQuotaExceededError
    if error.status_code in (400, 401, 403, 404, 422):
        return exceptions.ModelRequestRejectedError
    return None


def _was_not_sent(error: BaseException | None) -> bool:
    """Returns whether a call failed before it could be sent."""
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout"):
            return True
        error = error.__cause__
    return False
