"""`llm-erm`: one module a command; a set-up that cannot work is one sentence and exit status 2."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro

from llm_erm.cli.baselines import baselines
from llm_erm.cli.bound import bound
from llm_erm.cli.compare import compare_runs
from llm_erm.cli.data import data
from llm_erm.cli.doctor import doctor
from llm_erm.cli.enumerate import enumerate
from llm_erm.cli.figure import figure
from llm_erm.cli.flags import sentence
from llm_erm.cli.incontext import incontext
from llm_erm.cli.sweep import sweep
from llm_erm.cli.synthesize import synthesize
from llm_erm.cli.tasks import tasks
from llm_erm.cli.train import train
from llm_erm.cli.verify import verify
from llm_erm.errors import LLMERMError

COMMANDS: dict[str, Callable[..., int]] = {
    "synthesize": synthesize,
    "incontext": incontext,
    "baselines": baselines,
    "train": train,
    "sweep": sweep,
    "enumerate": enumerate,
    "tasks": tasks,
    "data": data,
    "verify": verify,
    "compare": compare_runs,
    "figure": figure,
    "bound": bound,
    "doctor": doctor,
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
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started this
        nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = command()
        status = status if _printed() else 2
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # It was the output that failed: files answer for themselves.
        if _printed() and error.errno == errno.ENOSPC:  # unbuffered, nothing is left to fail again
            _say_unprinted(error)
        status = 2
    except LLMERMError as error:
        print(f"llm-erm: {sentence(error)}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("llm-erm: stopped.", file=sys.stderr)
        status = 130
    sys.exit(status)


def _printed() -> bool:
    """Whether all output went out; what did not is dropped, or the exit would fail on it again."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            _say_unprinted(error)
        return False
    return True


def _say_unprinted(error: OSError) -> None:
    with contextlib.suppress(OSError):  # the exit status says it too
        print(f"llm-erm: cannot print: {error.strerror}.", file=sys.stderr)
