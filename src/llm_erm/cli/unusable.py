"""Says why no program of a search ran, and what to do next."""

from collections import Counter
from collections.abc import Sequence

from llm_erm.phrases import counted, listed
from llm_erm.records import Attempt, Result
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import key_of

MOST_NAMED = 3
"""Searches that are named; of more, only the number is told."""

_WAYS = {
    "no code": "without code",
    "bad JSON": "with JSON that does not parse",
    "truncated": "cut off before the program was complete",
    "empty": "without text",
    "refusal": "refused",
    "error": "lost to a failed call",
    "too long": "with a program that is too long",
    "too costly": "that were too expensive to parse",
    "syntax_error": "with a syntax error",
    "no_function": "without a function f",
    "load_error": "with a program that failed when it was loaded",
    "timeout": "with a program that timed out",
    "memory": "with a program that ran out of memory",
    "crash": "with a program that crashed",
    "forbidden": "with a program that did something forbidden",
    "nondeterministic": "with a program that answered differently when it ran again",
}
"""What is said of answers, by the first words of the reason, or else by the status."""

_REMEDIES = {
    "truncated": "Raise --max-output-tokens, or use a model that thinks less.",
    "refusal": "Name another model.",
    "timeout": "Raise --seconds-per-call or --seconds-per-candidate, or name another model.",
    "memory": "Raise --memory-mb, or name another model.",
}
"""What to do if that is the most frequent reason."""

_USUALLY = "Name another model, or hold its answers to a form with --constraint."


def unusable(folder: RunFolder, results: Sequence[Result]) -> str | None:
    """Returns why no program ran in some searches, and what to do; None if one ran in each.

    Args:
        folder: The run.
        results: Its results.
    """
    without = [result for result in results if result.program is None and result.attempts]
    found = [attempt for result in without for attempt in folder.attempts(key_of(result))]
    reasons = Counter(map(_reason, found)).most_common()
    if not reasons:
        return None
    names = [result.data.name for result in without]
    if (more := len(names) - MOST_NAMED) > 0:
        names = [*names[:MOST_NAMED], f"{more:,} more"]
    ways = ", ".join(f"{count:,} {_WAYS.get(reason, reason)}" for reason, count in reasons)
    remedy = _REMEDIES.get(reasons[0][0], _USUALLY)
    return (
        f"{listed(names)}: no program ran. Of {counted(len(found), 'answer')}: {ways}. {remedy} "
        f"`llm-erm report {folder.path}` shows the answers."
    )


def _reason(attempt: Attempt) -> str:
    """Returns the first words of why there is no program, or else how it ended."""
    if attempt.candidate.reason is not None:
        return attempt.candidate.reason.partition(":")[0]
    return attempt.validation.status
