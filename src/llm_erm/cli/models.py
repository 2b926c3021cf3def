"""From --provider and --model to a language model."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import tyro

from llm_erm.cli.options import MOST
from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import LLM
from llm_erm.llms.local import LocalLLM
from llm_erm.llms.providers import (
    ADDRESSES,
    HOSTED_TOOL,
    MOST_CALLS,
    Connection,
    Provider,
    price_of,
)
from llm_erm.llms.remote import (
    ReasoningEffort,
    RemoteLLM,
    RemoteSettings,
    ToolChoice,
    Verbosity,
)
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.synthesis.settings import Constraint

EMBEDDED_CONTEXT = 8192
OWN_CONTEXT = 32_768
REMOTE: tuple[Provider, ...] = get_args(Provider)
PROVIDERS = (*REMOTE, "local", "scripted", "replay")
KEYS: Mapping[Provider, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
}
"""Environment variables that hold a key; other servers get that of OPENAI_API_KEY, if any."""


@dataclass(frozen=True)
class ModelOptions:
    """Which language model proposes, and how."""

    provider: str | None = None
    """openai (the Responses API, or a server of it), chat (any server of chat completions),
    anthropic, gemini, vllm, ollama, local (in this process), scripted (answers from a file) or
    replay (answers of an earlier run); unless given, openai where a key is set or something of it
    is asked for, else local."""
    model: str | None = None
    """The model's name, or provider:model; gpt-5 for openai unless given. For local: a GGUF file,
    the embedded SmolLM2-135M-Instruct unless given."""
    max_output_tokens: int | None = None
    """Tokens generated at most an attempt, reasoning included; 20000 unless the model is local."""
    base_url: str | None = None
    """Address of the API; for openai and chat OPENAI_BASE_URL or OpenAI's own, for the others their
    usual one unless given."""
    reasoning_effort: ReasoningEffort | None = None
    """How much a remote model thinks; unless given, high for openai, else the model's default."""
    verbosity: Verbosity | None = None
    """How long the text of an answer is, for openai and servers like it; unless given, low for
    openai."""
    enable_code_interpreter: bool = False
    """For openai, anthropic, gemini: let the model run code in the provider's own interpreter."""
    tool_choice: ToolChoice = "auto"
    """Whether the model may use its tool."""
    code_tool: Literal["none", "local"] = "none"
    """local: let a remote model run Python on the training examples, in the sandbox of this
    machine."""
    concurrency: int = 5
    """Calls to a remote model in flight at most, over all tasks."""
    speculative: int = 1
    """Calls in flight at most for one task; more than 1 is faster and pays for attempts that an
    exact program would have saved."""
    timeout: float = 1200.0
    """Seconds a call may take before it counts as a failed attempt; it is not sent again."""
    retries: int = 4
    """How often a call is sent again after status 429, 5xx or a broken connection: when the server
    asks for, else after 1, 2, 4, 8, … seconds (a quarter of it where there is no connection) and up
    to as much again by chance."""
    max_cost_usd: float | None = None
    """Stop before a call that could take the cost of this run, earlier parts included, above this;
    outside are what a provider's own tools cost beyond tokens, and calls that were in flight when
    the process was killed outright, not by Ctrl-C."""
    max_total_tokens: int | None = None
    """The same for prompt and output tokens together; for remote models."""
    constraint: Constraint | None = None
    """For local: what answers must match; an expression of the small grammar (the embedded model's
    default), the JSON schema of the answer (the default for your own model), or nothing."""
    answers: Path | None = None
    """For scripted: a JSON list of texts; attempt i of every grid point gets the i-th, later
    attempts the last."""
    replay_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """For replay: the folder of the run whose answers are verified and chosen from again."""
    threads: int | None = None
    """For local: CPU threads; all usable cores unless given."""
    context_tokens: int | None = None
    """For local: tokens that the prompt and the samples drawn together may take; 8192 for the
    embedded model, 32768 for your own unless given (100 examples of length 100 take some 12000)."""


@dataclass(frozen=True)
class Choice:
    """A language model and the settings that suit it.

    Attributes:
        llm: The model.
        attempts: Its default budget.
        max_tokens: Limit on generated tokens an attempt.
        constraint: What its answers must match.
    """

    llm: LLM
    attempts: int
    max_tokens: int
    constraint: Constraint = "none"


