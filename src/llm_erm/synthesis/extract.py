"""Finds the program in the text of a language model's answer.

The text is read in another process, under limits (``bounded.py``), which imports this module, so it
needs nothing but the standard library.
"""

import ast
import json
import re
import textwrap
from itertools import islice
from typing import TYPE_CHECKING

from llm_erm import bounded
from llm_erm.source import too_long

if TYPE_CHECKING:
    from llm_erm.llms.llm import Completion

_FENCE = re.compile(r"```[ \t]*(?:[A-Za-z0-9_+-]+[ \t]*)?\n(.*?)```", re.DOTALL)
_CODE_START = re.compile(
    r"^(?:def|async def|class|import|from|@)\b|^f\s*=\s*lambda\b", re.MULTILINE
)
_JSON_START = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(strict=False)  # models put raw newlines inside JSON strings

_LONGEST_ANSWER = 400_000
_JSON_TRIES = 200
_CUT_TRIES = 50
_START_TRIES = 20
_MOST_PARSED = 1_000_000
"""Maximum number of characters parsed per answer, repeated parsing included, so that a model that
repeats itself endlessly does not delay other calls."""

_TOO_COSTLY = f"too costly: the answer could not be read within {bounded.LIMITS}"


def extract_source(completion: "Completion") -> tuple[str | None, str | None]:
    """Returns ``(source, None)``, or ``(None, reason)`` if the answer holds no program.

    Looks for a JSON object with a ``code`` string, then for a fenced code block, then for a bare
    function; the last one of each kind counts. Reasoning up to ``</think>`` is ignored.
    """
    if completion.finish_reason in ("error", "refusal"):
        return None, f"{completion.finish_reason}: {completion.error or 'no message'}"
    if completion.only_thoughts and completion.finish_reason != "length":
        return None, "empty: all text of the answer is thoughts (reasoning_content)"
    text, cut_short = completion.text[-_LONGEST_ANSWER:], completion.finish_reason == "length"
    try:
        found = bounded.call(_find, text, cut_short)
    except bounded.UnreadableError:
        return None, _TOO_COSTLY
    match found:
        case [str() as source, None] if not too_long(source):
            return source.encode("utf-8", "replace").decode(), None  # JSON may hold half characters
        case [None, str() as reason]:
            return None, reason
    return None, _TOO_COSTLY


def _find(text: str, cut_short: bool) -> tuple[str | None, str | None]:
    _, mark, answer = text.rpartition("</think>")
    if not mark and "<think>" in text:
        return None, "truncated: the answer ends inside <think>"
    parser = _Parser()
    source = _from_json(answer, parser) or _from_fence(answer, parser)
    if source is None and not cut_short:
        source = _from_bare_code(answer, parser)
    if source is not None:
        source = source.strip("\n")
        reason = too_long(source)
        return (source, None) if reason is None else (None, reason)
    if cut_short:
        return None, "truncated: the token limit was reached before the program was complete"
    if not answer.strip():
        return None, "empty: the answer holds no text"
    if re.search(r'\{\s*"code"', answer):
        return None, "bad JSON: the object with the code does not parse"
    return None, "no code: the answer holds no program"


class _Parser:
    """Parses parts of one answer, up to a limit on their total length."""

    def __init__(self) -> None:
        self._left = _MOST_PARSED

    def parse(self, source: str) -> ast.Module:
        self._left -= len(source)
        if self._left < 0:
            raise ValueError("too much was parsed")
        return ast.parse(source)


def _from_json(text: str, parser: _Parser) -> str | None:
    """Returns the ``code`` of the last JSON object that has one."""
    for start in [match.start() for match in _JSON_START.finditer(text)][: -_JSON_TRIES - 1 : -1]:
        try:
            value, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        code = value.get("code")
        if isinstance(code, str) and code.strip():
            return _from_fence(code, parser) or code
    return None


def _from_fence(text: str, parser: _Parser) -> str | None:
    for block in reversed(_FENCE.findall(text)):
        if (source := _from_bare_code(textwrap.dedent(block), parser)) is not None:
            return source
    return None


def _from_bare_code(text: str, parser: _Parser) -> str | None:
    """Returns the text from its first line of code, without the prose after the code."""
    for start in islice(_CODE_START.finditer(text), _START_TRIES):
        before, after = text[: start.start()], text[start.start() :]
        source = _parsed_part((_leading_assignments(before) + after).splitlines(), parser)
        if source is not None:
            return source
    return None


def _parsed_part(lines: list[str], parser: _Parser) -> str | None:
    """Returns the first lines that parse together and define a function."""
    for _ in range(_CUT_TRIES):
        source = "\n".join(lines)
        try:
            tree = parser.parse(source)
        except SyntaxError as error:
            cut = min(error.lineno or 0, len(lines)) - 1
            if cut < 1:
                return None
            del lines[cut:]
        except (ValueError, RecursionError, MemoryError):
            return None
        else:
            return source if _defines_something(tree) else None
    return None


def _leading_assignments(text: str) -> str:
    """Returns the ``NAME = ...`` lines directly before the first line of code."""
    kept: list[str] = []
    for line in reversed(text.splitlines()):
        if line.strip() and not re.match(r"[A-Za-z_]\w*\s*=[^=]", line):
            break
        kept.append(line)
    return "".join(line + "\n" for line in reversed(kept))


def _defines_something(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda))
        for node in tree.body
    )
