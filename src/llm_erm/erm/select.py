"""Selects a program by its training and validation errors; test data are not available here."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from llm_erm.errors import InputError
from llm_erm.execution import Limits
from llm_erm.records import Attempt
from llm_erm.source import program_length
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


def ranked(attempts: Sequence[Attempt]) -> Iterator[Attempt]:
    """Yields the attempts whose program ran, best first.

    The lowest validation error comes first; ties go to the lower training error, then to the
    shorter program, then to the earlier attempt. Programs are measured only where others have the
    same errors, and each of them once.
    """
    ran = [attempt for attempt in attempts if attempt.validation.status == "ok"]
    for _, tied in groupby(sorted(ran, key=_errors), key=_errors):
        alike = list(tied)
        yield from sorted(alike, key=_length_and_index) if len(alike) > 1 else alike


def _errors(attempt: Attempt) -> tuple[int, int]:
    return attempt.validation.errors, attempt.train.errors


def _length_and_index(attempt: Attempt) -> tuple[int, int]:
    return program_length(attempt.candidate.source or ""), attempt.index
