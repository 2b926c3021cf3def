"""Divides a program for highlighting, in the process that reads untrusted programs."""

import io
import keyword
import tokenize

from llm_erm import bounded

Part = tuple[str, str]
"""What a part of a program is, which may be empty, and its text."""

_KINDS = {
    "STRING": "string",
    "FSTRING_START": "string",
    "FSTRING_MIDDLE": "string",
    "FSTRING_END": "string",
    "NUMBER": "number",
    "COMMENT": "comment",
}
_BY_TYPE = {getattr(tokenize, name, None): kind for name, kind in _KINDS.items()}


def highlighted(source: str) -> tuple[Part, ...]:
    """Returns a program in parts; in one if it is no Python, or takes too long to read."""
    try:
        found = bounded.call(_parts, source)
    except bounded.UnreadableError:
        found = None
    whole = (("", source),)
    if not isinstance(found, list):
        return whole
    kinds = {"", "keyword", "name", *_KINDS.values()}
    parts = tuple(
        (one[0], one[1])
        for one in found
        if isinstance(one, list) and len(one) == 2 and one[0] in kinds and isinstance(one[1], str)
    )
    return parts if "".join(text for _, text in parts) == source else whole


def _parts(source: str) -> list[list[str]]:
    """Returns kinds and texts that make up the source; fails if it is no Python."""
    lines = io.StringIO(source).readlines()
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    parts: list[list[str]] = []
    done, before = 0, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _BY_TYPE.get(token.type, "")
        if token.type == tokenize.NAME:
            named = "name" if before in ("def", "class") else ""
            kind = "keyword" if keyword.iskeyword(token.string) else named
            before = token.string
        if kind:
            start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
            parts += [["", source[done:start]], [kind, source[start:end]]]
            done = end
    return [part for part in (*parts, ["", source[done:]]) if part[1]]
