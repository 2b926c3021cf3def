"""A GGUF model in this process that samples many answers to one prompt at a time."""

import asyncio
import hashlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from llm_erm.cores import usable_cores
from llm_erm.errors import InputError
from llm_erm.llms import weights
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import (
    LLM,
    Completion,
    Request,
    State,
    Tell,
    Written,
    untold,
)
from llm_erm.llms.oddities import fewest_tokens
from llm_erm.llms.runtime import GGUFModel, free_later
from llm_erm.llms.samples import Collector, Drawn, Sample

DEFAULT_CONTEXT_TOKENS = 8192
DEFAULT_PARALLEL = 32
"""Samples per batch; all are verified, and smaller batches miss the shortest rule more often."""

STOP_SECONDS = 0.5
"""Whoever stops a search waits no longer than this for the model to notice."""


@dataclass(frozen=True)
class LocalModel:
    """Settings that shape the samples of a model in this process.

    Attributes:
        name: ``local:`` and the name of the model.
        sha256: Digest of its file; None for the embedded model, whose file is checked.
        context_tokens: Maximum number of tokens in the prompt and all samples drawn together.
        parallel: Maximum number of samples drawn together.
        temperature: Sampling temperature.
        top_p: Share of probability mass to sample from.
    """

    name: str
    sha256: str | None
    context_tokens: int
    parallel: int
    temperature: float
    top_p: float


