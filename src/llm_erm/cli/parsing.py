"""Parses the command line of every command into a dataclass of flags."""

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import field, fields, make_dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar, cast, get_type_hints

import tyro

from llm_erm.cli.help import by_subject
from llm_erm.cli.text import USUAL_COLUMNS, folded, say
from llm_erm.cli.words import fault_in, without_value
from llm_erm.errors import InputError
from llm_erm.secrets import without_keys
from llm_erm.version import VERSION

Parsed = TypeVar("Parsed")

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
        SystemExit: The words ask for help or the version.
        InputError: They cannot be parsed; the message says which flag is wrong, and why.
    """
    given = list(sys.argv[1:] if words is None else words)
    if "--version" in given:
        say(f"llm-erm {VERSION}")
        raise SystemExit(0)
    names = tuple(one.name for one in fields(cast("Any", kind)))
    described = partial(by_subject, kind, names, default)
    found = _parsed(kind, given, prog, described, description, default)
    if (empty := without_value(kind, given)) is not None:
        raise _refusal(empty, prog)
    return found


def parse_again(earlier: Parsed, names: Sequence[str], words: Sequence[str], prog: str) -> Parsed:
    """Returns the flags of an earlier command line, but with those of these fields parsed anew.

    It takes a tenth of the time of ``parse``, which builds a parser of all flags.

    Args:
        earlier: What ``parse`` returned.
        names: Names of fields. Those that the words do not give get their defaults.
        words: The command line of these fields.
        prog: As for ``parse``.

    Raises:
        InputError: As ``parse``.
    """
    kind: Any = type(earlier)
    described = partial(by_subject, kind, tuple(names), None)
    part = _parsed(_part(kind, tuple(names)), list(words), prog, described)
    changed: Parsed = replace(cast("Any", earlier), **vars(part))
    return changed


def _parsed(
    kind: type[Parsed],
    given: list[str],
    prog: str,
    described: Callable[[], type[Any]],
    description: str | None = None,
    default: Parsed | None = None,
) -> Parsed:
    """Returns the flags, or exits after printing tyro's help of ``described``.

    It has the same flags, with their subjects and texts, which take longer to read than all else.
    """
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return tyro.cli(
                kind,
                prog=prog,
                args=given,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=CONFIG,
            )
    except SystemExit as ended:
        words = without_keys(given)
        if ended.code:
            raise _refusal(fault_in(kind, words) or "The flags cannot be read.", prog) from None
        page = io.StringIO()
        with suppress(SystemExit), redirect_stdout(sys.stdout if sys.stdout.isatty() else page):
            tyro.cli(described(), prog=prog, args=words, description=description, config=CONFIG)
        # On a terminal, that was it; elsewhere, tyro's first line may have 110 characters.
        if written := page.getvalue().removesuffix("\n"):
            usage, *rest = written.split("\n")
            say("\n".join([folded(usage, USUAL_COLUMNS, indent=7), *rest]))
        raise


def _refusal(fault: str, prog: str) -> InputError:
    return InputError(f"{fault} See `{prog} --help`.")


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
