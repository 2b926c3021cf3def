"""In-context learning: a prompt with labelled examples and one query, answered by a label."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.bounds import certify
from llm_erm.facts import IncontextFacts
from llm_erm.incontext.engine import Engine, Prompt
from llm_erm.incontext.prompt import GAP
from llm_erm.incontext.questions import Query, Questions, query_of
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion
from llm_erm.llms.oddities import cut_prompt, only_thoughts
from llm_erm.mistakes import mistakes_in
from llm_erm.records import Result, Verdict, cost_of
from llm_erm.runs.events import (
    Advanced,
    Answered,
    Hidden,
    Noticed,
    Observe,
    Prompted,
    Started,
    Underway,
    ignore,
)
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset

CONFIDENCE = 0.95


def learn(
    questions: Questions,
    engine: Engine,
    settings: InContextSettings,
    *,
    observe: Observe = ignore,
    answers: Mapping[int, Completion] | None = None,
) -> Result:
    """Returns how many queries the model answers correctly.

    Args:
        questions: What to ask.
        engine: The model that answers; it must be loaded unless all answers are given.
        settings: Settings of the run.
        observe: Receives the prompt, and each answer when it arrives.
        answers: The answers of an interrupted run with the same settings, by query index; these
            queries are not repeated.

    Raises:
        LLMERMError: The model cannot answer.
    """
    started = time.monotonic()
    answered = dict(answers or {})
    observe(Started(len(questions.queries), len(answered)))
    observe(Prompted(questions.frame.around(GAP)))
    waiting = [
        Prompt(index, questions.prompt(index), _seed(questions, index, settings))
        for index in range(1, len(questions.queries) + 1)
        if index not in answered
    ]
    arrivals: list[float] = []
    remote = engine.budget is not None
    answering = engine.answer(waiting, settings, lambda state: observe(Underway(state)))
    for answer in answering if waiting else ():
        completion = answer.without_secrets()
        answered[completion.index] = completion
        if completion != answer:
            observe(Hidden())
        observe(Answered(completion))
        observe(Advanced(len(answered)))
        if (
            remote
            and not arrivals
            and (cut := cut_prompt(questions.prompt(completion.index), completion))
        ):
            observe(Noticed(cut))
        for news in engine.news():
            observe(Noticed(news))
        arrivals.append(time.monotonic() - started)
    if arrivals and (thoughts := only_thoughts(answered.values())):
        observe(Noticed(thoughts))
    return _report(questions, engine.name, settings, answered, arrivals, started)


def _seed(questions: Questions, index: int, settings: InContextSettings) -> int:
    return seed_from(f"{settings.seed}|{questions.name}|query={index}")


def _report(
    questions: Questions,
    model: str,
    settings: InContextSettings,
    answered: Mapping[int, Completion],
    arrivals: Sequence[float],
    started: float,
) -> Result:
    splits = questions.splits
    queries = [query_of(questions, answered[index], settings) for index in sorted(answered)]
    right = sum(query.prediction == query.label for query in queries)
    unparsed = sum(query.prediction is None for query in queries)
    verdict = Verdict("ok", right, unparsed, len(queries))
    return Result(
        method="incontext",
        model=model,
        data=splits.key,
        variant=questions.variant,
        examples=questions.shots,
        test=verdict,
        mistakes={"test": mistakes_in(_asked(queries), [query.prediction for query in queries])},
        certificate=certify(splits, verdict, confidence=CONFIDENCE),
        cost=cost_of(query.completion for query in queries),
        seconds=round(time.monotonic() - started, 3),
        notices=splits.warnings,
        facts=_facts(questions.shots, verdict, queries, arrivals),
    )


def _asked(queries: Sequence[Query]) -> Dataset:
    return Dataset(tuple(query.input for query in queries), tuple(query.label for query in queries))


def _facts(
    shots: int, verdict: Verdict, queries: Sequence[Query], arrivals: Sequence[float]
) -> IncontextFacts:
    """Returns the facts needed to interpret the accuracy.

    Answers without a label count as wrong, as published.
    """
    parsed = verdict.total - verdict.invalid
    computed = [query.completion.computed_tokens for query in queries]
    known = [tokens for tokens in computed if tokens is not None]
    first_seconds, rate = _speed(arrivals)
    return IncontextFacts(
        shots=shots,
        accuracy_interval=binomial_interval(verdict.correct, verdict.total, CONFIDENCE),
        accuracy_parsed=verdict.correct / parsed if parsed else None,
        accuracy_parsed_interval=binomial_interval(verdict.correct, parsed, CONFIDENCE),
        differs_from_chance=differs_from_chance(verdict),
        predicted_1=sum(query.prediction == 1 for query in queries),
        log_loss=_log_loss(queries),
        prompt_tokens_computed=sum(known) if len(known) == len(queries) else None,
        first_seconds=first_seconds,
        queries_per_second=rate,
    )


def differs_from_chance(verdict: Verdict) -> bool:
    """Returns whether answers to queries of both labels in equal numbers are unlike guesses.

    Whoever does not use the inputs labels at most half of them correctly, and at most half wrongly,
    on average, whichever queries they leave without a label. So such queries count neither as
    correct nor as wrong, and one of both counts must exceed one half; guesses do so in at most 5 %
    of runs. An accuracy over the labelled queries alone would not show it: always answering 0, but
    only to queries whose label is 0, is right every time.
    """
    wrong = verdict.errors - verdict.invalid
    return any(
        binomial_interval(count, verdict.total, CONFIDENCE)[0] > 0.5
        for count in (verdict.correct, wrong)
    )


def _log_loss(queries: Sequence[Query]) -> float | None:
    """Returns the mean negative log-likelihood of the true labels in nats, or None."""
    given = [
        (query.completion.probability, query.label)
        for query in queries
        if query.completion.probability is not None
    ]
    if not given:
        return None
    true = np.array([p if label else 1 - p for p, label in given])
    return float(-np.log(np.maximum(true, np.finfo(float).tiny)).mean())


def _speed(arrivals: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns the time to the first answer, which fills the cache, and the rate of later ones."""
    if len(arrivals) < 2:
        return (arrivals[0] if arrivals else None), None
    rate = (len(arrivals) - 1) / max(arrivals[-1] - arrivals[0], 1e-9)
    return round(arrivals[0], 3), round(rate, 4)
