"""Reads cells: numbers in their many spellings, ISO dates, and what means a missing value."""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(
    (
        "",
        "NA",
        "N/A",
        "n/a",
        "NaN",
        "nan",
        "NAN",
        "NaT",
        "null",
        "NULL",
        "Null",
        "?",
        "<NA>",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "#DIV/0!",
        "#NULL!",
        "#NUM!",
        "#REF!",
        "#VALUE!",
        "#NAME?",
    )
)
"""What means a missing value in every column: what R, pandas, databases, spreadsheets and the UCI
archive write. Words that people also use as values, such as None, are not among them."""


class NumberFormat(NamedTuple):
    """How numbers are written.

    Attributes:
        decimal: The decimal mark.
        thousands: What separates groups of three digits; empty if nothing does.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""


PLAIN = NumberFormat()
_COMMA = NumberFormat(",")
_FORMATS = (
    PLAIN,
    NumberFormat(".", ","),
    _COMMA,
    NumberFormat(",", "."),
    NumberFormat(".", " "),
    NumberFormat(",", " "),
    NumberFormat(".", "'"),
    NumberFormat(",", "'"),
)
Decimals = Literal["point", "perhaps comma", "comma"]
"""What the rest of a file says of the decimal mark: nothing (so a point), its delimiter is a
semicolon, as where commas are decimal marks, or another column certainly has decimal commas."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_LOOKALIKES = str.maketrans(
    {"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"}
)
_MARKS = ",' \u00a0\u202f\u2009\u2019"
"""What numbers that are not plain may have in them."""
_CURRENCIES = frozenset("%$€£¥")
_SIGNS = "%$€£¥ "
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\s?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400.0
DAY_MICROSECONDS = 86_400_000_000
_FIRST_SECOND = -719_162 * 86_400
_LAST_SECOND = 2_932_897 * 86_400 - 1
_FIRST_MICROSECOND = _FIRST_SECOND * 1_000_000
_LAST_MICROSECOND = _LAST_SECOND * 1_000_000 + 999_999


def read_number(text: str, form: NumberFormat) -> float | None:
    """Returns the number in a text, perhaps infinite; None if it is none in this format."""
    if not text.isascii():
        text = text.translate(_LOOKALIKES)
    if text[:1] in _CURRENCIES or text[-1:] in _CURRENCIES:
        text = text.strip(_SIGNS)
    if form.thousands and form.thousands in text:
        if not _grouped(form).fullmatch(text):
            return None
        text = text.replace(form.thousands, "")
    if form.decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".", 1)
    if _NUMBER.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text)
    return None


def have_signs(texts: Iterable[str]) -> bool:
    """Returns whether percent signs or the signs of currencies are in some texts."""
    together = "".join(texts)
    return any(sign in together for sign in _CURRENCIES)


@lru_cache(maxsize=16)
def _grouped(form: NumberFormat) -> re.Pattern[str]:
    mark, decimal = re.escape(form.thousands), re.escape(form.decimal)
    return re.compile(rf"[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{decimal}[0-9]*)?")


