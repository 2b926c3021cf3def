"""Parses the command line of every command into a dataclass of flags."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

Parsed = TypeVar("Parsed")

DEFAULT_TOLD = tyro.conf.arg(help_behavior_hint="")
"""Marks a flag whose description says what happens without it."""

CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)


def parse(
    kind: type[Parsed],
    words: Sequence[str] | None,
    prog: str,
    description: str | None = None,
    default: Parsed | None = None,
) -> Parsed:
    """Returns the flags that the command line gives.

    Args:
        kind: The dataclass of flags.
        words: The command line without the program's name (default: that of this process).
        prog: The program's name, for its help.
        description: What the program does, for its help (default: the docstring of ``kind``).
        default: Values of flags that are not given (default: those of the dataclass).

    Raises:
        SystemExit: The words cannot be parsed, or ask for help.
    """
    parsed: Parsed = tyro.cli(
        kind,
        prog=prog,
        description=description,
        args=words,
        default=tyro.MISSING_NONPROP if default is None else default,
        config=CONFIG,
    )
    return parsed