class LocalLLM(LLM):
    """A language model that llama.cpp runs on this machine's processors.

    Samples are drawn in batches that start at fixed indices, each with its own seed, so a sample
    does not depend on which samples were requested before: the same request (prompt, seed, last
    index, limits) gives the same samples from any first index on, on the same kind of machine. The
    embedded model computes each batch on one thread, and as many batches at once as there are
    threads, so its samples do not depend on ``threads`` either, and other busy processes cannot
    stall it (llama.cpp's threads spin while they wait for each other). For your own model, all
    threads work on one batch, since they read large weights faster together; there, another number
    of threads rounds differently and gives other samples.

    A prompt is sent to the model as a user's message, in the model's own chat format, or continued
    as plain text if the request says so.

    Args:
        path: A GGUF file (default: the embedded SmolLM2-135M-Instruct).
        threads: Number of compute threads (default: one per usable core).
        context_tokens: Maximum number of tokens in the prompt and all samples drawn together.
        parallel: Maximum number of samples drawn together.
        temperature: Sampling temperature; at 0, all samples are the same.
        top_p: Share of probability mass to sample from, above 0 and up to 1.

    Raises:
        InputError: ``path`` is missing or not a GGUF file, or a number is out of range.
        MissingExtraError: The runtime or the embedded weights are not installed.
    """

    def __init__(
        self,
        path: Path | None = None,
        threads: int | None = None,
        context_tokens: int = DEFAULT_CONTEXT_TOKENS,
        parallel: int = DEFAULT_PARALLEL,
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> None:
        check_limits(
            threads=threads,
            context_tokens=context_tokens,
            parallel=parallel,
            temperature=temperature,
            top_p=top_p,
        )
        weights.require_runtime()
        self.threads = threads or usable_cores()
        self._context_tokens = context_tokens
        self._parallel = parallel
        self._sampling = {"temperature": temperature, "top_p": top_p}
        if path is None:
            self._name = f"local:{weights.EMBEDDED_NAME}"
            file, copies, each = weights.embedded(), self.threads, 1
        else:
            self._name = f"local:{path.stem}"
            file, copies, each = weights.checked(path), 1, self.threads
        self._path = path
        self._own_file = None if path is None else file
        self._copies = [
            _Copy(GGUFModel(file, self._name, each), context_tokens, parallel, self._sampling)
            for _ in range(copies)
        ]
        self._threads = ThreadPoolExecutor(copies, "model")  # asyncio's own are waited for

    def __reduce__(self) -> tuple[type["LocalLLM"], tuple[Any, ...]]:
        """Returns how another process makes the same model, which loads the weights there."""
        own = (self._path, self.threads, self._context_tokens, self._parallel)
        return LocalLLM, (*own, *self._sampling.values())

    @property
    def name(self) -> str:
        """``local:`` and the name of the model."""
        return self._name

    @property
    def described(self) -> object:
        """What shapes the samples: the file, how they are drawn, and how many together."""
        digest = None
        if self._own_file is not None:
            with self._own_file.open("rb") as data:
                digest = hashlib.file_digest(data, "sha256").hexdigest()
        return LocalModel(
            self._name, digest, self._context_tokens, self._parallel, **self._sampling
        )

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples from the first to the last requested index in order, batch by batch.

        Closing the iterator early stops running batches at their next token, or at the next part
        of a long prompt.

        Raises:
            InputError: The prompt is longer than the context, the runtime does not understand the
                grammar or schema, or the file fails to load.
        """
        first_index, last_index = request.indices[0], request.indices[-1]
        stop = threading.Event()
        drawing: deque[tuple[int, asyncio.Future[Drawn]]] = deque()
        loop = asyncio.get_running_loop()
        in_thread = partial(loop.run_in_executor, self._threads)

        def tell(state: State) -> None:
            with suppress(RuntimeError):  # the loop of a stopped search may be closed
                loop.call_soon_threadsafe(request.tell, state)

        heard = tell if len(self._copies) == 1 else untold  # the embedded model is fast
        try:
            # Every copy caches the prompt first, so that all batches start from equal states.
            prompts = [
                in_thread(copy.read_prompt, request, stop, untold if number else tell)
                for number, copy in enumerate(self._copies)
            ]
            room = self._context_tokens - max(await asyncio.gather(*prompts))
            width = max(1, min(self._parallel, room // max(1, request.max_tokens)))
            batches = iter(range((first_index - 1) // width, (last_index - 1) // width + 1))

            def start(batches: Iterable[int]) -> None:
                for batch in batches:
                    first = batch * width + 1
                    count = min(width, last_index - first + 1)
                    copy = self._copies[batch % len(self._copies)]
                    seed = batch_seed(request.seed, batch)
                    draw = partial(copy.draw, request, seed, count, stop, tell=heard)
                    drawing.append((first, in_thread(draw)))

            start(islice(batches, len(self._copies)))
            while drawing:
                first, task = drawing[0]
                samples, seconds = await task
                drawing.popleft()
                start(islice(batches, 1))
                for index, sample in enumerate(samples, first):
                    if index >= first_index:
                        more_drawn = index < first + len(samples) - 1
                        yield sample.completion(index, seconds, more_drawn)
        finally:
            stop.set()
            for _, task in drawing:
                task.add_done_callback(_retrieve)  # what matters has been raised already
            if drawing:
                await asyncio.wait([task for _, task in drawing], timeout=STOP_SECONDS)

    async def aclose(self) -> None:
        """Stops the model's threads and frees its memory; the next request loads it again."""
        await asyncio.gather(*(asyncio.to_thread(copy.unload) for copy in self._copies))


def _retrieve(task: "asyncio.Future[Drawn]") -> None:
    """Takes note of an error, which asyncio would else report as never retrieved."""
    if not task.cancelled():
        task.exception()


class _Copy:
    """One copy of the model with its own threads; the weights in memory are shared."""

    def __init__(
        self,
        model: GGUFModel,
        context_tokens: int,
        parallel: int,
        sampling: dict[str, float],
    ) -> None:
        self._model = model
        self._sampling = sampling
        self._context_tokens = context_tokens
        self._parallel = parallel
        self._loaded_for: tuple[str, bool] | None = None
        self._busy = threading.Lock()

    def unload(self) -> None:
        """Frees the model; if it still computes after a while, once that has ended."""
        if self._busy.acquire(timeout=STOP_SECONDS):
            self._free()
        else:
            free_later(self._unload_once_idle)

    def _unload_once_idle(self) -> None:
        self._busy.acquire()
        self._free()

    def _free(self) -> None:
        self._model.unload()
        self._loaded_for = None
        self._busy.release()

    def read_prompt(self, request: Request, stop: threading.Event, tell: Tell) -> int:
        """Reads the prompt into the model's cache for all batches; returns its number of tokens."""
        samples, _ = self.draw(request, 0, 1, stop, max_tokens=1, tell=tell)
        tokens = samples[0].usage.prompt_tokens
        if not request.continued and 0 < tokens < fewest_tokens(request.prompt) / 2:
            raise InputError(
                f"The chat template in {self._model.path} leaves out the prompt: {tokens} tokens "
                "are left of it; use a file with another template."
            )
        return tokens

    def draw(
        self,
        request: Request,
        seed: int,
        count: int,
        stop: threading.Event,
        max_tokens: int | None = None,
        tell: Tell = untold,
    ) -> Drawn:
        """Draws ``count`` samples together and returns them with the wall time they took."""
        samples = [Sample() for _ in range(count)]
        query = _query(request)
        query |= {**self._sampling} | {
            "n": count,
            "seed": seed,
            "max_tokens": max_tokens or request.max_tokens,
        }
        with self._busy:
            self._load_for(request)
            started = time.monotonic()
            self._model.stream(query, Collector(samples, stop, tell, query["max_tokens"]))
        if max_tokens is None:
            tell(Written(1, 1))
        return samples, time.monotonic() - started

    def _load_for(self, request: Request) -> None:
        """Loads the model again if the prompt is another one.

        The remains of a prompt in the cache change the rounding of the next one, and so its
        samples.
        """
        key = (request.prompt, request.continued)
        if key != self._loaded_for:
            self._loaded_for = None
            self._model.load(context_tokens=self._context_tokens, parallel=self._parallel)
            self._loaded_for = key


def batch_seed(seed: int, batch: int) -> int:
    """Returns the seed of a batch: a hash, since the samples' seeds count up from it."""
    digest = hashlib.sha256(f"{seed}|batch={batch}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def _query(request: Request) -> dict[str, Any]:
    """Returns the request in the runtime's format."""
    query: dict[str, Any] = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,  # so that it can be told, and a long prompt be stopped
        # No truncation that nobody asked for, no penalties.
        "top_k": 0,
        "min_p": 0.0,
    }
    if request.grammar is not None:
        query |= {"grammar": request.grammar}
    if request.continued:
        return query | {"prompt": request.prompt}
    query |= {"messages": [{"role": "user", "content": request.prompt}], "reasoning_format": "none"}
    if request.json_schema is not None:
        query["response_format"] = {
            "type": "json_schema",
            "json_schema": {"schema": dict(request.json_schema)},
        }
    return query
