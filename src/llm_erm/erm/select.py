"""Selects a program by its training and validation errors; test data are not available here."""

import ast
from collections.abc import Sequence

from llm_erm.errors import InputError
from llm_erm.records import Attempt
from llm_erm.sandbox import Limits
from llm_erm.source import parse
from llm_erm.tasks.spec import DataSpec

DEFAULT_LIMITS = Limits()


def check_selection(
    specs: Sequence[DataSpec],
    what: str = "the program",
    *,
    confidence: float = 0.95,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Checks, before any data are drawn, that validation data can select something.

    Args:
        specs: The data sets.
        what: What they select.
        confidence: Confidence of the certificate.
        limits: Limits of one execution.

    Raises:
        InputError: There are too few validation examples, or a number is out of range.
    """
    for spec in specs:
        if spec.val_size < 2:
            raise InputError(
                f"There are {spec.val_size} validation examples, but they are needed to select "
                f"{what}; give 2 or more.",
                setting="val_size",
            )
    if not 0 < confidence < 1:
        raise InputError(
            f"The confidence is {confidence}; give a number above 0 and below 1.",
            setting="confidence",
        )
    limits.check()


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
