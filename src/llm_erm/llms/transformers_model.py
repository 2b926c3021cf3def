"""A model that transformers loads into this process, from a folder, a GGUF file or the hub."""

import asyncio
import gc
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms import weights
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import LLM, Completion, Request, State, Usage, Written

INSTALL = "pip install 'llm-erm[train]'"
EVERY = 16
"""Tokens between two reports of how much is written."""


@dataclass(frozen=True)
class TransformersModel:
    """Settings that shape the samples of a model that transformers runs.

    Attributes:
        name: ``transformers:`` and the name of the model.
        sha256: Digest of its files; None for a model of the hub.
        temperature: Sampling temperature; None for the model's own.
        top_p: Share of probability mass to sample from; None for the model's own.
    """

    name: str
    sha256: str | None
    temperature: float | None
    top_p: float | None


@dataclass(frozen=True)
class _Loaded:
    """A model in memory."""

    model: Any
    tokenizer: Any


class TransformersLLM(LLM):
    """A causal language model that transformers runs on a GPU, or else on this machine's CPUs.

    Samples are drawn one at a time. The seed of each follows from the request's seed and the
    sample's index, so a sample does not depend on which ones were requested before it. What is not
    set, such as a top-k limit, is as the model's own generation settings say.

    Args:
        model: A folder as ``save_pretrained`` writes it, a GGUF file, or a name on the hub.
        temperature: Sampling temperature; at 0, all samples are the same.
        top_p: Share of probability mass to sample from, above 0 and up to 1.

    Raises:
        InputError: A number is out of range.
        MissingExtraError: transformers or torch is not installed.
    """

    def __init__(
        self, model: str, temperature: float | None = None, top_p: float | None = None
    ) -> None:
        check_limits(temperature=temperature, top_p=top_p)
        missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
        if missing:
            raise MissingExtraError(
                f"The model {model} needs {' and '.join(missing)}; run: {INSTALL}"
            )
        self._model = model
        self._temperature = temperature
        self._top_p = top_p
        self._loaded: _Loaded | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __reduce__(self) -> tuple[type["TransformersLLM"], tuple[Any, ...]]:
        """Returns how another process makes the same model, which loads the weights there."""
        return TransformersLLM, (self._model, self._temperature, self._top_p)

    @property
    def name(self) -> str:
        """``transformers:`` and the name of the model: of a file or folder, its last part."""
        path = Path(self._model)
        return f"transformers:{path.resolve().name if path.exists() else self._model}"

    @property
    def described(self) -> object:
        """What shapes the samples: the files, and how they are drawn."""
        return TransformersModel(self.name, self._digest, self._temperature, self._top_p)

    @cached_property
    def _digest(self) -> str | None:
        path = Path(self._model)
        if not path.exists():
            return None
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        digest = hashlib.sha256()
        for file in files:
            if file.is_file() and not file.name.startswith(".") and file.suffix != ".md":
                with file.open("rb") as data:
                    part = hashlib.file_digest(data, "sha256").hexdigest()
                digest.update(f"{file.name} {part}\n".encode())
        return digest.hexdigest()

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples in order; closing the iterator early stops at the next token.

        Raises:
            InputError: The model cannot be loaded, or the prompt is longer than its context.
        """
        loop = asyncio.get_running_loop()
        self._threads = self._threads or ThreadPoolExecutor(1, "model")
        stop = threading.Event()

        def tell(state: State) -> None:
            with suppress(RuntimeError):  # the loop of a stopped search may be closed
                loop.call_soon_threadsafe(request.tell, state)

        try:
            for index in request.indices:
                yield await loop.run_in_executor(
                    self._threads, self._draw, request, index, stop, tell
                )
        finally:
            stop.set()

    async def aclose(self) -> None:
        """Frees the model's memory; the next request loads it again."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        self._loaded = None
        gc.collect()

    def _draw(
        self, request: Request, index: int, stop: threading.Event, tell: Callable[[State], None]
    ) -> Completion:
        """Draws one sample; a stopped one ends early, and nobody reads it."""
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        loaded = self._loaded = self._loaded or _load(self._model)
        started = time.monotonic()
        tokens = _tokens(loaded, request)
        length = tokens["input_ids"].shape[1]
        self._check_length(loaded, length, request)

        class Watching(StoppingCriteria):  # type: ignore[misc]  # transformers has no types
            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:  # noqa: ANN401
                if (written := input_ids.shape[1] - length) % EVERY == 0:
                    tell(Written(written, request.max_tokens))
                return torch.full((len(input_ids),), stop.is_set(), device=input_ids.device)

        devices = [loaded.model.device] if loaded.model.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(_sample_seed(request.seed, index))
            output = loaded.model.generate(
                **tokens,
                **self._sampling(loaded),
                max_new_tokens=request.max_tokens,
                stopping_criteria=StoppingCriteriaList([Watching()]),
                pad_token_id=loaded.tokenizer.pad_token_id or loaded.tokenizer.eos_token_id,
            )
        if not stop.is_set():
            tell(Written(request.max_tokens, request.max_tokens))
        answer = output[0][length:]
        return Completion(
            index,
            loaded.tokenizer.decode(answer, skip_special_tokens=True),
            Usage(prompt_tokens=length, completion_tokens=len(answer)),
            time.monotonic() - started,
            "length" if len(answer) >= request.max_tokens else "stop",
            cost_usd=0.0,
        )

    def _sampling(self, loaded: _Loaded) -> dict[str, Any]:
        """Returns what is set; sampling is on even where the model's own settings are greedy."""
        if self._temperature == 0:
            return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        own = loaded.model.generation_config
        temperature = self._temperature if self._temperature is not None else own.temperature
        given = {"do_sample": True, "temperature": 1.0 if temperature is None else temperature}
        return given if self._top_p is None else {**given, "top_p": self._top_p}

    def _check_length(self, loaded: _Loaded, length: int, request: Request) -> None:
        most = getattr(loaded.model.config, "max_position_embeddings", None)
        if most is not None and length + request.max_tokens > most:
            raise InputError(
                f"The prompt has {length:,} tokens, and {self.name} has room for {most:,} together "
                f"with the {request.max_tokens:,} of an answer; use fewer or shorter examples, or "
                "allow fewer output tokens.",
                setting="train_size or lengths or max_tokens",
            )


