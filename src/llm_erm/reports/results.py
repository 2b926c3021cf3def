"""Reads results for comparison, each with its run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.facts import EnumerationFacts
from llm_erm.records import Result, accuracy
from llm_erm.runs.kept import checked_results

TaskPoint = tuple[str, int]
"""Task id and input length."""


@dataclass(frozen=True)
class Entry:
    """One result with its run.

    Attributes:
        result: The result.
        run: Folder of the run, as given; empty for a result passed in memory.
    """

    result: Result
    run: str = ""

    @property
    def method(self) -> str:
        """Name of the method, with the model unless the name already contains it."""
        method, model = self.result.method, self.result.model
        return method if method.endswith(f":{model}") else f"{method} {model}"

    @property
    def point(self) -> TaskPoint:
        """The task's id and the length of its inputs."""
        return self.result.data.function, self.result.data.length

    @property
    def accuracy(self) -> float:
        """Test accuracy; 0 without a valid test verdict."""
        return accuracy(self.result.test) or 0.0

    @property
    def test_examples(self) -> int:
        """Number of test examples."""
        return 0 if self.result.test is None else self.result.test.total

    @property
    def counted(self) -> tuple[int, int]:
        """Correct and all examples that an interval may count: those behind the test bound."""
        certificate = self.result.certificate
        bound = None if certificate is None else certificate.test
        if bound is None:
            return round(self.accuracy * self.test_examples), self.test_examples
        return bound.examples - bound.errors, bound.examples

    @property
    def contrast_accuracy(self) -> float | None:
        """Accuracy on the contrast set; None if the task has none or the program failed on it."""
        return accuracy(self.result.contrast)

    @property
    def candidates(self) -> int | None:
        """Number of candidates up to the first exact one; None if the result is not exact."""
        return self.result.candidates_to_selected if self.result.exact else None

    @property
    def seconds_to_exact(self) -> float | None:
        """Wall time up to the first exact candidate; None if the result is not exact."""
        return self.result.seconds_to_selected if self.result.exact else None

    @property
    def bits(self) -> float | None:
        """Description length of the program; None if its method has no code."""
        facts = self.result.facts
        return facts.bits if isinstance(facts, EnumerationFacts) else None


def read_results(run: Path) -> list[Result]:
    """Returns the results in a run's folder and its subfolders.

    Raises:
        InputError: There are no results, or one of them is damaged.
    """
    found = [
        result
        for path in sorted(run.rglob("results.jsonl"))
        for result in checked_results(path.parent).values()
    ]
    if not found:
        raise InputError(
            f"{run} holds no results; name the folder of a finished run.", setting="out_dir"
        )
    return found


def entries_in(runs: Iterable[Path]) -> list[Entry]:
    """Returns the results of several runs, each with its folder.

    Raises:
        InputError: A folder holds no results, damaged results, or results without a test verdict.
    """
    entries = [Entry(result, str(run)) for run in runs for result in read_results(run)]
    for entry in entries:
        if not entry.test_examples:
            raise InputError(
                f"A result of {entry.method} on {entry.result.data.name} in {entry.run} has no "
                "test verdict, so it cannot be compared; omit that run."
            )
    return entries
