"""From --provider and --model to a language model."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llm_erm.cli.flags import sentence
from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.llms.budget import Budget
from llm_erm.llms.clients import ReasoningEffort, ToolChoice, Verbosity
from llm_erm.llms.llm import LLM
from llm_erm.llms.models import checked_address, price_of
from llm_erm.llms.models import model as model_of
from llm_erm.llms.providers import PROVIDERS, Provider
from llm_erm.synthesis.settings import Constraint


@dataclass(frozen=True)
class ModelOptions:
    """Which language model proposes, and how."""

    provider: str | None = None
    """openai (the Responses API, or a server of it), chat (any server of chat completions),
    anthropic, gemini, vllm, ollama, local (in this process), scripted (answers from a file) or
    replay (answers of an earlier run). Default: openai where a key is set or a flag asks for it,
    else local."""
    model: str | None = None
    """The model's name, or provider:model (default: gpt-5 for openai). For local: a GGUF file
    (default: the embedded SmolLM2-135M-Instruct)."""
    max_output_tokens: int | None = None
    """Limit on generated tokens per attempt, reasoning included (default: 20000; for local 64 or
    1024, by the constraint)."""
    base_url: str | None = None
    """Address of the API. Default: for openai and chat OPENAI_BASE_URL or OpenAI's own, for the
    others their usual one."""
    reasoning_effort: ReasoningEffort | None = None
    """How much a remote model thinks (default: high for openai, else the model's own)."""
    verbosity: Verbosity | None = None
    """How long the text of an answer is, for openai and servers like it (default: low for
    openai)."""
    enable_code_interpreter: bool = False
    """For openai, anthropic, gemini: let the model run code in the provider's own interpreter."""
    tool_choice: ToolChoice = "auto"
    """Whether the model may use its tool."""
    code_tool: Literal["none", "local"] = "none"
    """local: let a remote model run Python on the training examples, in the sandbox of this
    machine."""
    concurrency: int = 5
    """Maximum number of calls to a remote model in flight, over all tasks."""
    speculative: int = 1
    """Maximum number of calls in flight per task; more than 1 is faster and pays for attempts that
    an exact program would have saved."""
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
    """For local: CPU threads (default: all usable cores)."""
    context_tokens: int | None = None
    """For local: tokens that the prompt and the samples drawn together may take (default: 8192 for
    the embedded model, 32768 for your own; 100 examples of length 100 take about 12000)."""


@dataclass(frozen=True)
class Choice:
    """A language model and the settings that suit it.

    Attributes:
        llm: The model.
        attempts: Its default budget.
        max_tokens: Limit on generated tokens per attempt.
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
    unasked = options.provider is None and options.model is None and options.answers is None
    options = _with_provider(options)
    provider = PROVIDERS.get(options.provider or "")
    if provider is None:
        raise InputError(
            f"There is no provider {options.provider!r}; choose one of {', '.join(PROVIDERS)}."
        )
    if options.answers is not None and provider.name == "scripted":
        options = replace(options, model=str(options.answers))
    _check(options, provider)
    base_url = _base_url(options, provider)
    named = options.model or provider.default_model
    name = f"{provider.name}:{named or ''}"
    budget = None
    if "budget" in provider.settings:
        price = price_of(name, base_url)
        budget = Budget(options.max_total_tokens, options.max_cost_usd, price)
    settings = _settings(options, provider)
    if base_url is not None:
        settings["base_url"] = base_url
    if "api_key" in provider.settings:
        free = dry_run or not provider.needs_key
        settings["api_key"] = key_of(provider) or ("unused" if free else "")
    if budget is not None:
        settings["budget"] = budget
    try:
        llm = model_of(name, **settings)
    except InputError as error:
        said = _about_key(error, provider) if error.setting == "api_key" else sentence(error)
        raise InputError(said) from error
    if unasked and provider.name == "local":
        note(
            "No model was named and no OpenAI key is set, so the embedded SmolLM2-135M-Instruct "
            "proposes short expressions: a prior over simple rules that does not read the examples."
        )
    if budget is not None:
        warn_of_price(name, budget, options.max_cost_usd)
        limited = options.max_cost_usd is not None or options.max_total_tokens is not None
        if limited and options.enable_code_interpreter:
            note("Note: what the hosted interpreter costs beyond its tokens is outside the budget.")
    defaults = provider.defaults(named, options.constraint)
    return Choice(
        llm,
        defaults.attempts,
        options.max_output_tokens or defaults.max_tokens,
        defaults.constraint,
    )


def key_of(provider: Provider) -> str:
    """Returns the provider's key from the environment, or an empty text."""
    names = provider.key_variables
    return next((key for name in names if (key := os.environ.get(name, "").strip())), "")


def _with_provider(options: ModelOptions) -> ModelOptions:
    """The options with the provider that they name, in --model too, or else ask for."""
    if options.provider is not None:
        return options
    provider, colon, model = (options.model or "").partition(":")
    if not (colon and provider in PROVIDERS):
        provider, model = _implied(options), options.model or ""
    return replace(options, provider=provider, model=model or None)


def _implied(options: ModelOptions) -> str:
    """The provider that the other flags and the environment ask for."""
    if options.answers is not None:
        return "scripted"
    if options.model is not None:
        is_file = options.model.endswith(".gguf") or Path(options.model).exists()
        return "local" if is_file else "openai"
    if options.enable_code_interpreter or options.base_url or key_of(PROVIDERS["openai"]):
        return "openai"
    return "local"


_SETTINGS = {
    "reasoning_effort": "reasoning_effort",
    "verbosity": "verbosity",
    "tool_choice": "tool_choice",
    "code_interpreter": "enable_code_interpreter",
    "timeout_seconds": "timeout",
    "retries": "retries",
    "concurrency": "concurrency",
    "speculative": "speculative",
    "threads": "threads",
    "context_tokens": "context_tokens",
}
"""Settings of models, and the options that hold them."""

_NEVER_IGNORED = {"verbosity", "threads"}
"""Settings that are refused where a provider does not take them; the others have no effect then."""


def _settings(options: ModelOptions, provider: Provider) -> dict[str, Any]:
    """The settings that the flags give and the provider takes, or must refuse."""
    values = {name: getattr(options, option) for name, option in _SETTINGS.items()}
    return {
        name: value
        for name, value in values.items()
        if value is not None and (name in provider.settings or name in _NEVER_IGNORED)
    }


def _check(options: ModelOptions, provider: Provider) -> None:
    """Refuses flags that do not go with the provider, or with each other."""
    if options.max_output_tokens is not None and options.max_output_tokens < 1:
        raise InputError(
            f"--max-output-tokens is {options.max_output_tokens}; give 1 or more, or leave it out."
        )
    if options.answers is not None and provider.name != "scripted":
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if provider.needs_model and not (options.model or provider.default_model):
        flag = "--answers" if provider.name == "scripted" else "--model"
        what = "a file of answers" if provider.name == "scripted" else "the name of a model"
        raise InputError(f"--provider {provider.name} needs {what}; give it with {flag}.")
    if options.constraint not in (None, "none") and not provider.keeps_constraints:
        raise InputError("--constraint goes with --provider local; leave it out.")
    if options.enable_code_interpreter and "code_interpreter" not in provider.settings:
        instead = ""
        if provider.takes_tool:
            instead = (
                ", or give --code-tool local to run the model's code in the sandbox of this machine"
            )
        raise InputError(
            f"{provider.name} has no hosted code interpreter; leave --enable-code-interpreter out"
            f"{instead}."
        )
    if options.code_tool == "local" and not provider.takes_tool:
        raise InputError(
            f"--code-tool local is for remote models, and --provider {provider.name} is none; "
            "serve the model (llama.cpp's server, vLLM or Ollama), and give --provider chat and "
            "its --base-url."
        )
    if options.enable_code_interpreter and options.code_tool == "local":
        raise InputError("Give --enable-code-interpreter or --code-tool local, not both.")
    if options.max_total_tokens is not None and "budget" not in provider.settings:
        raise InputError(
            f"--max-total-tokens limits remote models, and --provider {provider.name} proposes "
            "here; leave it out, and limit --attempts and --max-output-tokens."
        )
    check_budget(options.max_cost_usd, options.max_total_tokens)


def check_budget(max_cost_usd: float | None, max_total_tokens: int | None) -> None:
    """Makes sure that limits are above 0.

    Raises:
        InputError: One of them is not.
    """
    for flag, limit in (("--max-cost-usd", max_cost_usd), ("--max-total-tokens", max_total_tokens)):
        if limit is not None and not limit > 0:
            raise InputError(f"{flag} is {limit}; give a number above 0, or leave it out.")


def warn_of_price(name: str, budget: Budget, max_cost_usd: float | None) -> None:
    """Says so where a limit in dollars cannot stop the calls of a model that no list has."""
    if max_cost_usd is not None and budget.price(1, 1) is None:
        note(
            f"Warning: no price is known for {name}, so --max-cost-usd cannot stop the run; limit "
            "it with --max-total-tokens."
        )


def _about_key(error: InputError, provider: Provider) -> str:
    """What is wrong with a key, with the variables that it comes from."""
    names = " or ".join(provider.key_variables)
    if key_of(provider):
        return f"{names}: {error}"
    return (
        f"{str(error).rstrip('.')} and {names} is not set; set it (to any text for a server that "
        "asks for none), or give --provider local for the embedded model."
    )


def _base_url(options: ModelOptions, provider: Provider) -> str | None:
    """The address of the API that the flags or the environment name, if they name one."""
    if "base_url" not in provider.settings:
        return None
    named = (os.environ.get(name) for name in provider.address_variables)
    url = options.base_url or next(filter(None, named), None) or provider.address
    return None if url is None else checked_address(url)
