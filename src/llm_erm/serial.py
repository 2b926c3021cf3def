"""One serialiser for all that is written and read back: results, attempts, answers, settings.

Records are dataclasses; pydantic checks their types on the way in. The text is written and parsed
by the standard library, whose JSON can hold the lone surrogates that a model's answer may contain.
"""

import json
import math
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Record = TypeVar("Record")


class RecordError(ValueError):
    """A text does not hold the expected record; the message says where and why."""


def to_plain(value: object) -> Any:  # noqa: ANN401 - what JSON holds
    """Returns a record as JSON values."""
    return _adapter(type(value)).dump_python(value, mode="json")


def to_json(value: object) -> str:
    """Returns a record as one line of JSON; numbers that are not finite become null."""
    plain = to_plain(value)
    try:
        return json.dumps(plain, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(plain), allow_nan=False)


def _finite(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Returns a JSON value with None in place of non-finite numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value


def from_plain(kind: type[Record], value: object) -> Record:
    """Returns the record that JSON values describe.

    Raises:
        RecordError: A field is missing or has another type.
    """
    try:
        record: Record = _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the record"
        raise RecordError(f"{place}: {first['msg']}") from None
    return record


def from_json(kind: type[Record], text: str) -> Record:
    """Returns the record in a JSON text.

    Raises:
        RecordError: The text is not JSON, a field is missing, or one has another type.
    """
    try:
        value = json.loads(text, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not valid JSON ({error})") from None
    return from_plain(kind, value)


def _number(text: str) -> float:
    """Returns the number in a JSON text, which no record holds if it is not finite."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is not finite")
    return value


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
"""Built once per type, which takes milliseconds."""


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
