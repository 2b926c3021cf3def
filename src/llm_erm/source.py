"""Answers questions about Python text that nobody has checked, from any thread.

The text is parsed in another process, under limits (``bounded.py``): the public functions ask, the
private ones answer there.
"""

import ast

from llm_erm import bounded

LONGEST_PROGRAM = 50_000
"""The most characters of a program that is proposed; real ones have fewer than 5,000."""

# Besides SyntaxError, what ast raises for text with a null byte, or that is nested too deeply.
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def too_long(source: str) -> str | None:
    """Returns why a program is too long to be a candidate, or None."""
    if len(source) <= LONGEST_PROGRAM:
        return None
    return (
        f"too long: the program has {len(source):,} characters, and {LONGEST_PROGRAM:,} are the "
        "most"
    )


def program_length(source: str) -> int:
    """Returns the number of characters of a program without comments and extra spacing.

    This is the length of `ast.unparse`'s output, or of the source if that has no output: it is no
    Python, is nested too deeply, or would take too much time or memory.
    """
    try:
        length = bounded.call(_length, source)
    except bounded.UnreadableError:
        return len(source)
    return length if isinstance(length, int) else len(source)


def _length(source: str) -> int:
    try:
        return len(ast.unparse(ast.parse(source)))
    except _UNPARSABLE:
        return len(source)


def one_line(source: str) -> str:
    """Returns the expression of a one-line program; a longer or very deep program stays as is."""
    try:
        line = bounded.call(_one_line, source)
    except bounded.UnreadableError:
        return source
    return line if isinstance(line, str) else source


def _one_line(source: str) -> str:
    try:
        body = ast.parse(source).body
        if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and len(body[0].body) == 1:
            statement = body[0].body[0]
            if isinstance(statement, ast.Return) and statement.value is not None:
                return ast.unparse(statement.value)
    except _UNPARSABLE:
        return source
    return source.strip()
