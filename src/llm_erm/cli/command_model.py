"""Checks the flags of a model that is a command."""

from dataclasses import replace

from llm_erm.cli.keys import keep_environment
from llm_erm.cli.model_options import ModelOptions
from llm_erm.errors import InputError

_NOT_ITS = {
    "base_url": "a command calls whom it wants",
    "reasoning_effort": "say it in the command, if its program can",
    "temperature": "say it in the command, if its program can",
    "top_p": "say it in the command, if its program can",
    "thinking_level": "say it in the command, if its program can",
    "context_tokens": "say it in the command, if its program can",
    "verbosity": "say it in the command, if its program can",
    "max_output_tokens": "nothing limits the tokens of a command but the command itself",
    "max_total_tokens": "nobody counts the tokens of a command; limit --attempts instead",
    "max_cost_usd": "nobody counts what a command costs; limit --attempts instead",
}
"""Flags that would not do what they say, and why."""


def with_command(options: ModelOptions, provider: str) -> ModelOptions:
    """Returns the options with the command as their model, if the provider is ``command``.

    Args:
        options: The flags.
        provider: The provider.

    Raises:
        InputError: Flags contradict each other, or would have no effect.
    """
    if provider != "command":
        if options.command is not None:
            raise InputError(
                f"--command is the model of --provider command, not of {provider}; omit one of the "
                "two."
            )
        return options
    if options.command is not None and options.model:
        raise InputError("The command is the model; omit --model.")
    if not (options.command or options.model):
        raise InputError(
            "--provider command needs a command line; give it with --command, as in --command "
            "'claude -p'."
        )
    for name, why in _NOT_ITS.items():
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is not for a command: {why}.")
    if options.code_tool == "local":
        raise InputError(
            "--code-tool local needs a model that calls tools by the protocol of its server, and a "
            "command has none; omit it, or use the tools of the command's own program."
        )
    keep_environment(sent=True)  # the program gets it
    return replace(options, model=options.command or options.model)
