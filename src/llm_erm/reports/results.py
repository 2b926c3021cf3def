"""Results in the form in which methods compare: named, and with the run that they come from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.facts import EnumerationFacts
from llm_erm.records import Result
from llm_erm.runs.journal import records_in

TaskPoint = tuple[str, int]
"""Task id and length of the inputs."""


@dataclass(frozen=True)
class Entry:
    """One result with the run that it comes from.

    Attributes:
        result: The result.
        run: Folder of the run, as it was named; empty for results that were given as they are.
    """

    result: Result
    run: str = ""

    @property
    def method(self) -> str:
        """What learned, with the model where that says more."""
        method, model = self.result.method, self.result.model
        return method if method.endswith(f":{model}") else f"{method} {model}"

    @property
    def point(self) -> TaskPoint:
        """The task's id and the length of its inputs."""
        return self.result.data.function, self.result.data.length

    @property
    def accuracy(self) -> float:
        """Test accuracy; 0 where what was learned has none."""
        test = self.result.test
        return test.accuracy if test is not None and test.status == "ok" else 0.0

    @property
    def test_examples(self) -> int:
        """Number of test examples."""
        return 0 if self.result.test is None else self.result.test.total

    @property
    def test_errors(self) -> int:
        """Number of test examples that are not predicted right."""
        test = self.result.test
        return self.test_examples if test is None or test.status != "ok" else test.errors

    @property
    def contrast_accuracy(self) -> float | None:
        """Accuracy on the contrast set, where the task has one and the program ran there."""
        contrast = self.result.contrast
        return contrast.accuracy if contrast is not None and contrast.status == "ok" else None

    @property
    def candidates(self) -> int | None:
        """Candidates up to the first exact one, if the result is exact."""
        return self.result.candidates_to_selected if self.result.exact else None

    @property
    def seconds_to_exact(self) -> float | None:
        """Wall time up to it."""
        return self.result.seconds_to_selected if self.result.exact else None

    @property
    def bits(self) -> float | None:
        """Description length of the program, where its method has a code."""
        facts = self.result.facts
        return facts.bits if isinstance(facts, EnumerationFacts) else None


def read_results(run: Path) -> list[Result]:
    """Returns the results in a run's folder and in the folders below it.

    Raises:
        InputError: There are none, or one of them is damaged.
    """
    found = [
        result for path in sorted(run.rglob("results.jsonl")) for result in records_in(path, Result)
    ]
    if not found:
        raise InputError(
            f"{run} holds no results; name the folder of a finished run.", setting="out_dir"
        )
    return found


def entries_in(runs: Iterable[Path]) -> list[Entry]:
    """Returns the results of several runs, each with its folder.

    Raises:
        InputError: A folder holds no results, or damaged ones, or results without test data.
    """
    entries = [Entry(result, str(run)) for run in runs for result in read_results(run)]
    for entry in entries:
        if not entry.test_examples:
            raise InputError(
                f"A result of {entry.method} on {entry.result.data.name} in {entry.run} has no "
                "test verdict, so it cannot be compared; leave that run out."
            )
    return entries
