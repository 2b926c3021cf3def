"""`llm-erm`: runs a command and exits.

If the command cannot run as asked, it prints one sentence to stderr and exits with status 2.
"""

import contextlib
import errno
import os
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from llm_erm.cli.commands import COMMANDS, command, described, flags_of
from llm_erm.cli.flags import sentence
from llm_erm.cli.keys import guard_streams, keep_environment
from llm_erm.cli.stopped import in_words, status_of, still_computing
from llm_erm.cli.text import never_fail, note
from llm_erm.errors import LLMERMError
from llm_erm.secrets import without_keys
from llm_erm.version import VERSION


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    exit_with(lambda: _run(words), lambda: flags_of(command(words[0])), words)


def _run(words: Sequence[str]) -> int:
    if not words or words[0] not in COMMANDS:
        overview = _overview()
        if not words:
            overview.print_help()
        elif words[0] in ("-h", "--help", "--version"):
            overview.parse_args(words[:1])  # prints and exits
        else:
            (shown, *_) = without_keys(words)
            close = " or ".join(get_close_matches(shown, COMMANDS))
            hint = f"did you mean {close}?" if close else f"choose one of {' '.join(COMMANDS)}."
            note(f"llm-erm: There is no command {shown!r}; {hint} See `llm-erm --help`.")
        return 2
    from llm_erm.cli.parsing import parse

    name, run = words[0], command(words[0])
    return run(parse(flags_of(run), words[1:], f"llm-erm {name}", described(name)))


def _overview() -> ArgumentParser:
    """Returns a parser that describes all commands without importing any of them."""
    columns = get_terminal_size().columns
    indent = max(map(len, COMMANDS)) + 4
    lines = (
        fill(
            f"  {name:{indent - 2}}{line}",
            columns,
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        for name, line in COMMANDS.items()
    )
    parser = ArgumentParser(
        prog="llm-erm",
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description="Learn short programs from a few labelled examples.",
        epilog="\n".join(
            (
                "commands:",
                *lines,
                "",
                "`llm-erm COMMAND --help` shows examples and the flags.",
            )
        ),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llm-erm {VERSION}")
    parser.add_argument("COMMAND", choices=COMMANDS, help=SUPPRESS)
    return parser


def exit_with(
    command: Callable[[], int], kind: Callable[[], type[Any]], words: Sequence[str] = ()
) -> None:
    """Runs a command and exits: 0 success, 1 a candidate failed, 2 invalid use, or as stopped.

    Args:
        command: Returns the status of a command that was not stopped.
        kind: Returns its options, if it failed.
        words: Its command line.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started this
        nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        never_fail(stream)
    keep_environment()
    guard_streams()
    try:
        status = command()
        status = status if _printed() else 2
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # Printing failed: errors in writing files are LLMERMErrors.
        if _printed() and error.errno == errno.ENOSPC:  # unbuffered: the flush did not fail again
            _say_unprinted(error)
        status = 2
    except LLMERMError as error:
        note(f"llm-erm: {sentence(error, kind(), words)}")
        status = 2
    except KeyboardInterrupt as stopped:
        note(f"llm-erm: {in_words(stopped)}")
        status = status_of(stopped)
    if status > 128 and still_computing():
        sys.stderr.flush()
        os._exit(status)  # Python would wait for what nobody wants any more
    sys.exit(status)


def _printed() -> bool:
    """Flushes stdout and returns whether that worked; if not, drops the rest of the output.

    Otherwise Python would fail on it again at exit.
    """
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
        note(f"llm-erm: cannot print: {error.strerror}.")
