"""Checks values against the types that settings and arguments declare, and says what is allowed."""

from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from llm_erm.phrases import either


def allowed(kinds: Sequence[Any]) -> str:
    """Returns what types allow, as a sentence offers it: ``a whole number or None``."""
    return either(list(dict.fromkeys(map(_called, kinds))))


def alternatives(hint: Any) -> list[Any]:  # noqa: ANN401 - a type
    """Returns the types that a type allows, without annotations; a literal's values one by one."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in alternatives(part)]
    if get_origin(hint) is Literal:
        return [Literal[value] for value in get_args(hint)]
    return [hint]


def _called(kind: Any) -> str:  # noqa: ANN401 - a type
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    return _NAMES.get(kind, "a text")


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    NoneType: "None",
    Path: "a path",
}
