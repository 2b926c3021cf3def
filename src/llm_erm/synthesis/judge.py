"""Evaluates every attempt on held-out data after the selection, to measure the model itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_erm.erm.trials import pass_at
from llm_erm.erm.verify import confirmed, execute
from llm_erm.execution import Evaluator, Limits
from llm_erm.facts import SynthesisFacts
from llm_erm.records import Attempt, Result, Verdict, accuracy
from llm_erm.runs.events import Judged, Observe, ignore
from llm_erm.tasks.task import Dataset, HeldOut


@dataclass(frozen=True)
class _Judged:
    """Test accuracy of an attempt whose program ran, and whether it is exact."""

    test_accuracy: float | None
    exact: bool


def judge(
    result: Result,
    attempts: Sequence[Attempt],
    held_out: HeldOut,
    sandbox: Evaluator,
    limits: Limits,
    *,
    all_drawn: bool,
    observe: Observe = ignore,
) -> SynthesisFacts:
    """Returns the test accuracy of all attempts, and pass@k.

    Args:
        result: The result of the search, which has the selected program's verdicts.
        attempts: The attempts of a finished search, in order.
        held_out: The held-out data; nothing may be selected by them from now on.
        sandbox: Where programs run.
        limits: Limits of one execution.
        all_drawn: Whether the whole budget was drawn; early stopping biases the sample, so that
            pass@k is then unknown.
        observe: Told of every program that has run.
    """
    fresh = {}
    distinct = [attempt for attempt in attempts if attempt.duplicate_of is None]
    for number, attempt in enumerate(distinct):
        observe(Judged(number, len(distinct)))
        if attempt.candidate.source == result.program:
            fresh[attempt.index] = _Judged(accuracy(result.test), result.exact)
        else:
            fresh[attempt.index] = _judged(attempt, held_out, sandbox, limits)
    observe(Judged(len(distinct), len(distinct)))
    facts = result.facts
    assert isinstance(facts, SynthesisFacts)  # of a search
    judged = [fresh[attempt.duplicate_of or attempt.index] for attempt in attempts]
    accuracies = tuple(one.test_accuracy for one in judged)
    if not judged or not all_drawn:
        return replace(facts, test_accuracies=accuracies)
    exact, drawn = sum(one.exact for one in judged), len(judged)
    sizes = sorted({1, drawn} | {2**i for i in range(1, drawn.bit_length()) if 2**i <= drawn})
    return replace(
        facts,
        test_accuracies=accuracies,
        exact_attempts=exact,
        pass_at={k: pass_at(k, exact, drawn) for k in sizes},
    )


def _judged(attempt: Attempt, held_out: HeldOut, sandbox: Evaluator, limits: Limits) -> _Judged:
    if attempt.validation.status != "ok":
        return _Judged(None, exact=False)
    source = attempt.candidate.source
    assert source is not None  # it ran

    def verdict_on(data: Dataset) -> Verdict:
        return confirmed(execute(source, [data], sandbox, limits))[0]

    test = verdict_on(held_out.test)
    exact = test.perfect
    if exact and held_out.contrast is not None:
        exact = verdict_on(held_out.contrast).perfect
    return _Judged(accuracy(test), exact)