def _load(model: str) -> _Loaded:
    """Loads a model and its tokenizer, onto a GPU if there is one.

    Raises:
        InputError: It cannot be loaded.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # it writes to the terminal beside our own
    path = Path(model)
    source: dict[str, Any] = {"pretrained_model_name_or_path": model}
    if path.is_file():
        weights.checked(path)
        source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    source["trust_remote_code"] = False  # transformers would ask, and wait for an answer
    try:
        loaded = AutoModelForCausalLM.from_pretrained(**source, dtype="auto")
        tokenizer = AutoTokenizer.from_pretrained(**source)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"The model {model} cannot be loaded ({reason}); name a folder that save_pretrained "
            "wrote, a GGUF file, or a model of the hub if it can be reached.",
            setting="model",
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _Loaded(loaded.to(device).eval(), tokenizer)


def _tokens(loaded: _Loaded, request: Request) -> Any:  # noqa: ANN401 - tensors by name
    """Returns the prompt's tokens, in the model's chat template if it has one."""
    if request.continued or not loaded.tokenizer.chat_template:
        tokens = loaded.tokenizer(request.prompt, return_tensors="pt")
    else:
        tokens = loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": request.prompt}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
    named = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    return {name: one.to(loaded.model.device) for name, one in named.items()}


def _sample_seed(seed: int, index: int) -> int:
    digest = hashlib.sha256(f"{seed}|sample={index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") & 0x7FFFFFFFFFFFFFFF
