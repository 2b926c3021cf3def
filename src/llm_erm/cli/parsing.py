"""Parses the command line of every command into a dataclass of flags."""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import field, fields, make_dataclass, replace
from functools import cache
from typing import Any, TextIO, TypeVar, cast, get_type_hints

import tyro

from llm_erm.cli.keys import escaped, without_keys

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
    given = list(sys.argv[1:] if words is None else words)
    hidden = without_keys(given)

    def parsed(words: Sequence[str], errors: TextIO) -> Parsed:
        with redirect_stderr(errors):
            return tyro.cli(
                kind,
                prog=prog,
                description=description,
                args=words,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=CONFIG,
            )

    said = io.StringIO()
    try:
        return parsed(given, said if hidden != given else escaped(sys.stderr))
    except SystemExit as stopped:
        if stopped.code and hidden != given:
            # It quotes the words, in lines that may divide a key, so they must be without keys.
            parsed(hidden, escaped(sys.stderr))
            escaped(sys.stderr).write(said.getvalue())  # the words fail only with what was hidden
        raise


def parse_again(earlier: Parsed, names: Sequence[str], words: Sequence[str], prog: str) -> Parsed:
    """Returns the flags of an earlier command line, but with those of these fields parsed anew.

    It takes a tenth of the time of ``parse``, which builds a parser of all flags.

    Args:
        earlier: What ``parse`` returned.
        names: Names of fields. Those that the words do not give get their defaults.
        words: The command line of these fields.
        prog: As for ``parse``.

    Raises:
        SystemExit: As ``parse``.
    """
    kind: Any = type(earlier)
    part = parse(_part(kind, tuple(names)), words, prog)
    changed: Parsed = replace(cast("Any", earlier), **vars(part))
    return changed


@cache
def _part(kind: Any, names: tuple[str, ...]) -> type[Any]:  # noqa: ANN401 - any dataclass
    """Returns a dataclass of some of the flags of a command."""
    hints = get_type_hints(kind, include_extras=True)
    own = {one.name: one for one in fields(kind)}
    return make_dataclass(
        kind.__name__,
        [
            (
                name,
                hints[name],
                field(default=own[name].default, default_factory=own[name].default_factory),
            )
            for name in names
        ],
    )
