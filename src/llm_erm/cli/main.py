"""`llm-erm`: one module a command; a set-up that cannot work is one sentence and exit status 2."""

import sys
from collections.abc import Callable, Sequence

import tyro

from llm_erm.cli.data import data
from llm_erm.cli.synthesize import synthesize
from llm_erm.cli.tasks import tasks
from llm_erm.cli.verify import verify
from llm_erm.errors import LLMERMError

COMMANDS: dict[str, Callable[..., int]] = {
    "synthesize": synthesize,
    "tasks": tasks,
    "data": data,
    "verify": verify,
}


CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits."""
    exit_with(
        lambda: tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="llm-erm",
            description="Learn short programs from a few labelled examples.",
            args=arguments,
            config=CONFIG,
        )
    )


def exit_with(command: Callable[[], int]) -> None:
    """Runs a command and exits: 0 done, 1 a candidate failed, 2 wrong use, 130 stopped."""
    try:
        status = command()
    except LLMERMError as error:
        print(f"llm-erm: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("llm-erm: stopped.", file=sys.stderr)
        status = 130
    sys.exit(status)
