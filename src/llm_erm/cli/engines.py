"""From --model and --base-url to an engine for in-context learning."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from llm_erm.cli.models import check_budget, key_of, warn_of_price
from llm_erm.cli.options import MOST
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Engine
from llm_erm.incontext.local import LocalEngine
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.vllm import VLLMEngine
from llm_erm.llms.budget import Budget
from llm_erm.llms.models import checked_address, price_of
from llm_erm.llms.providers import PROVIDERS


@dataclass(frozen=True)
class EngineOptions:
    """Which model answers, and where it runs."""

    model: str | None = None
    """A GGUF file (it runs in this process), a model of the Hugging Face hub or its folder (vLLM
    runs it), or with --base-url the server's name for it (default: the embedded
    SmolLM2-135M-Instruct)."""
    base_url: str | None = None
    """Address of a server of OpenAI's chat completions, such as http://localhost:8000/v1; its key
    is that of OPENAI_API_KEY, if any."""
    tensor_parallel_size: int = 1
    """For vLLM: GPUs that share the weights."""
    max_model_len: int | None = None
    """Tokens that a prompt and its answer may take (default: what the model was made for, but at
    most 25000). A server has its own limit."""
    enforce_eager: bool = False
    """For vLLM: run without compiling the model first, which starts sooner and answers slower."""
    threads: int | None = None
    """For a GGUF file: CPU threads (default: all usable cores)."""
    concurrency: int = 8
    """For a server: maximum number of calls in flight."""
    timeout: float = 600.0
    """For a server: seconds a call may take."""
    retries: int = 4
    """For a server: how often a call is sent again after status 429, 5xx or a broken connection."""
    max_cost_usd: float | None = None
    """For a server: stop before a call that could take the cost of this run above this. The
    answers of earlier parts of the run count; calls that ended them without an answer do not."""
    max_total_tokens: int | None = None
    """The same for prompt and output tokens together."""


def budget_of(options: EngineOptions) -> Budget | None:
    """Returns what the calls of a server may cost; None where nothing is called."""
    if options.base_url is None:
        return None
    check_budget(options.max_cost_usd, options.max_total_tokens)
    name = f"chat:{options.model or ''}"
    budget = Budget(
        options.max_total_tokens, options.max_cost_usd, price_of(name, options.base_url)
    )
    warn_of_price(name, budget, options.max_cost_usd)
    return budget


def engine_of(options: EngineOptions, seed: int, budget: Budget | None = None) -> Engine:
    """Returns the engine that the flags name; nothing is loaded.

    Args:
        options: The flags.
        seed: Seed of vLLM itself.
        budget: What the calls of a server may cost; None for no limit.

    Raises:
        InputError: A flag is out of range, or flags do not fit together.
        MissingExtraError: What the engine needs is not installed.
    """
    _check(options)
    if options.base_url is not None:
        _refuse_idle(
            options,
            *("a server", "concurrency", "timeout", "retries", "max_cost_usd", "max_total_tokens"),
        )
        return _server(options, options.base_url, budget)
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


def _server(options: EngineOptions, base_url: str, budget: Budget | None) -> ServerEngine:
    base_url = checked_address(base_url)
    if options.model is None:
        raise InputError("--base-url needs the server's name of a model; give it with --model.")
    key = key_of(PROVIDERS["chat"]) or "unused"
    if not key.isascii():
        raise InputError("OPENAI_API_KEY holds characters that no key has; copy it again.")
    return ServerEngine(
        options.model,
        base_url,
        key,
        concurrency=options.concurrency,
        timeout_seconds=options.timeout,
        retries=options.retries,
        budget=budget,
    )


def _refuse_idle(options: EngineOptions, engine: str, *used: str) -> None:
    """Refuses flags that the engine would take no notice of."""
    idle = [
        "--" + field.name.replace("_", "-")
        for field in fields(EngineOptions)
        if field.name not in {"model", "base_url", *used}
        and getattr(options, field.name) != field.default
    ]
    if idle:
        raise InputError(
            f"{' and '.join(idle)} would have no effect: {engine} answers; leave that out, or name "
            "another engine with --model or --base-url."
        )


def _is_gguf(model: str) -> bool:
    return model.endswith(".gguf") or Path(model).is_file()


def _check(options: EngineOptions) -> None:
    for flag, number, least in (
        ("--tensor-parallel-size", options.tensor_parallel_size, 1),
        ("--max-model-len", options.max_model_len, 1),
        ("--threads", options.threads, 1),
        ("--concurrency", options.concurrency, 1),
        ("--retries", options.retries, 0),
    ):
        if number is not None and number < least:
            raise InputError(f"{flag} is {number}; give {least} or more.")
    if not 0 < options.timeout < MOST:
        raise InputError(f"--timeout is {options.timeout}; give seconds above 0, below {MOST:,}.")
