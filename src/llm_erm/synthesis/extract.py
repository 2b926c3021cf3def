"""Finds the program in the text of a language model's answer.

The text is read in another process, under limits (``bounded.py``), which imports this module, so it
needs nothing but the standard library.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from llm_erm import bounded
from llm_erm.llms.thoughts import without_thoughts
from llm_erm.source import LONGEST_PROGRAM, too_long
from llm_erm.synthesis import blocks
from llm_erm.synthesis.definitions import (
    Standing,
    answer,
    defined,
    is_found,
    missing,
    standing,
)

if TYPE_CHECKING:
    from llm_erm.llms.llm import Completion

_PLACEHOLDER = re.compile(r"\s*<[^<>\n]*>\s*")
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
_FUTURE = re.compile(r"^from __future__ import .*\n", re.MULTILINE)
_LAMBDA = re.compile(r"\s*lambda\b")
_LANGUAGE = re.compile(r"\A\s*(?:python3?|py)[ \t]*\n", re.IGNORECASE)
_ODD = str.maketrans(
    dict.fromkeys("\ufeff\u200b\u200c\u200d\u2060", None)
    | dict.fromkeys("\u00a0\u2007\u202f", " ")
    | dict.fromkeys("\u2028\u2029\x85", "\n")
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("−–", "-")
    | dict(zip("（），：；＝", "(),:;=", strict=True))
)
"""Characters that word processors, web pages and other scripts put in the place of others."""

# Besides SyntaxError, what ast raises for text with a null byte, or that is nested too deeply.
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)

_LONGEST_ANSWER = 400_000
_CUT_TRIES = 50
_JOIN_TRIES = 10
_DEPTH = 2
_MOST_PARSED = 500_000
"""Maximum number of characters parsed per answer, repeated parsing included, so that a model that
repeats itself endlessly does not delay other calls."""

_TOO_COSTLY = f"too costly: the answer could not be read within {bounded.LIMITS}"


def extract_source(completion: "Completion") -> tuple[str | None, str | None]:
    """Returns ``(source, None)``, or ``(None, reason)`` if the answer holds no program.

    Thoughts are not part of the answer. Code is looked for in JSON objects with a ``code``, in
    fenced blocks, in what is nearly JSON, and in lines that look like code. A block that parses is
    taken whole. Of all that is found, the first of these decides, in this order: it parses and
    defines ``f``; it parses and defines another function that takes one argument and is no test; it
    is in the place named first; it comes later in the answer. If it uses names that only other
    blocks define, these are put before it. If it defines no ``f`` and several functions, a last
    line names the one that no other uses: ``f = solve``. Only if nothing parses is the last
    ``code`` returned as it is, unless that is the placeholder of the prompt.
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
    text = text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")
    said = without_thoughts(text, whole=not cut_short)
    if said is None:
        return None, "truncated: the answer ends inside a thought"
    source = _Reader(whole=not cut_short).source(said)
    if source is not None and not _PLACEHOLDER.fullmatch(source):
        source = source.strip("\n")
        reason = too_long(source)
        return (source, None) if reason is None else (None, reason)
    if cut_short:
        return None, "truncated: the answer ends before the program is complete"
    if not said.strip():
        return None, "empty: the answer holds no text"
    if source is not None:
        return None, "no code: the answer holds only the placeholder of the prompt"
    if re.search(r'\{\s*"code"', said):
        return None, "bad JSON: the object with the code does not parse"
    return None, "no code: the answer holds no program"


@dataclass(frozen=True, eq=False)
class _Program:
    source: str
    tree: ast.Module
    standing: Standing

    @cached_property
    def lacks(self) -> set[str]:
        return missing(self.tree)


