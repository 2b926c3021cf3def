"""Builds language models from names such as ``openai:gpt-5``."""

from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from typing import Any, Unpack, get_type_hints

from llm_erm.checks import fitting
from llm_erm.errors import InputError
from llm_erm.llms.budget import Price
from llm_erm.llms.clients import checked_address, checked_key
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import LLM
from llm_erm.llms.providers import PROVIDERS, ModelSettings, Provider


def model(name: str, **settings: Unpack[ModelSettings]) -> LLM:
    """Returns the language model of that name; sends nothing and reads no environment variables.

    Args:
        name: ``provider:model``, such as ``openai:gpt-5``, ``anthropic:claude-opus-4-6``,
            ``local:model.gguf``, ``command:claude -p`` or ``scripted:answers.json``; or a provider
            alone, for its default model, such as ``local`` for the embedded one.
        settings: Fields of ``ModelSettings`` that the provider takes.

    Raises:
        InputError: The provider is unknown, no model is named, or a setting is not valid.
        MissingExtraError: A package that the provider needs is not installed.
    """
    provider, named = split_name(name)
    for setting in settings:
        if setting not in provider.settings:
            takes = ", ".join(sorted(provider.settings)) or "none"
            raise InputError(
                f"{provider.name} does not take the setting {setting}; it takes {takes}.",
                setting=setting,
            )
    model_name = named or provider.default_model
    if model_name is None and provider.needs_model:
        raise InputError(
            f"{provider.name} needs the name of a model, as in {provider.name}:NAME.",
            setting="model",
        )
    given: dict[str, Any] = {**provider.given, **settings}
    hints = get_type_hints(ModelSettings)
    given = {
        setting: value if value is None else fitting(setting, value, hints[setting])
        for setting, value in given.items()
    }
    check_limits(**given)
    if (url := given.pop("base_url", None) or provider.address) is not None:
        given["base_url"] = checked_address(url)
    elif provider.needs_address:
        raise InputError(
            f"{provider.name}:{model_name} is behind a server of your own (for OpenAI's models, "
            "use the provider openai); give the server's address.",
            setting="base_url",
        )
    if provider.needs_key and not given.get("api_key"):
        raise InputError(f"{provider.name}:{model_name} needs a key.", setting="api_key")
    if "api_key" in given:
        given["api_key"] = checked_key(given["api_key"])
    return provider.build(model_name, ModelSettings(**given))  # type: ignore[typeddict-item]


def split_name(name: str) -> tuple[Provider, str | None]:
    """Returns the provider and the rest of a model's name, or None if there is no rest.

    Raises:
        InputError: There is no such provider.
    """
    prefix, _, named = name.partition(":")
    if (provider := PROVIDERS.get(prefix)) is None:
        raise InputError(no_provider(prefix), setting="provider")
    return provider, named or None


def no_provider(name: str) -> str:
    """Returns a sentence on a provider that does not exist: which is meant, or which there are."""
    close = similar_provider(name)
    hint = f"did you mean {close}?" if close else f"choose one of {', '.join(PROVIDERS)} or replay."
    return f"There is no provider {name!r:.60}; {hint}"


def similar_provider(name: str) -> str | None:
    """Returns the provider with the most similar name; None if no name is similar.

    Models have such names as well: ``llama3`` does not mean ``ollama``, nor ``openchat`` OpenAI.
    """
    names = [one for one in (*PROVIDERS, "replay") if one[0] == name[:1].lower()]
    return next(iter(get_close_matches(name[:60].lower(), names, 1, cutoff=0.75)), None)


def price_of(name: str, base_url: str | None = None) -> Price:
    """Returns a function that prices a call before it is made, by the list of genai-prices.

    Args:
        name: ``provider:model``.
        base_url: Address of the API, which determines whose prices apply (default: the provider's
            own).
    """
    provider, named = split_name(name)
    model_name = named or provider.default_model or ""
    return partial(_listed_price, provider, model_name, base_url or provider.address)


def _listed_price(
    provider: Provider, model: str, base_url: str | None, prompt_tokens: int, output_tokens: int
) -> float | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    usage = Usage(input_tokens=prompt_tokens, output_tokens=output_tokens)
    places = {"provider_api_url": base_url, "provider_id": provider.price_list}
    for key, place in places.items():  # the address first, as for the price of an answer
        if place is not None:
            where: Any = {key: place}
            with suppress(LookupError):
                return float(calc_price(usage, model, **where).total_price)
    return None