def choose(options: ModelOptions, *, dry_run: bool = False) -> Choice:
    """Returns the model that the flags name; the embedded one where nothing asks for another.

    A dry run needs no key.

    Raises:
        InputError: No such provider, no key, or flags that do not fit together.
        MissingExtraError: What the provider needs is not installed.
    """
    if options.max_output_tokens is not None and options.max_output_tokens < 1:
        raise InputError(
            f"--max-output-tokens is {options.max_output_tokens}; give 1 or more, or leave it out."
        )
    unasked = options.provider is None and options.model is None
    options = _with_provider(options)
    match options.provider:
        case "local":
            return _local(options, unasked=unasked)
        case "scripted":
            return _scripted(options)
        case "anthropic" | "chat" | "gemini" | "ollama" | "openai" | "vllm":
            return _remote(options, options.provider, dry_run=dry_run)
        case _:
            raise InputError(
                f"There is no provider {options.provider!r}; choose one of {', '.join(PROVIDERS)}."
            )


def _with_provider(options: ModelOptions) -> ModelOptions:
    """The options with the provider that they name, in --model too, or else ask for."""
    if options.provider is not None:
        return options
    provider, colon, model = (options.model or "").partition(":")
    if colon and provider in (*REMOTE, "local"):
        return replace(options, provider=provider, model=model or None)
    return replace(options, provider=_implied(options))


def _implied(options: ModelOptions) -> str:
    """The provider that the other flags and the environment ask for."""
    if options.answers is not None:
        return "scripted"
    if options.model is not None:
        is_file = options.model.endswith(".gguf") or Path(options.model).exists()
        return "local" if is_file else "openai"
    if options.enable_code_interpreter or options.base_url or _key("openai"):
        return "openai"
    return "local"


def _key(provider: Provider) -> str:
    """The provider's key from the environment, or an empty text."""
    names = KEYS.get(provider, KEYS["openai"])
    return next((key for name in names if (key := os.environ.get(name, "").strip())), "")


def _local(options: ModelOptions, *, unasked: bool) -> Choice:
    if options.answers is not None:
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if options.enable_code_interpreter:
        raise InputError(
            "--enable-code-interpreter is OpenAI's hosted tool and the local model has none; "
            "leave it out, or give --provider openai."
        )
    if options.code_tool == "local":
        raise InputError(
            "--code-tool local is for remote models; serve the model (llama.cpp's server, vLLM or "
            "Ollama), and give --provider chat and its --base-url."
        )
    _check_unlimited(options)
    if min(options.threads or 1, options.context_tokens or 1) < 1:
        raise InputError("--threads and --context-tokens must be 1 or more; or leave them out.")
    path = None if options.model is None else Path(options.model)
    context = options.context_tokens or (EMBEDDED_CONTEXT if path is None else OWN_CONTEXT)
    llm = LocalLLM(path, threads=options.threads, context_tokens=context)
    if unasked:
        note(
            "No model was named and no OpenAI key is set, so the embedded SmolLM2-135M-Instruct "
            "proposes short expressions: a prior over simple rules that does not read the examples."
        )
    constraint = options.constraint or ("grammar" if path is None else "schema")
    if constraint == "grammar":
        return Choice(llm, 256, options.max_output_tokens or 64, constraint)
    return Choice(llm, 16, options.max_output_tokens or 1024, constraint)


def _check_unlimited(options: ModelOptions) -> None:
    """Refuses a limit that nothing here would keep; one in dollars is kept where all is free."""
    if options.max_total_tokens is not None:
        raise InputError(
            f"--max-total-tokens limits remote models, and --provider {options.provider} proposes "
            "here; leave it out, and limit --attempts and --max-output-tokens."
        )


