"""From --provider and --model to a language model."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli.options import MOST
from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM
from llm_erm.llms.local import LocalLLM
from llm_erm.llms.remote import (
    ReasoningEffort,
    ResponsesLLM,
    ResponsesSettings,
    ToolChoice,
    Verbosity,
)
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.synthesis.settings import Constraint

EMBEDDED_CONTEXT = 8192
OWN_CONTEXT = 32_768
PROVIDERS = ("local", "openai", "scripted")


@dataclass(frozen=True)
class ModelOptions:
    """Which language model proposes, and how."""

    provider: str | None = None
    """local (in this process), openai (the Responses API, or a server that speaks it) or scripted
    (answers from a file); unless given, openai where a key is set or something of it is asked for,
    else local."""
    model: str | None = None
    """For openai: the model's name, gpt-5 unless given. For local: a GGUF file, the embedded
    SmolLM2-135M-Instruct unless given."""
    max_output_tokens: int | None = None
    """Tokens generated at most an attempt, reasoning included; 20000 unless the model is local."""
    base_url: str | None = None
    """For openai: address of the API; OPENAI_BASE_URL or OpenAI's own unless given."""
    reasoning_effort: ReasoningEffort = "high"
    """For openai: how much a reasoning model thinks."""
    verbosity: Verbosity = "low"
    """For openai: how long the text of an answer is."""
    enable_code_interpreter: bool = False
    """For openai: let the model run code in the hosted interpreter while it answers."""
    tool_choice: ToolChoice = "auto"
    """For openai: whether the model may use that tool."""
    concurrency: int = 5
    """For openai: calls in flight at most; each is of another grid point."""
    timeout: float = 1200.0
    """For openai: seconds a call may take before it counts as a failed attempt."""
    constraint: Constraint | None = None
    """For local: what answers must match; an expression of the small grammar (the embedded model's
    default), the JSON schema of the answer (the default for your own model), or nothing."""
    answers: Path | None = None
    """For scripted: a JSON list of texts; attempt i of every grid point gets the i-th, later
    attempts the last."""
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
        concurrency: Searches at the same time.
    """

    llm: LLM
    attempts: int
    max_tokens: int
    constraint: Constraint = "none"
    concurrency: int = 1


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
    match provider := options.provider or _implied(options):
        case "local":
            return _local(options)
        case "openai":
            return _openai(options, _key() or ("unused" if dry_run else ""))
        case "scripted":
            return _scripted(options)
        case _:
            raise InputError(
                f"There is no provider {provider!r}; choose one of {', '.join(PROVIDERS)}."
            )


def _implied(options: ModelOptions) -> str:
    """The provider that the other flags and the environment ask for."""
    if options.answers is not None:
        return "scripted"
    if options.model is not None:
        is_file = options.model.endswith(".gguf") or Path(options.model).exists()
        return "local" if is_file else "openai"
    if options.enable_code_interpreter or options.base_url or _key():
        return "openai"
    return "local"


def _key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip()


def _local(options: ModelOptions) -> Choice:
    if options.answers is not None:
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if options.enable_code_interpreter:
        raise InputError(
            "--enable-code-interpreter is OpenAI's hosted tool and the local model has none; "
            "leave it out, or give --provider openai."
        )
    if min(options.threads or 1, options.context_tokens or 1) < 1:
        raise InputError("--threads and --context-tokens must be 1 or more; or leave them out.")
    path = None if options.model is None else Path(options.model)
    context = options.context_tokens or (EMBEDDED_CONTEXT if path is None else OWN_CONTEXT)
    llm = LocalLLM(path, threads=options.threads, context_tokens=context)
    if options.provider is None and path is None:
        note(
            "No model was named and no key is set, so the embedded SmolLM2-135M-Instruct proposes "
            "short expressions: a prior over simple rules that does not read the examples."
        )
    constraint = options.constraint or ("grammar" if path is None else "schema")
    if constraint == "grammar":
        return Choice(llm, 256, options.max_output_tokens or 64, constraint)
    return Choice(llm, 16, options.max_output_tokens or 1024, constraint)


def _openai(options: ModelOptions, key: str) -> Choice:
    model = options.model or "gpt-5"
    if not key.isascii():
        raise InputError("OPENAI_API_KEY holds characters that no key has; copy it again.")
    if not key:
        raise InputError(
            f"{model} needs a key and OPENAI_API_KEY is not set; set it (to any text for a server "
            "that asks for none), or give --provider local for the embedded model."
        )
    if options.answers is not None:
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if options.constraint not in (None, "none") or options.threads is not None:
        raise InputError("--constraint and --threads go with --provider local; leave them out.")
    if options.concurrency < 1 or not 0 < options.timeout < MOST:
        raise InputError(
            f"--concurrency must be 1 or more and --timeout above 0 and below {MOST:,} seconds."
        )
    settings = ResponsesSettings(
        reasoning_effort=options.reasoning_effort,
        verbosity=options.verbosity,
        tool_choice=options.tool_choice,
        code_interpreter=options.enable_code_interpreter,
        timeout_seconds=options.timeout,
    )
    llm = ResponsesLLM(model, key, base_url(options), settings)
    max_tokens = options.max_output_tokens or 20_000
    return Choice(llm, attempts=5, max_tokens=max_tokens, concurrency=options.concurrency)


def base_url(options: ModelOptions) -> str | None:
    """Returns the address of the API that the flags or the environment name, if they name one.

    Raises:
        InputError: It is no web address.
    """
    url = options.base_url or os.environ.get("OPENAI_BASE_URL") or None
    if url is not None and not url.startswith(("http://", "https://")):
        raise InputError(f"The address {url!r} of the API must begin with http:// or https://.")
    return url


def _scripted(options: ModelOptions) -> Choice:
    if options.answers is None:
        raise InputError(
            "--provider scripted takes its answers from a file; name one with --answers."
        )
    llm = ScriptedLLM.from_file(options.answers)
    max_tokens = options.max_output_tokens or 20_000
    return Choice(llm, attempts=5, max_tokens=max_tokens, constraint=options.constraint or "none")


def fingerprint(options: ModelOptions) -> Mapping[str, str | None]:
    """Returns digests of the files that shape what the model answers."""
    return {
        "answers_sha256": file_digest(options.answers),
        "model_sha256": file_digest(Path(options.model)) if options.model is not None else None,
    }


def file_digest(path: Path | None) -> str | None:
    """Returns the SHA-256 of a file in hex, or None where there is none."""
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
