"""A GGUF model in this process that caches the common beginning of the prompts."""

import mmap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llm_erm.cores import usable_cores
from llm_erm.incontext.engine import Engine, Prompt, context_of, label_tokens
from llm_erm.incontext.prompt import ANSWER_SCHEMA, ANSWER_START
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms import weights
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import Completion, PromptRead, Tell, Usage, untold
from llm_erm.llms.runtime import GGUFModel
from llm_erm.runs.fingerprint import file_digest

_METADATA_BYTES = 2**26
"""The metadata of a GGUF file, including its vocabulary, are within this many bytes."""
_PREFERENCE = 100.0
"""Added to the logits of both labels, so that they are the two most probable tokens."""


class LocalEngine(Engine):
    """A model that llama.cpp runs on this machine's processors.

    The model has one slot. Its cache holds the last prompt, so for each query only the part that
    differs from the previous one is computed. If two queries begin alike, a few more tokens are
    found there, which changes rounding slightly: answers are reproducible up to that.
    """

    def __init__(
        self,
        path: Path | None = None,
        threads: int | None = None,
        context_tokens: int | None = None,
    ) -> None:
        """Finds the file without loading it.

        Args:
            path: A GGUF file (default: the embedded SmolLM2-135M-Instruct).
            threads: Number of compute threads (default: one per usable core).
            context_tokens: Maximum number of tokens in a prompt and its answer (default: what the
                model was trained for, but at most 25,000).

        Raises:
            InputError: ``path`` is missing or not a GGUF file, or a number is out of range.
            MissingExtraError: The runtime or the embedded weights are not installed.
        """
        check_limits(threads=threads, context_tokens=context_tokens)
        weights.require_runtime()
        self._path = weights.embedded() if path is None else weights.checked(path)
        name = f"local:{weights.EMBEDDED_NAME if path is None else self._path.stem}"
        self._own_file = path is not None
        self._model = GGUFModel(self._path, name, threads or usable_cores())
        self._asked_context = context_tokens

    @property
    def name(self) -> str:
        """``local:`` and the name of the model."""
        return self._model.name

    @property
    def described(self) -> object:
        """What shapes the answers: the model, its file and the context."""
        digest = file_digest(self._path) if self._own_file else weights.EMBEDDED_SHA256
        return {
            "name": self.name,
            "file_sha256": digest,
            "context_tokens": self._asked_context,
        }

    @property
    def context_tokens(self) -> int:
        """Maximum number of tokens in a prompt and its answer.

        Raises:
            InputError: More were requested than the model was trained for.
        """
        trained: int = self._model.ask("/v1/models")["data"][0]["meta"]["n_ctx_train"]
        return context_of(self.name, trained, self._asked_context)

    def render(self, message: str, settings: InContextSettings) -> str:
        """Returns what the model reads for a message, in its chat template if it has one."""
        if settings.raw_prompt or not self._has_template():
            text = message
        else:
            messages = [{"role": "user", "content": message}]
            text = self._model.ask("/apply-template", {"messages": messages})["prompt"]
        return text + ANSWER_START if settings.answer == "score" else text

    def count_tokens(self, prompt: str) -> int:
        """Returns the number of tokens in a rendered prompt."""
        return len(self._tokens(prompt))

    def load(self) -> None:
        """Loads the model with room for the whole context.

        Raises:
            InputError: The file fails to load.
        """
        self._model.load(context_tokens=self.context_tokens, parallel=1, long_prompts=True)

    def answer(
        self, prompts: Sequence[Prompt], settings: InContextSettings, tell: Tell = untold
    ) -> Iterator[Completion]:
        """Yields the answers in order, one after the other.

        Raises:
            InputError: The model refuses a request.
        """
        labels = label_tokens(self.name, self._tokens) if settings.answer == "score" else ()
        for prompt in prompts:
            started = time.monotonic()
            query = _query(prompt, settings, labels)
            reply = self._model.ask("/completion", query, lambda *read: tell(PromptRead(*read)))
            yield _answer(prompt, reply, time.monotonic() - started)

    def close(self) -> None:
        """Frees the memory."""
        self._model.unload()

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self._model.ask("/tokenize", {"content": text, "add_special": True})[
            "tokens"
        ]
        return found

    def _has_template(self) -> bool:
        """Returns whether the file contains a chat template; else the runtime makes one up."""
        with (
            self._path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return data.find(b"tokenizer.chat_template", 0, _METADATA_BYTES) >= 0


def _query(prompt: Prompt, settings: InContextSettings, labels: Sequence[int]) -> dict[str, Any]:
    query = {
        "prompt": prompt.text,
        "cache_prompt": True,
        "seed": prompt.seed,
        "n_predict": settings.answer_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": 0,
        "min_p": 0.0,
    }
    if settings.answer == "constrained":
        query["json_schema"] = ANSWER_SCHEMA
    if labels:
        query |= {"temperature": 1.0, "top_p": 1.0, "n_probs": 2, "post_sampling_probs": True}
        query["top_k"] = len(labels)  # what remains of a vocabulary that is costly to sort
        query["logit_bias"] = [[token, _PREFERENCE] for token in labels]
    return query


def _answer(prompt: Prompt, reply: dict[str, Any], seconds: float) -> Completion:
    timings = reply["timings"]
    computed, cached = timings["prompt_n"], timings["cache_n"]
    probability = _probability(reply)
    return Completion(
        index=prompt.index,
        text=reply["content"] if probability is None else str(int(probability > 0.5)),
        usage=Usage(computed + cached, cached, reply["tokens_predicted"]),
        latency_seconds=seconds,
        finish_reason="length" if reply["stop_type"] == "limit" else "stop",
        cost_usd=0.0,
        probability=probability,
        computed_tokens=computed,
    )


def _probability(reply: dict[str, Any]) -> float | None:
    """Returns the probability of label 1 relative to both labels, if they were compared."""
    if not (compared := reply.get("completion_probabilities")):
        return None
    given = {token["token"]: token["prob"] for token in compared[0]["top_probs"]}
    return float(given["1"] / (given["0"] + given["1"]))
