"""Builds the engine for in-context learning from --model, --base-url and related flags."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli.models import check_budget, concurrency_that_fits, key_of, warn_of_price
from llm_erm.cli.network import check_network
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Engine
from llm_erm.incontext.local import LocalEngine
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.vllm import VLLMEngine
from llm_erm.llms.budget import Budget
from llm_erm.llms.clients import checked_address, checked_key
from llm_erm.llms.limits import check_limits
from llm_erm.llms.models import price_of
from llm_erm.llms.providers import PROVIDERS


@dataclass(frozen=True)
class EngineOptions:
    """The model that answers, and where it runs."""

    model: str | None = None
    """A GGUF file (run in this process), a model from the Hugging Face hub or its folder (run by
    vLLM), or, with --base-url, the server's name for the model (default: the embedded
    SmolLM2-135M-Instruct)."""
    base_url: str | None = None
    """Address of a server with OpenAI's chat completions API, such as http://localhost:8000/v1. The
    key is read from OPENAI_API_KEY, if it is set."""
    tensor_parallel_size: int = 1
    """For vLLM: number of GPUs that share the weights."""
    max_model_len: Annotated[int | None, tyro.conf.arg(aliases=("--context-tokens",))] = None
    """Maximum number of tokens in a prompt and its answer (default: what the model was trained for,
    but at most 25000). A server has its own limit."""
    enforce_eager: bool = False
    """For vLLM: do not compile the model, so that it starts sooner but answers more slowly."""
    threads: int | None = None
    """For a GGUF file: number of CPU threads (default: all usable cores)."""
    concurrency: int = 8
    """For a server: maximum number of calls in flight."""
    timeout: float = 600.0
    """For a server: maximum duration of a call in seconds."""
    retries: int = 4
    """For a server: how often to retry a call after status 429, 5xx or a broken connection."""
    max_cost_usd: float | None = None
    """For a server: stop before a call that could push the cost of this run above this limit. If
    the run is resumed, earlier answers count, but calls that ended it without an answer do not."""
    max_total_tokens: int | None = None
    """For a server: the same limit for the total of prompt and output tokens."""


def engine_of(options: EngineOptions, seed: int) -> Engine:
    """Returns the engine that the flags name, without loading anything.

    Args:
        options: The flags.
        seed: Seed for vLLM itself.

    Raises:
        InputError: A flag is out of range, or flags contradict each other.
        MissingExtraError: A package that the engine needs is not installed.
    """
    check_limits(
        tensor_parallel_size=options.tensor_parallel_size,
        context_tokens=options.max_model_len,
        threads=options.threads,
        concurrency=options.concurrency,
        retries=options.retries,
        timeout_seconds=options.timeout,
    )
    if options.base_url is not None:
        _refuse_idle(
            options,
            *("a server", "concurrency", "timeout", "retries", "max_cost_usd", "max_total_tokens"),
        )
        return _server(options, options.base_url)
    if options.model is None or _is_gguf(options.model):
        _refuse_idle(options, "a model in this process", "max_model_len", "threads")
        path = None if options.model is None else Path(options.model)
        return LocalEngine(path, options.threads, options.max_model_len)
    _refuse_idle(options, "vLLM", "max_model_len", "tensor_parallel_size", "enforce_eager")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # stdout is for results
    return VLLMEngine(
        options.model,
        options.tensor_parallel_size,
        options.max_model_len,
        seed=seed,
        enforce_eager=options.enforce_eager,
    )


def _server(options: EngineOptions, base_url: str) -> ServerEngine:
    base_url = checked_address(base_url)
    if options.model is None:
        raise InputError(
            "--base-url needs the name of a model on that server; give it with --model."
        )
    try:
        key = checked_key(key_of(PROVIDERS["chat"]) or "unused")
    except InputError as error:
        raise InputError(f"OPENAI_API_KEY: {error}") from None
    check_budget(options.max_cost_usd, options.max_total_tokens)
    check_network(base_url)
    name = f"chat:{options.model}"
    budget = Budget(options.max_total_tokens, options.max_cost_usd, price_of(name, base_url))
    warn_of_price(name, budget, options.max_cost_usd)
    return ServerEngine(
        options.model,
        base_url,
        key,
        concurrency=concurrency_that_fits(options.concurrency),
        timeout_seconds=options.timeout,
        retries=options.retries,
        budget=budget,
    )


def _refuse_idle(options: EngineOptions, engine: str, *used: str) -> None:
    """Rejects flags that the engine would ignore."""
    idle = [
        "--" + field.name.replace("_", "-")
        for field in fields(EngineOptions)
        if field.name not in {"model", "base_url", *used}
        and getattr(options, field.name) != field.default
    ]
    if idle:
        raise InputError(
            f"{' and '.join(idle)} would have no effect because {engine} answers; omit "
            f"{'it' if len(idle) == 1 else 'them'}, or choose another engine with --model or "
            "--base-url."
        )


def _is_gguf(model: str) -> bool:
    return model.endswith(".gguf") or Path(model).is_file()
