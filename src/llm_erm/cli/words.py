"""Says what is wrong with a command line: which flag, which value, and what is allowed."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from itertools import pairwise
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from llm_erm.checks import allowed, alternatives
from llm_erm.cli.help import POSITIONAL


@dataclass(frozen=True)
class _Flag:
    """A flag, or words without one.

    Attributes:
        names: Its spellings, with dashes; the first is the usual one.
        hint: The type of one value; bool for a switch.
        many: Whether it takes any number of values.
        required: Whether it must be given.
    """

    names: tuple[str, ...]
    hint: Any
    many: bool
    required: bool = False

    @property
    def most(self) -> float:
        """How many values it takes at most."""
        return float("inf") if self.many else int(self.hint is not bool)

    def wrong(self, word: str) -> str | None:
        """Returns what is wrong with a value; None if nothing is."""
        kinds = alternatives(self.hint)
        if any(_fits(word, kind) for kind in kinds):
            return None
        what = allowed(self._kinds, str)
        one = len(self._kinds) == 1 and what.startswith("a ")
        return f"{word!r:.60} is not {what if one else f'allowed; give {what}'}."

    def empty(self, name: str) -> str:
        """Returns what is wrong with the flag without a value."""
        what = "one or more" if self.many else allowed(self._kinds, str)
        return f"{name} needs a value; give {what}, or omit the flag."

    @property
    def _kinds(self) -> list[Any]:
        """The types of its values, without None where that is what omitting the flag means."""
        kinds = alternatives(self.hint)
        literal = get_origin(kinds[0]) is Literal
        return kinds if literal else [kind for kind in kinds if kind is not NoneType]


@dataclass
class _Given:
    """What a command line gives.

    Attributes:
        values: The flags with their values, in their order.
        loose: The words that no flag takes, each with the flag before it and the number of flags.
        unknown: The flags that do not exist.
    """

    values: list[tuple[str, _Flag, list[str]]] = field(default_factory=list)
    loose: list[tuple[str, tuple[str, _Flag] | None, int]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def fault_in(kind: type[Any], words: Sequence[str]) -> str | None:
    """Returns what is wrong with a command line, as a sentence; None if nothing is found.

    Args:
        kind: The dataclass of the command's flags.
        words: The command line, without any key.
    """
    flags, places = _flags(kind)
    given = _given(flags, words)
    if given.unknown:
        name = given.unknown[0]
        close = get_close_matches(name, [one for flag in flags for one in flag.names], 1)
        return f"There is no flag {name}" + (f"; did you mean {close[0]}?" if close else ".")
    for name, flag, values in given.values:
        if not values and flag.most:
            return flag.empty(name)
        for value in values:
            if wrong := flag.wrong(value):
                return f"{name}: {wrong}"
    if fault := _misplaced(given, places):
        return fault
    flag_names = {flag.names for _, flag, _ in given.values}
    missing = (flag for flag in flags if flag.required and flag.names not in flag_names)
    return next((f"{flag.names[0]} is missing." for flag in missing), None)


def _misplaced(given: _Given, places: Sequence[_Flag]) -> str | None:
    """Returns what is wrong with the words without a flag."""
    room = sum(place.most for place in places)
    if len(given.loose) > room:
        word, before, _ = given.loose[int(room)]
        if before is not None:
            takes = "one value" if before[1].most else "no value"
            return f"{before[0]} takes {takes}; {word!r:.60} is one too many."
        names = " and ".join(place.names[0] for place in places)
        takes = f"the command takes {names}" if names else "the command takes flags only"
        return f"{word!r:.60} is one word too many; {takes}."
    for (first, _, flags), (word, _, more) in pairwise(given.loose):
        if flags != more and places[-1].many:
            apart = f"{word!r:.60} stands apart from {first!r:.60}"
            return f"{apart}; give them one after the other."
    for (word, *_), place in zip(given.loose, places, strict=False):
        if wrong := place.wrong(word):
            return wrong
    for place in places[len(given.loose) :]:
        if place.required:
            return f"{place.names[0]} is missing."
    return None


def without_value(kind: type[Any], words: Sequence[str]) -> str | None:
    """Returns a sentence on a flag that needs values and has none, which tyro reads as a list."""
    values = _given(_flags(kind)[0], words).values
    return next((flag.empty(name) for name, flag, given in values if flag.most and not given), None)


def _given(flags: Sequence[_Flag], words: Sequence[str]) -> _Given:
    """Returns what a command line gives."""
    named = {name: flag for flag in flags for name in flag.names}
    given = _Given()
    last: tuple[str, _Flag, list[str]] | None = None
    ended = False
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--" and not ended:
            ended, last = True, None
            continue
        if ended or not _is_flag(name):
            if last is None or len(last[2]) >= last[1].most:
                given.loose.append((word, last and last[:2], len(given.values)))
            else:
                last[2].append(word)
            continue
        if (flag := named.get(name.replace("_", "-"))) is None:
            given.unknown.append(name)
            last = None
            continue
        last = (name, flag, [])
        given.values.append(last)
        if equals and flag.most:
            last[2].append(value)
        elif equals:
            given.loose.append((value, last[:2], len(given.values)))
    return given


def _is_flag(word: str) -> bool:
    """Returns whether a word is the name of a flag rather than a value, such as a number."""
    return word.startswith("-") and word != "-" and not _fits(word, float)


def _fits(word: str, kind: Any) -> bool:  # noqa: ANN401 - a type
    """Returns whether a word can be read as a value of a type."""
    if get_origin(kind) is Literal:
        return word == str(get_args(kind)[0])
    if kind is NoneType:
        return word == "None"
    if kind in (int, float):
        try:
            kind(word)
        except ValueError:
            return False
    return True


def _flags(kind: type[Any]) -> tuple[list[_Flag], list[_Flag]]:
    """Returns the flags of a command, and the words that it takes without one."""
    hints = get_type_hints(kind, include_extras=True)
    flags, places = [], []
    for one in fields(kind):
        found = hints[one.name]
        hint, *marks = get_args(found) if get_origin(found) is Annotated else (found,)
        if tyro.conf.Suppress in marks:
            continue
        many = get_origin(hint) is tuple
        hint = get_args(hint)[0] if many else hint
        required = one.default is tyro.MISSING or one.default is one.default_factory is MISSING
        if tyro.conf.Positional in marks:
            places.append(_Flag((POSITIONAL[one.name],), hint, many, required))
            continue
        named = next((mark.name for mark in marks if getattr(mark, "name", None)), one.name)
        others = [name for mark in marks for name in getattr(mark, "aliases", None) or ()]
        names = dict.fromkeys([f"--{named}", *others])
        flags.append(_Flag(tuple(name.replace("_", "-") for name in names), hint, many, required))
    return flags, places
