"""Judges the selected program on the held-out data, once, and writes the result of a search."""

import time
from dataclasses import dataclass, field
from typing import Any

from llm_erm.erm.alone import Selected, number_alone, run_alone
from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import confirmed, execute
from llm_erm.execution import BINARY, Evaluator, Limits, Outputs
from llm_erm.mistakes import DataName, Mistake, Mistakes
from llm_erm.records import Result, Verdict
from llm_erm.tasks.task import Dataset, HeldOut, Splits


def result_of(
    splits: Splits,
    selected: Selected | None,
    evaluator: Evaluator,
    limits: Limits,
    *,
    budget: int,
    confidence: float,
    started: float,
    outputs: Outputs = BINARY,
    code_bits: float | None = None,
    **more: Any,  # noqa: ANN401 - the other fields
) -> Result:
    """Returns the result of a search that is over.

    Args:
        splits: The data. What is held out is read now, after the selection.
        selected: The selected attempt with its evidence; None if no program ran.
        evaluator: What runs the program.
        limits: Limits of one execution.
        budget: Number of candidates, fixed beforehand.
        confidence: Confidence of the certificate.
        started: When the search started, on the monotonic clock.
        outputs: What counts as a label.
        code_bits: Length of the program in a code that does not depend on the data; None without.
        more: The fields of the result that depend on the method.
    """
    attempt = None if selected is None else selected.attempt
    source = None if attempt is None else attempt.candidate.source
    held_out = splits.reveal()
    seconds = 0.0 if selected is None else selected.seconds_per_run
    found = evaluate(source, held_out, evaluator, limits, outputs, seconds_per_run=seconds)
    return Result(
        data=splits.key,
        examples=splits.examples,
        selected_attempt=None if attempt is None else attempt.index,
        program=source,
        train=None if attempt is None else attempt.train,
        validation=None if attempt is None else attempt.validation,
        test=found.test,
        contrast=found.contrast,
        length_generalization=found.length_generalization,
        mistakes=found.mistakes if selected is None else {**selected.mistakes, **found.mistakes},
        certificate=(
            certify(
                splits,
                found.test_alone,
                test_inputs=len(held_out.test),
                validation=selected.validation,
                budget=budget,
                train=selected.train,
                code_bits=code_bits,
                confidence=confidence,
            )
            if selected is not None and not found.nondeterministic
            else None
        ),
        isolation=evaluator.isolation,
        seconds=round(time.monotonic() - started, 3),
        notices=(*splits.warnings, *found.failures()),
        **more,
    )


@dataclass(frozen=True)
class Evaluation:
    """Verdicts on the held-out data; each is None without such data or without a program.

    Attributes:
        test: On the test data.
        contrast: On the contrast set.
        length_generalization: On inputs of other lengths.
        test_alone: On the test inputs that ran alone in their processes, all or a random sample.
        mistakes: The first mistakes on each of these data sets.
    """

    test: Verdict | None = None
    contrast: Verdict | None = None
    length_generalization: Verdict | None = None
    test_alone: Verdict | None = None
    mistakes: Mistakes = field(default_factory=dict)

    @property
    def nondeterministic(self) -> bool:
        """Whether an answer was shown to depend on more than its input.

        A program of that kind has no error rate that a bound could be on.
        """
        return any(verdict.status == "nondeterministic" for _, verdict in self._named())

    def failures(self) -> list[str]:
        """Returns notices on the data on which the program failed."""
        found = [
            f"On the {name}, the program ended by {verdict.status} ({verdict.message})."
            for name, verdict in self._named()
            if verdict.status != "ok"
        ]
        if self.nondeterministic:
            found.append(
                "A program whose answers depend on more than their input has no error rate, so "
                "there is no certificate."
            )
        return found

    def _named(self) -> list[tuple[str, Verdict]]:
        verdicts = {
            "test data": self.test,
            "contrast set": self.contrast,
            "inputs of other lengths": self.length_generalization,
        }
        return [(name, verdict) for name, verdict in verdicts.items() if verdict is not None]


def evaluate(
    source: str | None,
    held_out: HeldOut,
    evaluator: Evaluator,
    limits: Limits,
    outputs: Outputs = BINARY,
    *,
    seconds_per_run: float,
) -> Evaluation:
    """Returns the selected program's verdicts on the held-out data, each confirmed by a replay.

    Args:
        source: The program; None without one.
        held_out: The data.
        evaluator: What runs it.
        limits: Limits of one execution.
        outputs: What counts as a label.
        seconds_per_run: Mean CPU seconds of a run on a single input, measured on other data.
    """
    if source is None:
        return Evaluation()

    def verdict_on(name: DataName, data: Dataset | None) -> Verdict | None:
        if data is None:
            return None
        verification = execute(source, [data], evaluator, limits, outputs)
        verdict = confirmed(verification)[0]
        if verdict.status == "ok":
            mistakes[name] = verification.mistakes[0]
        return verdict

    mistakes: dict[DataName, tuple[Mistake, ...]] = {}
    verification = execute(source, [held_out.test], evaluator, limits, outputs)
    test = alone = verification.verdicts[0]
    if test.status == "ok" and evaluator.isolation is not None:
        sizes = [number_alone(len(held_out.test), seconds_per_run)]
        alone = run_alone(verification, sizes, together=256)[0]
        test = test if alone.status == "ok" else alone
    if test.status == "ok":
        mistakes["test"] = verification.mistakes[0]
    return Evaluation(
        test,
        verdict_on("contrast", held_out.contrast),
        verdict_on("length_generalization", held_out.length_generalization),
        alone,
        mistakes,
    )
