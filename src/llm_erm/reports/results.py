"""Reads results for comparison, each with its run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_erm.checks import checking
from llm_erm.errors import InputError
from llm_erm.facts import PAPERS, EnumerationFacts, SynthesisFacts
from llm_erm.phrases import counted, percent
from llm_erm.records import Result, accuracy
from llm_erm.runs.files import SETTINGS
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.kept import checked_results
from llm_erm.tasks.suite import get

TaskPoint = tuple[str, int]
"""Task id and input length."""


@dataclass(frozen=True)
class Entry:
    """One result with its run.

    Attributes:
        result: The result.
        run: Folder of the run, as given; empty for a result passed in memory.
        unfinished: What its run lacks, as in ``runs/a holds 8 of 9 results``; empty if nothing.
    """

    result: Result
    run: str = ""
    unfinished: str = ""

    @property
    def method(self) -> str:
        """Name of the method, with the model unless the name already contains it.

        A search's strategy, unless it is the paper's, and its prompt, if it has a name, follow.
        """
        method, model, facts = self.result.method, self.result.model, self.result.facts
        name = method if method.endswith(f":{model}") else f"{method} {model}"
        if not isinstance(facts, SynthesisFacts):
            return name
        strategy = "" if facts.strategy == PAPERS else f"strategy={facts.strategy}"
        return " ".join(filter(None, (name, strategy, self.result.variant)))

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
    def bound_for_all(self) -> float | None:
        """The test bound for all results on the same data at once; None if it is unknown."""
        certificate = self.result.certificate
        all_looks = None if certificate is None else certificate.all_looks
        return None if all_looks is None else all_looks.test

    @property
    def contrast_accuracy(self) -> float | None:
        """Accuracy on the contrast set; None if the task has none or the program failed on it."""
        return accuracy(self.result.contrast)

    @property
    def other_lengths_accuracy(self) -> float | None:
        """Accuracy on inputs of other lengths; None if the task has none or the program failed."""
        return accuracy(self.result.length_generalization)

    @property
    def candidates(self) -> int | None:
        """Number of candidates up to the first exact one; None if the result is not exact."""
        return self.result.candidates_to_selected if self.result.exact else None

    @property
    def considered(self) -> int:
        """Number of candidates of the whole search, whether or not one of them is exact."""
        facts = self.result.facts
        programs = facts.considered if isinstance(facts, EnumerationFacts) else 0
        return max(programs, self.result.attempts)

    @property
    def seconds_to_exact(self) -> float | None:
        """Wall time up to the first exact candidate; None if the result is not exact."""
        return self.result.seconds_to_selected if self.result.exact else None

    @property
    def bits(self) -> float | None:
        """Description length of the program; None if its method has no code."""
        facts = self.result.facts
        return facts.bits if isinstance(facts, EnumerationFacts) else None


@checking
def read_results(run: Path) -> list[Result]:
    """Returns the results in a run's folder and its subfolders.

    Raises:
        InputError: There are no results, or one of them is damaged.
    """
    return [entry.result for entry in _entries(run)]


def exactness(result: Result) -> str:
    """Returns what was found to be right, in a few words; nothing is said of what was not tried."""
    if not result.exact:
        return "not exact"
    elsewhere = result.length_generalization
    if elsewhere is None:
        return "exact at this length"
    if elsewhere.perfect:
        return "exact at this length and others"
    right = accuracy(elsewhere)
    return f"exact at this length, {'failed' if right is None else percent(right)} at others"


def entries_in(runs: Iterable[Path], *, tested: bool = True) -> list[Entry]:
    """Returns the results of several runs, each with its folder.

    Args:
        runs: The folders.
        tested: Whether to refuse results without a test verdict, such as that of a search in which
            no program ran.

    Raises:
        InputError: A folder holds no results, damaged results, or results without a test verdict.
    """
    entries = [entry for run in runs for entry in _entries(run)]
    for entry in entries if tested else ():
        if not entry.test_examples:
            raise InputError(
                f"A result of {entry.method} on {entry.result.data.name} in {entry.run} has no "
                "test verdict, so it cannot be compared; omit that run."
            )
    return entries


def without_results(runs: Iterable[Path]) -> list[Path]:
    """Returns the folders of runs that were begun, but have no result yet."""
    return [
        run
        for run in runs
        if (run / SETTINGS).is_file()
        and not any(path.stat().st_size for path in run.rglob("results.jsonl"))
    ]


def chosen(
    entries: Sequence[Entry], functions: Sequence[str], lengths: Sequence[int]
) -> list[Entry]:
    """Returns the results on some tasks, by id or name, at some lengths; on all if none are named.

    Raises:
        InputError: There is no such task, or there are no results.
    """
    tasks = list(dict.fromkeys(entry.point[0] for entry in entries))
    ids = [name if name in tasks else get(name).id for name in functions]
    found = [
        entry
        for entry in entries
        if entry.point[0] in (ids or tasks) and entry.point[1] in (lengths or entry.point[1:])
    ]
    if not found:
        held = " ".join(map(str, sorted({entry.point[1] for entry in entries})))
        raise InputError(
            "The runs hold no results on these tasks at these lengths; they are on "
            f"{' '.join(tasks)} at lengths {held}.",
            setting=" or ".join(["functions"] * bool(functions) + ["lengths"] * bool(lengths)),
        )
    return found


def _entries(run: Path) -> list[Entry]:
    found = []
    for path in sorted(run.rglob("results.jsonl")):
        results = checked_results(path.parent)
        unfinished = lacking(path.parent, len(results))
        found += [Entry(result, str(run), unfinished) for result in results.values()]
    if not found:
        raise InputError(
            f"{run} holds no results; name the folder of a finished run.", setting="out_dir"
        )
    return found


def lacking(folder: Path, held: int) -> str:
    """Returns what a run lacks that holds so many results; empty if nothing.

    Raises:
        InputError: Its settings cannot be read.
    """
    from llm_erm.reports.planned import planned_jobs  # knows every method: 0.1 s

    planned = len(planned_jobs(read_fingerprint(folder, None), folder))
    return f"{folder} holds {held:,} of {counted(planned, 'result')}" if held < planned else ""
