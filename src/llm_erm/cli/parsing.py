"""From words on a command line to a dataclass of flags, the same way for every command."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

Parsed = TypeVar("Parsed")

CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)


def parse(
    kind: Callable[..., Parsed],
    words: Sequence[str] | None,
    prog: str,
    description: str | None = None,
    default: Parsed | None = None,
) -> Parsed:
    """Returns what a dataclass of flags, or a function of one, makes of the words.

    Args:
        kind: The dataclass, or a command; a command is called.
        words: The command line without the program's name; this process's where it is None.
        prog: The program's name, for its help.
        description: What it does, for its help; that of ``kind`` where it is None.
        default: Values of the flags that are not given; those of the dataclass where it is None.

    Raises:
        SystemExit: The words cannot be parsed, or ask for help.
    """
    cli: Any = tyro.cli  # its overloads tell a class from a function, which are both fine here
    parsed: Parsed = cli(
        kind,
        prog=prog,
        description=description,
        args=words,
        default=tyro.MISSING_NONPROP if default is None else default,
        config=CONFIG,
    )
    return parsed
