"""A model behind any server of OpenAI's chat completions, or of its completions for raw prompts."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from llm_erm.errors import MissingExtraError, ProviderError
from llm_erm.incontext.engine import Answer, Engine, Prompt
from llm_erm.incontext.prompt import ANSWER_SCHEMA, ANSWER_START
from llm_erm.incontext.settings import Settings
from llm_erm.llms.answers import sentence_of
from llm_erm.llms.llm import Completion, Usage

if TYPE_CHECKING:
    from tenacity import RetryCallState

LONGEST_WAIT_SECONDS = 60.0
"""Between two tries, unless the server asks for more."""
_CHAT_ALTERNATIVES = 20
"""Next tokens that a chat server tells the probabilities of, at most."""
_RAW_ALTERNATIVES = 5
"""The same of OpenAI's completions; others tell as many as they are asked for."""
_GO_ON = {"add_generation_prompt": False, "continue_final_message": True}
"""Asks vLLM to go on with the answer that was begun; llama.cpp's server does so anyway."""


class ServerEngine(Engine):
    """A model behind a server, with several calls in flight.

    What was not answered (status 429 and 5xx, a broken connection) is sent again, after the time
    that the server asks for or else with exponential back-off and jitter; what is still not
    answered then ends the run, which goes on from there when it is started again. So no answer is
    ever counted that the model did not give.
    """

    context_tokens: int | None = None
    """The server knows it and refuses what is too long."""

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        *,
        concurrency: int = 8,
        timeout_seconds: float = 600.0,
        retries: int = 4,
    ) -> None:
        """Prepares the client; nothing is sent.

        Args:
            model: The model's name there.
            base_url: Address of the API, with its ``/v1``.
            api_key: The key; any text for a server that asks for none.
            concurrency: Calls in flight at most.
            timeout_seconds: Wall time of one try.
            retries: How often a call is sent again.

        Raises:
            MissingExtraError: The client library is not installed.
        """
        try:
            from openai import OpenAI
        except ImportError as error:
            raise MissingExtraError(
                "The client for servers is not installed; run: pip install 'llm-erm[remote]'"
            ) from error
        self._model = model
        self._base_url = base_url
        self._is_openai = "api.openai.com" in base_url
        self._concurrency = concurrency
        self._retries = retries
        self._client = OpenAI(
            base_url=base_url, api_key=api_key, timeout=timeout_seconds, max_retries=0
        )

    @property
    def name(self) -> str:
        """``server:`` and the model's name."""
        return f"server:{self._model}"

    @property
    def described(self) -> object:
        """What shapes the answers: the model and where it is."""
        return {"name": self.name, "base_url": self._base_url}

    def render(self, message: str, settings: Settings) -> str:
        """Returns the user's message: the server puts its template around it, out of our sight."""
        if settings.raw_prompt and settings.answer == "score":
            return message + ANSWER_START
        return message

    def count_tokens(self, prompt: str) -> int | None:
        """Returns None: only the server knows."""
        return None

    def load(self) -> None:
        """Does nothing: the server has its model."""

    def answer(self, prompts: Sequence[Prompt], settings: Settings) -> Iterator[Answer]:
        """Yields the answers as they arrive.

        Raises:
            ProviderError: The server refuses a request or cannot be reached.
        """
        yield self._ask(prompts[0], settings)
        with ThreadPoolExecutor(self._concurrency) as pool:
            calls = [pool.submit(self._ask, prompt, settings) for prompt in prompts[1:]]
            try:
                yield from _results(calls)
            finally:
                for call in calls:
                    call.cancel()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _ask(self, prompt: Prompt, settings: Settings) -> Answer:
        import openai
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        tries = Retrying(
            retry=retry_if_exception(_was_not_answered),
            stop=stop_after_attempt(self._retries + 1),
            wait=_wait,
            reraise=True,
        )
        started = time.monotonic()
        try:
            said = tries(self._send, prompt, settings)
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise ProviderError(f"{self.name} cannot be reached: {cause}") from error
        except openai.APIError as error:
            raise ProviderError(
                f"{self.name} refused query {prompt.index}: {sentence_of(error)}{_hint(settings)}"
            ) from error
        return self._read(prompt, said, settings, time.monotonic() - started)

    def _send(self, prompt: Prompt, settings: Settings) -> Mapping[str, Any]:
        """Returns the answer as plain JSON: servers differ in more than the client knows."""
        if settings.raw_prompt:
            path, body = "/completions", self._raw(prompt, settings)
        else:
            path, body = "/chat/completions", self._chat(prompt, settings)
        answer = self._client.post(path, body=body, cast_to=object)
        return answer if isinstance(answer, Mapping) else {}

    def _chat(self, prompt: Prompt, settings: Settings) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt.text}]
        body = self._sampling(prompt, settings) | {"messages": messages}
        # The older name is the one that all servers know; OpenAI's newer models refuse it.
        limit = "max_completion_tokens" if self._is_openai else "max_tokens"
        body[limit] = settings.answer_tokens
        if settings.answer == "constrained":
            body["response_format"] = _SCHEMA
        if settings.answer == "score":
            messages.append({"role": "assistant", "content": ANSWER_START})
            body |= {"logprobs": True, "top_logprobs": _CHAT_ALTERNATIVES, **_GO_ON}
        return body

    def _raw(self, prompt: Prompt, settings: Settings) -> dict[str, Any]:
        body = self._sampling(prompt, settings)
        body |= {"prompt": prompt.text, "max_tokens": settings.answer_tokens}
        if settings.answer == "constrained":  # vLLM reads the one, llama.cpp's server the other
            body |= {"response_format": _SCHEMA, "json_schema": ANSWER_SCHEMA}
        if settings.answer == "score":
            body["logprobs"] = _RAW_ALTERNATIVES
        return body

    def _sampling(self, prompt: Prompt, settings: Settings) -> dict[str, Any]:
        if settings.answer == "score":
            return {"model": self._model, "temperature": 0.0}
        return {
            "model": self._model,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": prompt.seed,
        }

    def _read(
        self, prompt: Prompt, said: Mapping[str, Any], settings: Settings, seconds: float
    ) -> Answer:
        """Returns an answer in this project's terms.

        Raises:
            ProviderError: It is not in the API's form.
        """
        try:
            choice, usage = said["choices"][0], said["usage"]
            text = choice["text"] if settings.raw_prompt else choice["message"]["content"]
            details = usage.get("prompt_tokens_details") or {}
            cached = details.get("cached_tokens")
            read = usage["prompt_tokens"]
            completion = Completion(
                index=prompt.index,
                text=text or "",
                usage=Usage(read, cached or 0, usage["completion_tokens"]),
                latency_seconds=seconds,
                finish_reason="length" if choice["finish_reason"] == "length" else "stop",
            )
            score = settings.answer == "score"
            probability = _probability(choice["logprobs"]) if score else None
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ProviderError(
                f"{self.name} answered query {prompt.index} in a form that is not the API's "
                f"({error!r}){_hint(settings)}."
            ) from error
        return Answer(completion, probability, None if cached is None else read - cached)


