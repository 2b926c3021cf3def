"""Builds the language model from --provider, --model and related flags."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_erm.cli.command_model import with_command
from llm_erm.cli.flags import sentence
from llm_erm.cli.model_options import ModelOptions
from llm_erm.cli.network import check_network
from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.llms.budget import Budget
from llm_erm.llms.clients import checked_address
from llm_erm.llms.command_process import FILES
from llm_erm.llms.files import calls_that_fit
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import LLM
from llm_erm.llms.models import model as model_of
from llm_erm.llms.models import no_provider, price_of, similar_provider
from llm_erm.llms.providers import PROVIDERS, Defaults, ModelSettings, Provider
from llm_erm.phrases import counted

_NAMING = ("provider", "model", "command", "answers")
"""Options that name a model."""


def missing_key(
    options: ModelOptions, instead: str = "use --provider local for the embedded model"
) -> InputError | None:
    """Returns the error to raise if the model needs a key that is not set, else None."""
    options = _with_provider(options)
    provider = PROVIDERS.get(options.provider or "")
    if provider is None or not provider.needs_key or key_of(provider):
        return None
    if options.command is not None:
        return None  # more than a key is wrong
    return InputError(
        f"{provider.name}:{options.model or provider.default_model} needs a key, but "
        f"{_variables(provider)} is not set; set it (to any text if the server needs no key), or "
        f"{instead}."
    )


def choose(options: ModelOptions) -> tuple[LLM, Defaults]:
    """Returns the model that the flags name, and the settings that suit it.

    Does not check whether there is a key; see ``missing_key``.

    Raises:
        InputError: The provider is unknown, the key is malformed, or flags contradict each other.
        MissingExtraError: A package that the provider needs is not installed.
    """
    none_named = all(getattr(options, name) is None for name in _NAMING)
    options = _with_provider(options)
    provider = PROVIDERS.get(options.provider or "")
    if provider is None:
        raise InputError(no_provider(options.provider or ""))
    options = with_command(options, provider.name)
    if options.answers is not None and provider.name == "scripted":
        options = replace(options, model=str(options.answers))
    _check(options, provider)
    base_url = _base_url(options, provider)
    named = options.model or provider.default_model
    name = f"{provider.name}:{named or ''}"
    budget = None
    if provider.remote:
        price = price_of(name, base_url)
        budget = Budget(options.max_total_tokens, options.max_cost_usd, price)
    settings = _settings(options, provider)
    if "concurrency" in settings:
        settings["concurrency"] = concurrency_that_fits(
            options.concurrency, FILES if provider.name == "command" else 1
        )
    if base_url is not None:
        settings["base_url"] = base_url
    if "api_key" in provider.settings:
        settings["api_key"] = key_of(provider) or "unused"
    if budget is not None:
        settings["budget"] = budget
    try:
        llm = model_of(name, **settings)
        defaults = provider.usual(named, options.constraint)
    except InputError as error:
        about_key = error.setting == "api_key"
        message = sentence(error, ModelOptions)
        raise InputError(f"{_variables(provider)}: {error}" if about_key else message) from error
    if none_named and provider.name == "local":
        note(
            "No model was named, so the embedded SmolLM2-135M-Instruct proposes short expressions, "
            "for free. It does not read the examples; it acts as a prior over simple rules."
        )
    if budget is not None:
        warn_of_price(name, budget, options.max_cost_usd)
        limited = options.max_cost_usd is not None or options.max_total_tokens is not None
        if limited and options.enable_code_interpreter:
            note("Note: the budget does not cover what the hosted interpreter costs beyond tokens.")
    return llm, replace(defaults, max_tokens=options.max_output_tokens or defaults.max_tokens)


def key_of(provider: Provider) -> str:
    """Returns the provider's key from the environment, or an empty string."""
    names = provider.key_variables
    return next((key for name in names if (key := os.environ.get(name, "").strip())), "")


def _with_provider(options: ModelOptions) -> ModelOptions:
    """Returns the options with the provider set: from --provider, --model or the other flags."""
    if options.provider is not None:
        return options
    provider, colon, model = (options.model or "").partition(":")
    if not (colon and provider in PROVIDERS):
        provider, model = _implied(options), options.model or ""
    return replace(options, provider=provider, model=model or None)


def _implied(options: ModelOptions) -> str:
    """Returns the provider that the other flags imply; what may cost money has to be named.

    Raises:
        InputError: They imply one that has to be named.
    """
    if options.answers is not None:
        return "scripted"
    if options.command is not None:
        return "command"
    model = options.model
    if model is not None and not (model.endswith(".gguf") or Path(model).is_file()):
        prefix, colon, rest = model.partition(":")
        close = similar_provider(prefix) if colon else None
        hint = f"did you mean --model {close}:{rest}? If not, " if close else ""
        raise InputError(
            f"--model {model} does not say who serves the model; {hint}add --provider, as in "
            f"--provider openai --model {model}, or name a GGUF file."
        )
    for flag, given in (
        ("--base-url", options.base_url is not None),
        ("--enable-code-interpreter", options.enable_code_interpreter),
    ):
        if given:
            remote = [name for name, row in PROVIDERS.items() if row.remote]
            raise InputError(
                f"{flag} is for a model that is not on this machine; name its --provider: "
                f"{', '.join(remote[:-1])} or {remote[-1]}."
            )
    return "local"


