"""Selects a program by its training and validation errors; test data are not available here."""

import ast
from collections.abc import Sequence

from llm_erm.records import Attempt
from llm_erm.source import parse


def select_best(attempts: Sequence[Attempt]) -> Attempt | None:
    """Returns the attempt with the lowest validation error, or None if no program ran.

    Ties go to the lower training error, then to the shorter program, then to the earlier attempt.
    """
    ran = [attempt for attempt in attempts if attempt.validation.status == "ok"]
    return min(ran, key=_rank, default=None)


def _rank(attempt: Attempt) -> tuple[int, int, int, int]:
    return (
        attempt.validation.errors,
        attempt.train.errors,
        program_length(attempt.candidate.source or ""),
        attempt.index,
    )


def program_length(source: str) -> int:
    """Returns the number of characters of the program without comments and extra spacing.

    This is the length of `ast.unparse`'s output, or of the source if it is nested too deeply.
    """
    try:
        return len(ast.unparse(parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return len(source)