def read_date(text: str) -> float | None:
    """Returns an ISO date, with or without time, as days since 1970-01-01 (UTC); else None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
        return (when - _EPOCH).total_seconds() / _DAY
    except (ValueError, OverflowError):  # such as a 31st of February
        return None


def date_text(days: float) -> str:
    """Returns days since 1970-01-01 as an ISO date, with the time (UTC) if it is not midnight.

    Seconds are rounded, and days beyond the calendar are its first or last.
    """
    seconds = min(max(round(days * _DAY), _FIRST_SECOND), _LAST_SECOND)
    when = _EPOCH + timedelta(seconds=seconds)
    if seconds % int(_DAY) == 0:
        return when.date().isoformat()
    return when.replace(tzinfo=None).isoformat(sep=" ")


def days_at(microsecond: int) -> float:
    """Returns a moment, in microseconds since 1970 (UTC), as days, just as ``read_date`` does."""
    return timedelta(microseconds=microsecond).total_seconds() / _DAY


def microsecond_at(days: float) -> int:
    """Returns the last microsecond since 1970 (UTC) that is no later than a number of days.

    A date, whose resolution that is, is no later than the one if it is no later than the other. Of
    microseconds that are the same number of days, as in far centuries, a whole second is taken.
    Days beyond the calendar are its first or last moment.
    """
    days = min(max(days, days_at(_FIRST_MICROSECOND)), days_at(_LAST_MICROSECOND))
    microsecond = round(days * _DAY) * 1_000_000
    if days_at(microsecond) != days:
        numerator, denominator = days.as_integer_ratio()
        about = numerator * DAY_MICROSECONDS // denominator
        # Days as floats are up to 40 microseconds apart, and rounded twice.
        near = range(about - 200, about + 200)
        microsecond = near[bisect_right(near, days, key=days_at) - 1]
    return min(max(microsecond, _FIRST_MICROSECOND), _LAST_MICROSECOND)


def moment_text(days: float, *, times: bool = False) -> str:
    """Returns the last moment that is no later than a number of days, as an ISO date (UTC).

    It has the time if that is not midnight, to the microsecond where needed. Days beyond the
    calendar are its first or last.

    Args:
        days: Days since 1970-01-01.
        times: Whether midnight has a time, too.
    """
    when = (_EPOCH + timedelta(microseconds=microsecond_at(days))).replace(tzinfo=None)
    if not times and when == datetime.combine(when, time()):
        return when.date().isoformat()
    if when.second or when.microsecond:
        text = when.isoformat(sep=" ")
        return text.rstrip("0") if when.microsecond else text
    return when.isoformat(sep=" ", timespec="minutes")


def are_codes(texts: Collection[str]) -> bool:
    """Returns whether digits in texts are codes, not numbers: 02139 beside 94105, or 16 digits."""
    lengths = Counter(len(text) for text in texts if text.isdigit())
    if sum(count for length, count in lengths.items() if length > 15) > lengths.total() / 2:
        return True
    (length, _), *others = lengths.most_common() or [(0, 0)]
    return length > 2 and not others and any(text[0] == "0" for text in texts if text.isdigit())


def numbers_in(texts: Iterable[str], decimals: Decimals) -> tuple[NumberFormat, dict[str, float]]:
    """Returns the format that reads the most of some texts as numbers, and what it reads.

    Args:
        texts: Distinct texts, none of them missing.
        decimals: What the rest of the file says of the decimal mark.
    """
    texts = list(texts)
    quick = _quick(texts)
    plain = (
        _numbers(texts, PLAIN) if quick is None else dict(zip(texts, quick.tolist(), strict=True))
    )
    together = "\n".join(texts)
    if decimals == "comma":
        others = "." in together or len(plain) < len(texts)
    else:
        others = len(plain) < len(texts) and any(mark in together for mark in _MARKS)
    if not others:
        return PLAIN, plain
    read = {form: _numbers(texts, form) for form in _preferred(decimals)}
    best = max(read, key=lambda form: len(read[form]))
    return best, read[best]


def _preferred(decimals: Decimals) -> Sequence[NumberFormat]:
    """Returns the formats; of those that read equally many texts, the first one is meant."""
    if decimals == "point":
        return _FORMATS
    return (_COMMA, NumberFormat(",", "."), *_FORMATS)  # repeated ones do no harm


def _numbers(texts: Iterable[str], form: NumberFormat) -> dict[str, float]:
    found = {text: read_number(text, form) for text in texts}
    return {text: number for text, number in found.items() if number is not None}


def certainly_commas(texts: Iterable[str]) -> bool:
    """Returns whether some texts are numbers, of which at least one has a decimal comma for sure.

    ``1,5`` has, ``1,234`` may have one between thousands.
    """
    texts = list(texts)
    if not any("," in text for text in texts):
        return False
    read = {form: len(_numbers(texts, form)) for form in _FORMATS}
    most = max(read.values())
    commas = all(form.decimal == "," for form, count in read.items() if count == most)
    return commas and most >= 0.9 * len(texts)


def stripped(texts: Sequence[str]) -> list[str]:
    """Returns texts without spaces around them."""
    return list(map(str.strip, texts))


def to_values(texts: Sequence[str], known: Mapping[str, float]) -> NDArray[np.float64]:
    """Returns the number of each text, by a table; NaN where it is not in the table or infinite."""
    nan = math.nan
    values = np.array([known.get(text, nan) for text in texts], dtype=np.float64)
    return finite(values)


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns numbers with NaN in place of infinite ones."""
    infinite = np.isinf(values)
    return np.where(infinite, np.nan, values) if infinite.any() else values


def parse(
    texts: Sequence[str], form: NumberFormat, missing: Collection[str], *, dates: bool
) -> tuple[NDArray[np.float64], list[str]]:
    """Returns the numbers or dates in texts, NaN where none is, and the texts that are neither.

    Args:
        texts: The texts, without spaces around them.
        form: How the numbers are written.
        missing: Words that mean a missing value.
        dates: Whether they are dates.
    """
    if not dates and form == PLAIN and (quick := _quick(texts)) is not None:
        return finite(quick), []
    distinct = set(texts) - MISSING - set(missing)
    read = (read_date(text) if dates else read_number(text, form) for text in distinct)
    known = {text: value for text, value in zip(distinct, read, strict=True) if value is not None}
    unread = [text for text in texts if text in distinct and text not in known]
    return to_values(texts, known), unread


def _quick(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Returns plain numbers, as fast as Python reads them; None if one might not be plain."""
    together = " ".join(texts)
    if not together.isascii() or "_" in together or "n" in together or "N" in together:
        return None  # float() also reads 1_000, nan, inf, and digits of other scripts
    try:
        nan = math.nan
        return np.array([float(text) if text else nan for text in texts], dtype=np.float64)
    except ValueError:
        return None