_RENAMED = {"code_interpreter": "enable_code_interpreter", "timeout_seconds": "timeout"}
"""Options that are not named after the model setting that they hold."""

_NEVER_IGNORED = {"verbosity", "threads"}
"""Settings that raise an error if the provider does not take them; others are then ignored."""


def _settings(options: ModelOptions, provider: Provider) -> dict[str, Any]:
    """Returns the settings from the flags that the provider takes, or must reject."""
    return {
        name: value
        for name, value in _values(options).items()
        if value is not None and (name in provider.settings or name in _NEVER_IGNORED)
    }


def _values(options: ModelOptions) -> dict[str, Any]:
    """Returns the settings from the flags, whether or not a provider takes them."""
    names = ModelSettings.__annotations__.keys() - {"api_key", "base_url", "budget"}
    values = {name: getattr(options, _RENAMED.get(name, name)) for name in names}
    values["reasoning_effort"] = options.thinking_level or options.reasoning_effort
    return values | {"tool_choice": "none"} if options.no_tools else values


def _check(options: ModelOptions, provider: Provider) -> None:
    """Rejects flags that do not fit the provider or each other."""
    if options.max_output_tokens is not None and options.max_output_tokens < 1:
        raise InputError(
            f"--max-output-tokens is {options.max_output_tokens}; give 1 or more, or omit it."
        )
    if options.answers is not None and provider.name != "scripted":
        raise InputError("--answers works only with --provider scripted; omit one of the two.")
    if provider.needs_model and not (options.model or provider.default_model):
        flag = "--answers" if provider.name == "scripted" else "--model"
        what = "a file of answers" if provider.name == "scripted" else "the name of a model"
        raise InputError(f"--provider {provider.name} needs {what}; give it with {flag}.")
    if options.enable_code_interpreter and "code_interpreter" not in provider.settings:
        instead = ""
        if provider.remote:
            instead = ", or use --code-tool local to run the model's code in this machine's sandbox"
        raise InputError(
            f"{provider.name} has no hosted code interpreter; omit --enable-code-interpreter"
            f"{instead}."
        )
    if options.code_tool == "local" and not provider.remote:
        raise InputError(
            f"--code-tool local needs a remote model, but --provider {provider.name} is not "
            "remote; serve the model (with llama.cpp's server, vLLM or Ollama) and use --provider "
            "chat with its --base-url."
        )
    if options.enable_code_interpreter and options.code_tool == "local":
        raise InputError("Use either --enable-code-interpreter or --code-tool local, not both.")
    if options.max_total_tokens is not None and not provider.remote:
        raise InputError(
            f"--max-total-tokens limits remote models, but --provider {provider.name} is not "
            "remote; omit it, and limit --attempts and --max-output-tokens instead."
        )
    check_budget(options.max_cost_usd, options.max_total_tokens)
    try:
        check_limits(**_values(options))
    except InputError as error:
        raise InputError(sentence(error, ModelOptions)) from error


def concurrency_that_fits(concurrency: int, files: int = 1) -> int:
    """Returns the concurrency that the limit on open files allows; says so if that is less.

    Args:
        concurrency: What was asked for.
        files: Number of files that a call needs.
    """
    fits = max(1, calls_that_fit(concurrency * files) // files)
    if fits < concurrency:
        note(
            f"The limit on open files (ulimit -n) allows {counted(fits, 'call')} in flight, "
            f"not --concurrency {concurrency}."
        )
    return fits


def check_budget(max_cost_usd: float | None, max_total_tokens: int | None) -> None:
    """Checks that limits are positive.

    Raises:
        InputError: A limit is 0 or negative.
    """
    for flag, limit in (("--max-cost-usd", max_cost_usd), ("--max-total-tokens", max_total_tokens)):
        if limit is not None and not limit > 0:
            raise InputError(f"{flag} is {limit}; give a number above 0, or omit it.")


def warn_of_price(name: str, budget: Budget, max_cost_usd: float | None) -> None:
    """Prints a warning if a limit in dollars has no effect because the model's price is unknown."""
    if max_cost_usd is not None and budget.price(1, 1) is None:
        note(
            f"Warning: the price of {name} is unknown, so --max-cost-usd cannot stop the run; use "
            "--max-total-tokens to limit it."
        )


def _variables(provider: Provider) -> str:
    """Returns the environment variables that may hold the provider's key."""
    return " or ".join(provider.key_variables)


def _base_url(options: ModelOptions, provider: Provider) -> str | None:
    """Returns the API address from the flags or the environment, if any.

    Raises:
        InputError: It is malformed, or the client cannot use the environment.
    """
    if "base_url" not in provider.settings:
        return None
    named = (os.environ.get(name) for name in provider.address_variables)
    url = options.base_url or next(filter(None, named), None) or provider.address
    url = None if url is None else checked_address(url)
    check_network(url)
    return url
