"""Marks the settings that do not shape results, where they are defined; fingerprints skip them."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Protocol,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from llm_erm.errors import InputError


class Operational:
    """Marks a setting that changes how or where a run works, but never its results."""


OPERATIONAL = Operational()
"""``timeout: Annotated[float, OPERATIONAL] = 600.0`` keeps ``timeout`` out of every fingerprint."""


@runtime_checkable
class Described(Protocol):
    """An object that describes itself, such as a loaded model."""

    @property
    def described(self) -> object:
        """What shapes its results: a frozen dataclass, or JSON values."""
        ...


def shaping(settings: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass of settings
    """Returns the fields of a dataclass that shape results, as JSON values by name.

    Nested dataclasses and ``Described`` objects become JSON objects. Fields marked ``OPERATIONAL``
    are left out at every level.
    """
    return {name: plain(getattr(settings, name)) for name in _shaping_names(type(settings))}


_NAMES: dict[type, tuple[str, ...]] = {}
"""Cache: names of the shaping fields of each dataclass."""


def _shaping_names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any dataclass
    if kind not in _NAMES:
        hints = get_type_hints(kind, include_extras=True)
        _NAMES[kind] = tuple(f.name for f in fields(kind) if not _is_operational(hints[f.name]))
    return _NAMES[kind]


def _is_operational(hint: object) -> bool:
    return get_origin(hint) is Annotated and any(
        isinstance(mark, Operational) for mark in get_args(hint)[1:]
    )


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a setting holds
    """Returns a value as JSON values; of settings, those that shape results."""
    if not isinstance(value, type):
        if isinstance(value, Described):
            return plain(value.described)
        if is_dataclass(value):
            return shaping(value)
    if isinstance(value, Path):
        return str(value)
    if callable(value):  # a strategy, say
        name = getattr(value, "__qualname__", "<unnamed>")
        if "<" in name:
            raise InputError(
                f"{value!r:.80} has no name that would tell it from another; give a class or a "
                "function of a module."
            )
        return f"{value.__module__}.{name}"
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
