"""From words on a command line to a dataclass of flags, the same way for every command."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

Parsed = TypeVar("Parsed")

CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)


def parse(
    kind: type[Parsed],
    words: Sequence[str] | None,
    prog: str,
    description: str | None = None,
    default: Parsed | None = None,
) -> Parsed:
    """Returns what a dataclass of flags makes of the words.

    Args:
        kind: The dataclass.
        words: The command line without the program's name; this process's where it is None.
        prog: The program's name, for its help.
        description: What it does, for its help.
        default: Values of the flags that are not given; those of the dataclass where it is None.

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