_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "label", "schema": ANSWER_SCHEMA, "strict": True},
}


def _results(calls: "Sequence[Future[Answer]]") -> Iterator[Answer]:
    """Yields what succeeds; after a failure what is in flight still counts, and nothing is sent."""
    failure: BaseException | None = None
    for call in as_completed(calls):
        if call.cancelled():
            continue
        if (error := call.exception()) is None:
            yield call.result()
        else:
            failure = failure or error
            for waiting in calls:
                waiting.cancel()
    if failure is not None:
        raise failure


def _hint(settings: Settings) -> str:
    """What to change where a server cannot do what was asked of it."""
    match settings.answer:
        case "score":
            return (
                " (if it cannot go on with an answer that was begun or tells no probabilities: "
                "give --answer constrained)"
            )
        case "constrained":
            return " (if it knows no structured output: give --answer generate)"
        case "generate":
            return " (if the prompt is too long for it: give a lower --shots)"


def _probability(logprobs: Mapping[str, Any]) -> float | None:
    """Probability of label 1 among the two, from the most probable next tokens.

    A label that is not among them is taken to be as probable as the least of them, which is the
    most that it can be; None where both are missing.
    """
    if (content := logprobs.get("content")) is not None:  # of chats, and of llama.cpp's server
        listed = [(token["token"], token["logprob"]) for token in content[0]["top_logprobs"]]
    else:
        listed = list(logprobs["top_logprobs"][0].items())
    labels = {"0": 0.0, "1": 0.0}
    for token, logprob in listed:
        if token.strip() in labels:
            labels[token.strip()] += math.exp(logprob)
    if not any(labels.values()):
        return None
    least = math.exp(min(logprob for _, logprob in listed))
    zero, one = (labels[label] or least for label in ("0", "1"))
    return one / (zero + one)


def _was_not_answered(error: BaseException) -> bool:
    """Whether sending the call again may help."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code == 429 or error.status_code >= 500
    timed_out = isinstance(error, openai.APITimeoutError)  # it may have been billed
    return isinstance(error, openai.APIConnectionError) and not timed_out


def _wait(state: "RetryCallState") -> float:
    """Seconds before the next try: what the server asks for, and some jitter, or a back-off."""
    from tenacity import wait_random, wait_random_exponential

    error = state.outcome.exception() if state.outcome is not None else None
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked = max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_SECONDS)(state)
    return asked + wait_random(0, 0.25 + 0.1 * asked)(state)