class _Reader:
    """Reads one answer, up to a limit on the length of all that is parsed.

    Args:
        whole: Whether the answer is whole, so that what has no end ends with it.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._left = _MOST_PARSED

    def source(self, text: str, depth: int = 0) -> str | None:
        """Returns the program in a text, or the last ``code`` if nothing parses, or None."""
        codes = [code for code in blocks.in_json(text) if code.strip()]
        programs: list[_Program] = []
        for place in self._places(text, codes, depth):
            programs = [*place, *programs]  # so that the last of equals is the best
            best = _best(programs)
            if best is not None and best.standing == Standing.F and not best.lacks:
                break
        if best is None or best.standing == Standing.NOTHING:
            # The last one that is no placeholder, if there is one; not from within a block.
            codes.sort(key=lambda code: _PLACEHOLDER.fullmatch(code) is None)
            return codes[-1] if codes and not depth else None
        return self._completed(best, programs)

    def _places(self, text: str, codes: list[str], depth: int) -> Iterator[Iterable[_Program]]:
        """Yields the programs in each kind of place, from the one that was asked for."""
        whole = self._whole or depth > 0
        yield self._programs(codes, depth, escaped=True)
        yield self._programs(blocks.fenced(text, whole=whole), depth)
        if whole:
            if not depth:
                yield self._loose(text)
            yield self._bare(text)
            yield self._programs(blocks.spans(text), _DEPTH)

    def _programs(
        self, texts: Iterable[str], depth: int, *, escaped: bool = False
    ) -> Iterator[_Program]:
        for text in texts:
            program = self._program(text, escaped=escaped)
            if (program is None or program.standing == Standing.NOTHING) and depth < _DEPTH:
                within = self.source(text, depth + 1)
                program = program if within is None else self._parsed(within)
            if program is not None:
                yield program

    def _loose(self, text: str) -> Iterator[_Program]:
        for spellings in blocks.in_loose_json(text):
            for code in spellings:
                inside = next(blocks.fenced(code, whole=False), code)
                program = self._program(inside, escaped=True)
                if program is not None and program.standing > Standing.DOUBTFUL:
                    yield program
                    break

    def _bare(self, text: str) -> Iterator[_Program]:
        """Yields the programs between other lines, each from its first line of code."""
        end = 0
        for start, after in blocks.bare(text):
            if start < end:
                continue
            program = self._first_lines(after.split("\n"))
            if program is not None and program.standing > Standing.NOTHING:
                yield program
                end = start + len(program.source)

    def _first_lines(self, lines: list[str]) -> _Program | None:
        """Returns the first lines that parse together."""
        for _ in range(_CUT_TRIES):
            try:
                program = self._parse("\n".join(lines).rstrip())
                match program.tree.body[-1:]:
                    case [ast.Expr(value=ast.Name(), lineno=number)] if number > 1:
                        del lines[number - 1 :]  # one word of prose
                    case _:
                        return program
            except SyntaxError as error:
                cut = min(error.lineno or 0, len(lines)) - 1
                if cut < 1:
                    return None
                del lines[cut:]
            except _UNPARSABLE:
                return None
        return None

    def _program(self, text: str, *, escaped: bool) -> _Program | None:
        """Returns the program that a text is, or None."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = textwrap.dedent(_LANGUAGE.sub("", text))
        for spelling in _spellings(text):
            if (program := self._parsed(spelling)) is not None:
                return program
        return self._with_line_breaks(text) if escaped else None

    def _with_line_breaks(self, text: str) -> _Program | None:
        """Returns the program of a text in which escapes of line breaks were read once too often.

        Inside a string of the program, a line break must be an escape.
        """
        lines = text.split("\n")
        for _ in range(_CUT_TRIES):
            try:
                return self._parse("\n".join(lines))
            except SyntaxError as error:
                number = error.lineno or 0
                if not error.msg.startswith("unterminated") or not 0 < number < len(lines):
                    return None
                lines[number - 1 : number + 1] = ["\\n".join(lines[number - 1 : number + 1])]
            except _UNPARSABLE:
                return None
        return None

    def _completed(self, best: _Program, programs: Sequence[_Program]) -> str:
        """Returns a program after the blocks it needs, and with a name for its function."""
        parts, whole = [best], best
        for _ in range(_JOIN_TRIES):
            others = [
                one for one in programs if one not in parts and whole.lacks & defined(one.tree)
            ]
            if not others:
                break
            joined = self._parsed("\n\n".join(one.source for one in (others[-1], *parts)))
            if joined is None:
                break
            parts, whole = [others[-1], *parts], joined
        source = "\n\n".join(one.source.strip("\n") for one in parts)
        if len(parts) > 1 and (first := _FUTURE.findall(source)):
            source = "".join([*first, _FUTURE.sub("", source)])
        name = answer(best.tree)
        if best.standing == Standing.FUNCTION and not is_found(whole.tree):
            source += f"\n\nf = {name}"
        return source

    def _parsed(self, source: str) -> _Program | None:
        try:
            return self._parse(source)
        except _UNPARSABLE:
            return None

    def _parse(self, source: str) -> _Program:
        self._left -= len(source)
        if self._left < 0:
            raise ValueError("too much was parsed")
        tree = ast.parse(source)
        if len(source) > LONGEST_PROGRAM:  # no candidate, and walking it takes time
            return _Program(source, ast.Module([], []), Standing.DOUBTFUL)
        return _Program(source, tree, standing(tree))


def _best(programs: Sequence[_Program]) -> _Program | None:
    """Returns the last program of the highest standing that is no helper of another one."""
    highest = max((program.standing for program in programs), default=None)
    equal = [program for program in programs if program.standing == highest]
    if highest != Standing.FUNCTION or len(equal) == 1:
        return equal[-1] if equal else None
    own = [
        one
        for one in equal
        if not any(defined(one.tree) & other.lacks for other in equal if other is not one)
    ]
    return (own or equal)[-1]


def _spellings(text: str) -> Iterator[str]:
    """Yields a text as it is, and then with what models and web pages put into it taken out."""
    yield f"f = {text.strip()}" if _LAMBDA.match(text) else text
    if _PROMPT.search(text):
        kept = [line for line in text.split("\n") if _PROMPT.match(line)]
        yield (text := textwrap.dedent("\n".join(_PROMPT.sub("", line, 1) for line in kept)))
    if (plain := text.translate(_ODD)) != text:
        yield (text := plain)
    if "\\n" in text and "\n" not in text.strip():
        yield _LANGUAGE.sub("", blocks.unescaped(text))
