"""A server of OpenAI's APIs asked in plain JSON: what lies below pydantic-ai's layer.

Raw prompts, answers that were begun and probabilities of next tokens are not in pydantic-ai's
terms, and servers differ in more than a typed client knows. The account of an answer and the
meaning of a fault are the same as for every other model.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_erm.errors import MissingExtraError
from llm_erm.llms.answers import to_completion
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
"""Codes that OpenAI sends with status 429 though no waiting helps:
https://developers.openai.com/api/docs/guides/error-codes."""

_FINISH_REASONS = {"length": "length", "content_filter": "content_filter"}


class PlainClient:
    """Posts JSON to one model of a server.

    Args:
        model: The model's name there.
        base_url: Address of the API, with its ``/v1``.
        api_key: The key; any text for a server that asks for none.

    Raises:
        MissingExtraError: The client library is not installed.
    """

    def __init__(self, model: str, base_url: str, api_key: str) -> None:
        try:
            from llm_erm.llms.clients import openai_client

            self._connect = partial(openai_client, api_key, base_url)
            self._client: openai.AsyncOpenAI | None = self._connect()
        except ImportError as error:
            raise MissingExtraError(
                "The client for servers is not installed; run: pip install 'llm-erm[remote]'"
            ) from error
        self.model = model
        self.base_url = base_url

    async def post(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Completion]:
        """Returns the JSON that a request brings, and what it says.

        Args:
            path: ``/chat/completions`` or ``/completions``.
            body: The request, without the model.

        Raises:
            ModelAPIError: pydantic-ai's; the call failed.
            LookupError | TypeError | AttributeError: The answer is not in the API's form.
        """
        if self._client is None:
            self._client = self._connect()
        with _library_errors(self.model):
            said: Any = await self._client.post(
                path, body={"model": self.model, **body}, cast_to=object
            )
        if isinstance(said, str):
            raise TypeError("expected JSON data")
        return said, self._completion(said)

    async def aclose(self) -> None:
        """Closes the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _completion(self, said: Mapping[str, Any]) -> Completion:
        from pydantic_ai.messages import ModelResponse, TextPart
        from pydantic_ai.usage import RequestUsage

        choice = said["choices"][0]
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        usage = said.get("usage") or {}  # some servers tell none
        prompt = usage.get("prompt_tokens_details") or {}
        output = usage.get("completion_tokens_details") or {}
        reason, refusal = choice.get("finish_reason"), message.get("refusal")
        response = ModelResponse(
            parts=[TextPart(message["content"] or "")],
            usage=RequestUsage(
                input_tokens=usage.get("prompt_tokens", 0),
                cache_read_tokens=prompt.get("cached_tokens") or 0,
                output_tokens=usage.get("completion_tokens", 0),
                details={"reasoning_tokens": output.get("reasoning_tokens") or 0},
            ),
            model_name=said.get("model") or self.model,
            provider_name="openai",
            provider_url=self.base_url,
            finish_reason="content_filter" if refusal else _FINISH_REASONS.get(reason, "stop"),  # type: ignore[arg-type]
            provider_details={"finish_reason": reason, **({"refusal": refusal} if refusal else {})},
        )
        completion = to_completion(response, 0, 0.0)
        return completion if usage else replace(completion, cost_usd=None)


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
    except ValueError as error:  # neither JSON nor text
        said = f"Failed to decode response as JSON: {error}"
        raise exceptions.ModelAPIError(model, said) from error


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
    """Whether there was no connection to send a call through."""
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout"):
            return True
        error = error.__cause__
    return False
