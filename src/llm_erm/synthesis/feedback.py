"""What a strategy may know of earlier proposals, and how a prompt shows it to the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_erm.erm.verify import execute, no_program
from llm_erm.execution import Evaluator, Limits
from llm_erm.mistakes import Mistake
from llm_erm.phrases import counted
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.synthesis.prompt import ANSWER_HEADING
from llm_erm.tasks.task import Dataset

PARENTS = 3
"""Programs in a prompt that shows the best ones."""
MOST_MISTAKES = 10
"""Wrong answers in a prompt that asks for a repair."""
MOST_PROGRAM_BYTES = 4000
"""Longer programs are not shown: they hardly state a rule, and every later prompt would pay."""
MOST_BYTES = 30_000
"""What feedback adds to a prompt, at most: inputs of 500 characters may take 2,000 bytes each."""


@dataclass(frozen=True)
class Tried:
    """What a strategy may know of an attempt: nothing that validation or test data say.

    The bound on the selected program holds for candidates that do not depend on validation data.
    So the verdict is not that of the attempt, whose program ran on training and validation inputs
    together and may have remembered some of them, but that of a run on the training inputs alone.

    Attributes:
        index: Which attempt it is, counted from 1.
        candidate: What was proposed.
        train: Verdict on the training examples alone; None unless the strategy uses feedback.
        mistakes: The first training examples that it gets wrong; empty without feedback.
    """

    index: int
    candidate: Candidate
    train: Verdict | None = None
    mistakes: tuple[Mistake, ...] = ()


class Trials:
    """Runs proposed programs on the training inputs alone, each program once.

    Args:
        train: The training examples.
        sandbox: Where programs run.
        limits: Limits of one execution.
    """

    def __init__(self, train: Dataset, sandbox: Evaluator, limits: Limits) -> None:
        self._train = train
        self._sandbox = sandbox
        self._limits = limits
        self._known: dict[str, tuple[Verdict, tuple[Mistake, ...]]] = {}

    def of(self, attempt: Attempt) -> Tried:
        """Returns what a strategy may know of an attempt."""
        source = attempt.candidate.source
        if source is None:
            return Tried(attempt.index, attempt.candidate, no_program([self._train])[0])
        if source not in self._known:
            run = execute(source, [self._train], self._sandbox, self._limits)
            self._known[source] = run.verdicts[0], run.mistakes[0]
        return Tried(attempt.index, attempt.candidate, *self._known[source])


def repairing(prompt: str, last: Tried) -> str:
    """Returns the prompt that shows a program with examples that it gets wrong.

    It is ``prompt`` itself if there is nothing to repair or to show: no program, a long one, or one
    without training errors.
    """
    verdict = last.train
    if verdict is None or verdict.perfect or (shown := _shown(last.candidate)) is None:
        return prompt
    if verdict.status != "ok":
        said = f"It did not run: {verdict.status} ({verdict.message})."
    else:
        lines = "\n".join(map(_in_words, last.mistakes[:MOST_MISTAKES]))
        wrong = counted(verdict.errors, "example")
        some = ", among them" if verdict.errors > MOST_MISTAKES else ""
        said = f"It gets {wrong} of {verdict.total} wrong{some}:\n```\n{lines}\n```"
        if verdict.invalid and verdict.message is not None:
            none = counted(verdict.invalid, "example")
            said += f"\nOn {none} it returns no label: {verdict.message}"
    return _with(
        prompt,
        f"""\
# Earlier proposal
This program was proposed for the examples above:
{shown}
{said}

Work out why, and propose a program that gets all examples right. Its rule may be another one
altogether.""",
    )


def improving(prompt: str, history: Sequence[Tried]) -> str:
    """Returns the prompt that shows the programs with the fewest training errors, best last.

    It is ``prompt`` itself if no program ran, or none with errors that can be shown.
    """
    best: dict[str, tuple[int, int, str]] = {}
    for one in history:
        verdict, shown = one.train, _shown(one.candidate)
        runs = verdict is not None and verdict.status == "ok" and not verdict.perfect
        if runs and shown is not None:
            assert verdict is not None  # it runs
            best.setdefault(shown, (verdict.errors, len(shown), shown))
    if not best:
        return prompt
    total = next(one.train.total for one in history if one.train is not None)
    parents = reversed(sorted(best.values(), key=lambda one: one[:2])[:PARENTS])
    listed = "\n\n".join(
        f"Wrong on {counted(errors, 'example')} of {total}:\n{shown}"
        for errors, _, shown in parents
    )
    return _with(
        prompt,
        f"""\
# Earlier proposals
These programs were proposed for the examples above, the best of them last:

{listed}

Propose a program that gets more examples right. Use what is right in these, or find another
rule.""",
    )


def _shown(candidate: Candidate) -> str | None:
    """Returns a program as a fenced block; None without one that can be shown."""
    source = candidate.source
    if source is None or len(source.encode("utf-8", "replace")) > MOST_PROGRAM_BYTES:
        return None
    return f"```python\n{source.strip()}\n```"


def _in_words(mistake: Mistake) -> str:
    answer = "no label" if mistake.prediction is None else mistake.prediction
    return f"{mistake.input} -> {mistake.label}, but the program returns {answer}"


def _with(prompt: str, section: str) -> str:
    """Returns a prompt with a section before what it says of the answer, or else at its end."""
    before, heading, answer = prompt.rpartition(f"\n{ANSWER_HEADING}\n")
    if not heading:
        return f"{prompt.rstrip()}\n\n{section}\n"
    return f"{before}\n{section}\n{heading}{answer}"
