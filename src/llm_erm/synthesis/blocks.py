"""Where code may stand in the text of an answer: JSON, fences, and lines that look like code.

It is used on untrusted text in another process (``bounded.py``), so it needs nothing but the
standard library. What it yields is text; whether that is a program is for others to say.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from itertools import islice
from typing import Any

_FENCE = re.compile(
    r"""
    (?<![`~])(?P<fence>```++|~~~++)[ \t]*+(?P<info>[^\n`]*+)
    (?:\n(?P<body>.*?))??
    (?:(?P=fence)[`~]*(?!\w)|(?=(?P=fence)\w)|(?P<open>\Z))
    """,
    re.DOTALL | re.VERBOSE,
)
_LANGUAGE = re.compile(r"(?:\{?\.?(?:python|py)[0-9.]*\}?(?:[ \t]+|$))?")
_FIRST_LINE = re.compile(r"def |class |import |from |@|f *=")
_SPAN = re.compile(r"(?<!`)`([^`\n]++)`(?!`)")
_CODE_LINE = re.compile(
    r"""
    (?<=:[ ])(?:def[ ]+\w+[ ]*\( | \w+[ ]*=[ ]*lambda\b) | ^[ \t]*(?:
        (?:async[ ]+)?def[ ]+\w+[ ]*\( | class[ ]+\w+[ ]*[:(] | @\w
        | import[ ]+\w[\w.]*[ ]*(?:[,;#].*|as[ ]+\w+.*)?$ | from[ ]+\w[\w.]*[ ]+import\b
        | (?!\w+:[ ]\w+[ ]*=[ ]*lambda\b)[A-Za-z_]\w*[ ]*(?::[^=\n]*)?=(?!=)
        | (?:for|if|while|with)[ ].*:[ ]*(?:\#.*)?$ | try[ ]*:
    )
    """,
    re.MULTILINE | re.VERBOSE,
)
_LIKE_CODE = re.compile(r"\bdef |\blambda\b")
_OBJECT = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(strict=False)  # models put raw line breaks inside JSON strings
_KEY = re.compile(r"""["'“”]?\bcode["'“”]?\s*:\s*(?P<quote>"{3}|'{3}|["'`“\[])""")
_AFTER = r"""(?=\s*+,?\s*+(?:\}|\Z|//|/\*|\#|["'“]\w+["'”]\s*:))"""
"""What follows the end of a string in an object."""
_ITEM = re.compile(r'\s*+"((?:[^"\\\n]|\\.)*+)"\s*+(?:,\s*+)?(\])?')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "/": "/", "\\": "\\", "`": "`"}

_JSON_TRIES = 200
_LOOSE_TRIES = 20
_START_TRIES = 20


def fenced(text: str, *, whole: bool) -> Iterator[str]:
    """Yields the content of each fenced block, without its language and its common margin.

    Args:
        text: The text.
        whole: Whether the text is whole, so that a fence without an end ends with it.
    """
    for match in _FENCE.finditer(text):
        if match["open"] is not None and not whole:
            return
        info = match["info"]
        first = info[_LANGUAGE.match(info).end() :]  # type: ignore[union-attr]  # it may be empty
        lines = (match["body"] or "").split("\n")
        if match["body"] is None or _FIRST_LINE.match(first):
            lines.insert(0, first)
        if all(line.lstrip().startswith(">") for line in lines if line.strip()):
            lines = [re.sub(r"^[ \t]*> ?", "", line) for line in lines]
        yield textwrap.dedent("\n".join(lines))


def in_json(text: str) -> Iterator[str]:
    """Yields the code in each JSON object: ``code``, as text or as lines, or else any text."""
    if (said := text.strip()).startswith('"'):  # an object within a string
        yield from map(_as_text, _decoded(said, 0))
    starts = [match.start() for match in _OBJECT.finditer(text)][-_JSON_TRIES:]
    for start in starts:
        for value in _decoded(text, start):
            if "code" in value:
                yield _as_text(value["code"])
            else:
                yield from filter(_LIKE_CODE.search, map(_as_text, value.values()))


def in_loose_json(text: str) -> Iterator[Iterator[str]]:
    """Yields the texts that the code of each object may be if it is nearly JSON, likeliest first.

    Quotes within the code, quotes of another kind, escapes that JSON lacks, and a missing end are
    read. Only a parser can say which of several quotes ends the code.
    """
    for key in list(_KEY.finditer(text))[-_LOOSE_TRIES:]:
        quote, rest = key["quote"], text[key.end() :]
        if quote == "[":
            yield map(unescaped, _list_in(rest))
        else:
            end = re.compile(re.escape("”" if quote == "“" else quote) + _AFTER)
            ends = [match.start() for match in islice(end.finditer(rest), _LOOSE_TRIES)]
            ends += [len(rest), len(_without_brace(rest))]
            yield (unescaped(rest[:end]) for end in ends)


def spans(text: str) -> Iterator[str]:
    """Yields the code that stands between two backticks in a line of prose."""
    return filter(_LIKE_CODE.search, _SPAN.findall(text)[-_START_TRIES:])


def bare(text: str) -> Iterator[tuple[int, str]]:
    """Yields the text from each line that looks like code, with its place, without its margin."""
    for match in islice(_CODE_LINE.finditer(text), _START_TRIES):
        line = match[0]
        margin = len(line) - len(line.lstrip())
        after = text[match.start() :]
        if margin:
            inside = re.compile(rf"(?:[ \t]{{{margin}}}.*|[ \t]*)(?:\n|\Z)")
            after = textwrap.dedent(_while(inside, after))
        yield match.start(), after


def unescaped(text: str) -> str:
    """Returns a text with the escapes of JSON read, and all others kept as Python reads them."""

    def read(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        return _ESCAPED.get(escape, match[0])

    return _ESCAPE.sub(read, text)


def _decoded(text: str, start: int) -> list[Any]:
    try:
        return [_DECODER.raw_decode(text, start)[0]]
    except (ValueError, RecursionError):
        return []


def _as_text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(line.removesuffix("\n") for line in value)
    # No program holds a backspace: this is the \b of a regular expression, escaped once too few.
    return value.replace("\b", r"\b") if isinstance(value, str) else ""


def _list_in(text: str) -> Iterator[str]:
    """Yields the lines of the JSON list that was opened before the text, if it ends."""
    lines: list[str] = []
    position = 0
    while (item := _ITEM.match(text, position)) is not None:
        lines.append(item[1].removesuffix("\\n"))
        if item[2] is not None:
            yield "\n".join(lines)
            return
        position = item.end()


def _without_brace(text: str) -> str:
    """Returns a text without the end of an object, and of a fence, at its end."""
    inside = text.rstrip("`~ \t\n").removesuffix("}")
    return inside.rstrip().removesuffix(",").rstrip()


def _while(pattern: re.Pattern[str], text: str) -> str:
    end = 0
    while end < len(text) and (match := pattern.match(text, end)) is not None:
        end = match.end()
    return text[:end]
