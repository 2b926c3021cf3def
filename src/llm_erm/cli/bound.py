"""`llm-erm bound`: the accuracy that examples guarantee, and the examples that one requires."""

import math
from dataclasses import dataclass
from typing import Any

from llm_erm.cli import output
from llm_erm.cli.tables import Column
from llm_erm.erm.binomial import binomial_upper, examples_needed, occam_upper, paper_excess
from llm_erm.errors import InputError
from llm_erm.phrases import counted

MOST_EXAMPLES = 10**9

DRAWN = "examples are drawn independently"
"""What every bound assumes."""


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm bound`."""

    budget: int = 5
    """Number of candidates K, fixed before validation."""
    examples: int = 100
    """Number of validation examples m."""
    errors: int = 0
    """Errors that the selected program makes on the validation examples."""
    test_examples: int = 10_000
    """Number of test examples, which are used only once."""
    test_errors: int = 0
    """Errors that the selected program makes on the test examples."""
    runs: int = 1
    """Number of runs R that are compared on these test examples."""
    bits: float | None = None
    """For the Occam bound: length of the program in a prefix-free code that was fixed beforehand.
    This bound may also count training examples."""
    confidence: float = 0.95
    """Probability with which each bound holds."""
    accuracy: float | None = None
    """An accuracy to certify: also print how many examples it requires, at the given errors."""
    json: bool = False
    """Print one JSON object per bound."""


def bound(options: Options) -> int:
    """Plan sample sizes: the accuracy that examples guarantee, and how many it takes."""
    _check(options)
    rows = _rows(options)
    if options.errors:
        what = (
            "The paper's bound and the Occam bound apply"
            if options.bits is not None
            else ("The paper's bound applies")
        )
        output.note(f"{what} only to programs without errors, so nothing is printed for them.")
    if options.json:
        for row in rows:
            output.say_json(row)
        return 0
    columns: list[str | Column] = ["bound", "from", "accuracy at least"]
    if options.accuracy is not None:
        columns.append(f"examples for {options.accuracy:.2%}")
    columns += [Column("holds if", setting=True), Column("and", text=True)]
    output.table(
        columns, [[str(cell) for cell in _cells(row, options)] for row in rows], wider=False
    )
    return 0


def _rows(options: Options) -> list[dict[str, Any]]:
    """Returns one row per bound, the one with the weakest evidence first."""
    delta = 1 - options.confidence
    shared, per_run = delta / options.budget, delta / options.runs
    target = None if options.accuracy is None else 1 - options.accuracy
    needed = {
        "paper": target and math.ceil(2 * math.log(4 * options.budget / delta) / target**2),
        "validation": target and examples_needed(options.errors, target, shared),
        "test": target and examples_needed(options.test_errors, target, per_run),
    }
    budget = f"the budget of {options.budget} was fixed before validation"
    rows: list[dict[str, Any]] = [
        {
            "bound": "validation",
            "error_upper_bound": binomial_upper(options.errors, options.examples, shared),
            "errors": options.errors,
            "examples": options.examples,
            "assumes": f"{DRAWN}; {budget}",
        },
        {
            "bound": "test",
            "error_upper_bound": binomial_upper(
                options.test_errors, options.test_examples, per_run
            ),
            "errors": options.test_errors,
            "examples": options.test_examples,
            "assumes": f"{DRAWN}; {_opened(options.runs)}",
        },
    ]
    if options.errors == 0:
        paper = min(1.0, paper_excess(options.budget, options.examples, delta))
        first = {
            "bound": "paper",
            "error_upper_bound": paper,
            "errors": 0,
            "examples": options.examples,
            "assumes": f"{DRAWN}; {budget}; one of these candidates makes no error on any input",
        }
        rows.insert(0, first)
    if options.bits is not None and options.errors == 0:
        share = options.bits * math.log(2) - math.log(delta)
        needed["occam"] = target and math.ceil(share / -math.log1p(-target))
        rows.append(
            {
                "bound": "occam",
                "error_upper_bound": occam_upper(options.bits, options.examples, delta),
                "errors": 0,
                "examples": options.examples,
                "assumes": f"{DRAWN}; the program makes no error on them; the code was fixed "
                "before they were seen",
            }
        )
    return [row | {"examples_needed": needed[str(row["bound"])]} for row in rows]


def _opened(runs: int) -> str:
    return "the test data chose nothing" + (f" but among {runs} runs" if runs > 1 else "")


def _cells(row: dict[str, Any], options: Options) -> list[object]:
    least = math.floor((1 - row["error_upper_bound"]) * 10_000) / 100
    cells = [
        row["bound"],
        f"{counted(row['errors'], 'error')} in {row['examples']:,}",
        f"{least:.2f}%",
    ]
    if options.accuracy is not None:
        cells.append(f"{row['examples_needed']:,}")
    return [*cells, DRAWN, row["assumes"].removeprefix(f"{DRAWN}; ")]


def _check(options: Options) -> None:
    """Rejects numbers for which no bound exists.

    Raises:
        InputError: A number is out of range.
    """
    counts = {
        "--budget": (options.budget, 1, MOST_EXAMPLES),
        "--runs": (options.runs, 1, MOST_EXAMPLES),
        "--examples": (options.examples, 1, MOST_EXAMPLES),
        "--errors": (options.errors, 0, options.examples),
        "--test-examples": (options.test_examples, 1, MOST_EXAMPLES),
        "--test-errors": (options.test_errors, 0, options.test_examples),
        "--bits": (options.bits or 0, 0, MOST_EXAMPLES),
    }
    for flag, (value, least, most) in counts.items():
        if not least <= value <= most:
            raise InputError(f"{flag} is {value}; give a number from {least} to {most:,}.")
    for flag, share in (("--confidence", options.confidence), ("--accuracy", options.accuracy)):
        if share is not None and not 0.5 <= share <= 1 - 1e-9:
            raise InputError(
                f"{flag} is {share}; give a fraction of at least 0.5 and below 1, such as 0.95."
            )