def _remote(options: ModelOptions, provider: Provider, *, dry_run: bool) -> Choice:
    _check_remote(options, provider)
    model = options.model or ("gpt-5" if provider == "openai" else "")
    connection = Connection(
        provider,
        model,
        _checked_key(provider, model, dry_run=dry_run),
        _base_url(options, provider),
    )
    is_openai = provider == "openai"
    settings = RemoteSettings(
        reasoning_effort=options.reasoning_effort or ("high" if is_openai else None),
        verbosity=options.verbosity or ("low" if is_openai else None),
        tool_choice=options.tool_choice,
        code_interpreter=options.enable_code_interpreter,
        timeout_seconds=options.timeout,
        retries=options.retries,
        concurrency=options.concurrency,
        speculative=options.speculative,
    )
    price = price_of(connection)
    if options.max_cost_usd is not None and price(1, 1) is None:
        note(
            f"Warning: no price is known for {provider}:{model}, so --max-cost-usd cannot stop the "
            "run; limit it with --max-total-tokens."
        )
    limited = options.max_cost_usd is not None or options.max_total_tokens is not None
    if limited and options.enable_code_interpreter:
        note("Note: what the hosted interpreter costs beyond its tokens is outside the budget.")
    budget = Budget(options.max_total_tokens, options.max_cost_usd, price)
    llm = RemoteLLM(connection, settings, budget)
    max_tokens = options.max_output_tokens or 20_000
    return Choice(llm, 5, max_tokens)


def _check_remote(options: ModelOptions, provider: Provider) -> None:
    if options.answers is not None:
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if options.constraint not in (None, "none") or options.threads is not None:
        raise InputError("--constraint and --threads go with --provider local; leave them out.")
    if not options.model and provider != "openai":
        raise InputError(f"--provider {provider} needs the name of a model; give it with --model.")
    if options.verbosity is not None and provider in ("anthropic", "gemini"):
        raise InputError(f"{provider} has no --verbosity; leave it out.")
    if options.enable_code_interpreter and provider not in HOSTED_TOOL:
        raise InputError(
            f"{provider} has no hosted interpreter; leave --enable-code-interpreter out, or give "
            "--code-tool local to run the model's code in the sandbox of this machine."
        )
    if options.enable_code_interpreter and options.code_tool == "local":
        raise InputError("Give --enable-code-interpreter or --code-tool local, not both.")
    if min(options.concurrency, options.speculative) < 1 or not 0 < options.timeout < MOST:
        raise InputError(
            "--concurrency and --speculative must be 1 or more and --timeout above 0 and below "
            f"{MOST:,} seconds."
        )
    if options.concurrency > MOST_CALLS:
        raise InputError(f"--concurrency is {options.concurrency}; give {MOST_CALLS} or less.")
    if options.retries < 0:
        raise InputError(f"--retries is {options.retries}; give 0 or more.")
    for flag, limit in (
        ("--max-cost-usd", options.max_cost_usd),
        ("--max-total-tokens", options.max_total_tokens),
    ):
        if limit is not None and not limit > 0:
            raise InputError(f"{flag} is {limit}; give a number above 0, or leave it out.")


def _checked_key(provider: Provider, model: str, *, dry_run: bool) -> str:
    key = _key(provider)
    names = " or ".join(KEYS.get(provider, KEYS["openai"]))
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{names} holds characters that no key has; copy it again.")
    if key or dry_run or provider not in KEYS:
        return key or "unused"
    raise InputError(
        f"{model} needs a key and {names} is not set; set it (to any text for a server that asks "
        "for none), or give --provider local for the embedded model."
    )


def _base_url(options: ModelOptions, provider: Provider) -> str | None:
    """The address of the API that the flags or the environment name, if they name one."""
    named = os.environ.get("OPENAI_BASE_URL") if provider in ("openai", "chat") else None
    url = options.base_url or named or ADDRESSES.get(provider)
    if url is None:
        return None
    url = url.strip()
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or a numeric host that is none
        whole = False
    if not whole or not url.isprintable() or " " in url:
        raise InputError(
            f"The address {url!r} of the API must begin with http:// or https:// and name a host, "
            "as in http://localhost:8000/v1."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            f"The address of the API at {parts.hostname} must end with its path: a user name or a "
            "query would not reach it; give the key in the environment."
        )
    return url


def _scripted(options: ModelOptions) -> Choice:
    if options.answers is None:
        raise InputError(
            "--provider scripted takes its answers from a file; name one with --answers."
        )
    if options.code_tool == "local" or options.enable_code_interpreter:
        raise InputError(
            "Scripted answers use no tool; leave --code-tool and --enable-code-interpreter out."
        )
    _check_unlimited(options)
    llm = ScriptedLLM.from_file(options.answers)
    max_tokens = options.max_output_tokens or 20_000
    return Choice(llm, attempts=5, max_tokens=max_tokens, constraint=options.constraint or "none")
