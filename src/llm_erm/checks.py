"""Checks values against the types that settings and arguments declare, in the user's words."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from llm_erm.errors import InputError
from llm_erm.phrases import either

P = ParamSpec("P")
R = TypeVar("R")


class Checked:
    """A dataclass that checks the types of its fields when it is made.

    Lists become tuples and texts become paths where the types say so; numbers and truths of other
    libraries become Python's. Numbers are accepted for numbers only.
    """

    def __post_init__(self) -> None:
        """Checks each field.

        Raises:
            InputError: One has another type than it declares.
        """
        kind: Any = type(self)
        for name, hint in _hints(kind).items():
            value = getattr(self, name)
            if (checked := fitting(name, value, hint)) is not value:
                object.__setattr__(self, name, checked)


def checking(function: Callable[P, R]) -> Callable[P, R]:
    """Returns a function that checks its arguments as ``Checked`` checks fields.

    Types that are given as texts, and those of ``*args`` and ``**kwargs``, are not checked.
    """
    signature = inspect.signature(function)
    hints = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        and not isinstance(one.annotation, str)
        and one.annotation is not one.empty
    }

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind_partial(*args, **kwargs)
        for name in hints.keys() & given.arguments.keys():
            given.arguments[name] = fitting(name, given.arguments[name], hints[name])
        return function(*given.args, **given.kwargs)

    return checked


def fitting(name: str, value: Any, hint: Any) -> Any:  # noqa: ANN401 - of any type
    """Returns a value as its type has it.

    Args:
        name: What the value is called, for the message.
        value: The value.
        hint: Its type. Protocols are told from plain values only.

    Raises:
        InputError: The value does not fit; the message says what is allowed.
    """
    try:
        return _fitted(value, hint)
    except _MisfitError as misfit:
        raise InputError(f"{name} {misfit}.", setting=name) from None


def allowed(kinds: Sequence[Any], say: Callable[[object], str] = repr) -> str:
    """Returns what types allow, as a sentence offers it: ``a whole number or None``.

    Args:
        kinds: The types.
        say: Writes the value of a literal, which a command line has without quotes.
    """
    return either(list(dict.fromkeys(_called(kind, say) for kind in kinds)))


def alternatives(hint: Any) -> list[Any]:  # noqa: ANN401 - a type
    """Returns the types that a type allows; those of annotations with a text keep it."""
    if get_origin(hint) is Annotated and not any(isinstance(one, str) for one in _marks(hint)):
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in alternatives(part)]
    if get_origin(hint) is Literal:
        return [Literal[value] for value in get_args(hint)]
    return [hint]


class _MisfitError(Exception):
    """A value, or an item of a list, does not have the type it should."""

    def __init__(self, value: object, offered: str, verb: str = "is") -> None:
        what = "the text " * (isinstance(value, str) and offered.startswith("a list"))
        super().__init__(f"{verb} {what}{value!r:.60}; give {offered}")
        self.value, self.offered = value, offered


_NOTHING = object()


def _fitted(value: Any, hint: Any) -> Any:  # noqa: ANN401 - of any type
    """Returns a value as its type has it, or raises ``_MisfitError``."""
    kinds = alternatives(hint)
    within = None
    for kind in kinds:
        try:
            if (found := _as(value, kind)) is not _NOTHING:
                return found
        except _MisfitError as misfit:
            within = misfit
    if within is not None:
        raise within
    offered = allowed(kinds)
    if offered == "a list" and not isinstance(value, Mapping):
        offered += f", such as [{value!r:.60}]" * (_item(kinds[0]) is type(value))
    raise _MisfitError(value, offered)


def _as(value: Any, kind: Any) -> Any:  # noqa: ANN401 - of any type
    """Returns a value as one of the types that it may have; ``_NOTHING`` if it does not fit."""
    origin = get_origin(kind) or kind
    if origin is Annotated:
        try:
            return _fitted(value, get_args(kind)[0])
        except _MisfitError:
            return _NOTHING
    if origin is Literal:
        (only,) = get_args(kind)
        return only if isinstance(value, type(only)) and value == only else _NOTHING
    if kind in (int, float):
        number = Integral if kind is int else Real
        if isinstance(value, bool) or not isinstance(value, number):
            return _NOTHING
        return _number(value)
    if kind is bool:
        return bool(value) if isinstance(value, bool) or _is_truth(value) else _NOTHING
    if kind is Path:
        return Path(value) if isinstance(value, str | PathLike) else _NOTHING
    if origin in (tuple, Sequence):
        return _listed(value, kind, origin)
    if origin is Callable:
        return value if callable(value) else _NOTHING
    if not isinstance(origin, type):
        return value
    if is_typeddict(origin):
        return value if isinstance(value, dict) else _NOTHING
    if getattr(origin, "_is_protocol", False):
        return value if _has_methods(value, origin) else _NOTHING
    return value if isinstance(value, origin) else _NOTHING


def _number(value: Any) -> float:  # noqa: ANN401 - of another library
    return int(value) if isinstance(value, Integral) else float(value)


def _is_truth(value: Any) -> bool:  # noqa: ANN401 - of any type
    """Returns whether a value is another library's True or False."""
    return getattr(value, "shape", None) == () and getattr(value, "dtype", None) == "bool"


def _listed(value: Any, kind: Any, origin: type) -> Any:  # noqa: ANN401 - of any type
    """Returns a list whose items have been checked: a tuple, or the list itself if that may be."""
    if isinstance(value, str | bytes | Mapping):
        return _NOTHING
    try:
        given = iter(value)
    except TypeError:
        return _NOTHING
    items = []
    for one in given:
        try:
            items.append(_fitted(one, _item(kind)))
        except _MisfitError as misfit:
            raise _MisfitError(misfit.value, misfit.offered, "holds") from None
    return value if origin is not tuple and isinstance(value, Sequence) else tuple(items)


def _item(kind: Any) -> Any:  # noqa: ANN401 - a type
    """Returns the type of a list's items."""
    return next(iter(get_args(kind)), Any)


def _has_methods(value: object, protocol: type) -> bool:
    """Returns whether an object has the methods of a protocol; a class is not its object."""
    names = (
        name
        for base in protocol.__mro__
        for name, member in vars(base).items()
        if getattr(base, "_is_protocol", False) and callable(member)
        if name == "__call__" or not name.startswith("_")
    )
    return not isinstance(value, type) and all(callable(getattr(value, name, 0)) for name in names)


def _called(kind: Any, say: Callable[[object], str]) -> str:  # noqa: ANN401 - a type
    for text in _marks(kind):
        if isinstance(text, str):
            return text
    if get_origin(kind) is Literal:
        return say(get_args(kind)[0])
    origin = get_origin(kind) or kind
    return _NAMES.get(origin) or f"a value of the type {getattr(origin, '__name__', origin)}"


def _marks(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    NoneType: "None",
    str: "a text",
    Path: "a path",
    tuple: "a list",
    Sequence: "a list",
    Callable: "a function",
}


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Returns the types of a dataclass's fields."""
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: hints[one.name] for one in fields(kind)}
