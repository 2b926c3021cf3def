"""The result of a search that is over."""

from collections.abc import Mapping, Sequence

from llm_erm.erm.alone import Selected
from llm_erm.erm.result import result_of
from llm_erm.execution import Evaluator
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result, cost_of
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.task import Splits


def outcome(
    splits: Splits,
    model: str,
    strategy: str,
    sandbox: Evaluator,
    settings: SynthesisSettings,
    attempts: Sequence[Attempt],
    answers: Mapping[int, Completion],
    selected: Selected | None,
    started: float,
) -> Result:
    """Evaluates the selected program on the held-out data and returns the result.

    Args:
        splits: The data; what is held out is read now.
        model: Name of the model.
        strategy: Name of the strategy.
        sandbox: Where the program runs.
        settings: Settings of the search.
        attempts: All attempts, in order.
        answers: The model's answers by index.
        selected: The selected attempt; None if no program ran.
        started: When the search started, on the monotonic clock.
    """
    source = None if selected is None else selected.attempt.candidate.source
    before = _up_to(source, attempts)
    spent = cost_of(answers[one.index] for one in before if one.index in answers)
    return result_of(
        splits,
        selected,
        sandbox,
        settings.limits,
        budget=settings.attempts,
        confidence=settings.confidence,
        started=started,
        method="synthesis",
        model=model,
        attempts=len(attempts),
        duplicates=sum(attempt.duplicate_of is not None for attempt in attempts),
        candidates_to_selected=before[-1].index if before else None,
        seconds_to_selected=_seconds(before, answers) if before else None,
        cost=cost_of(answers[attempt.index] for attempt in attempts if attempt.index in answers),
        facts=SynthesisFacts(
            strategy=strategy,
            budget=settings.attempts,
            tokens_to_selected=spent.prompt_tokens + spent.completion_tokens if before else None,
            usd_to_selected=spent.usd if before else None,
        ),
    )


def _up_to(source: str | None, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Returns the attempts up to the first one with a program; none without one."""
    first = next((one.index for one in attempts if one.candidate.source == source), None)
    if source is None or first is None:
        return []
    return [attempt for attempt in attempts if attempt.index <= first]


def _seconds(attempts: Sequence[Attempt], answers: Mapping[int, Completion]) -> float:
    """Returns the wall time of attempts as sequential calls.

    Samples that were drawn together share their time.
    """
    calls = {answers[one.index].latency_seconds for one in attempts if one.index in answers}
    return sum(calls) + sum(attempt.validation.cpu_seconds for attempt in attempts)
