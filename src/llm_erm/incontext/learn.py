"""In-context learning: a prompt with labelled examples and one query, answered by a label."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_erm.erm.bounds import binomial_interval, certify
from llm_erm.errors import InputError
from llm_erm.facts import IncontextFacts
from llm_erm.incontext.engine import Engine, Prompt
from llm_erm.incontext.labels import label_of
from llm_erm.incontext.prompt import GAP, Frame, balanced, build_frame, split_at_gap
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion
from llm_erm.llms.oddities import cut_prompt, only_thoughts
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
from llm_erm.runs.jobs import JobKey
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset, Splits

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Questions:
    """Everything that a model is asked about one data set.

    Attributes:
        splits: The data; of the test examples, only the queries are in memory.
        shots: Number of training examples in a prompt.
        queries: The test examples to label; the model never sees their labels.
        frame: The rendered prompt around each query.
    """

    splits: Splits
    shots: int
    queries: Dataset
    frame: Frame

    @property
    def variant(self) -> str:
        """Distinguishes it from other questions about the same data."""
        return variant_of(self.shots)

    @property
    def name(self) -> str:
        """The task, the length, the shots and, unless it is the first, the trial."""
        key = self.splits.key
        return JobKey(key.function, key.length, key.seed, key.trial, self.variant).name

    def prompt(self, index: int) -> str:
        """Returns the whole prompt of a query as the model reads it."""
        return self.frame.around(self.queries.inputs[index - 1])


@dataclass(frozen=True)
class Query:
    """One query with its answer.

    Attributes:
        index: Index of the query, counted from 1.
        input: The test input.
        label: Its true label.
        prompt: The whole prompt as the model read it.
        completion: The model's answer.
        prediction: The label that the answer states, or None.
    """

    index: int
    input: str
    label: int
    prompt: str
    completion: Completion
    prediction: int | None


def variant_of(shots: int) -> str:
    """Returns the variant of jobs with this many shots."""
    return f"shots={shots}"


def pose(
    splits: Splits, shots: int, queries: int, engine: Engine, settings: InContextSettings
) -> Questions:
    """Returns the questions about a data set, without loading the model's weights.

    Args:
        splits: The labelled data.
        shots: Number of training examples per prompt: the first of each label, in their order.
        queries: Number of test examples to ask about, chosen in the same way.
        engine: The model that will answer.
        settings: Settings of the run.

    Raises:
        InputError: A number is odd or larger than the data allow, or a prompt is too long for the
            model; the message says how many examples fit.
    """
    examples = balanced(splits.train, shots, "examples per prompt", "shots")
    # Prompts contain the test inputs, so the held-out data are read before the model has answered.
    # This is harmless: no prompt contains a test label, and nothing is selected.
    asked = balanced(splits.reveal().test, queries, "queries", "queries")
    posed = Questions(splits, shots, asked, _rendered(splits, examples, engine, settings))
    _check_length(posed, engine, settings)
    return posed


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


def query_of(questions: Questions, completion: Completion, settings: InContextSettings) -> Query:
    """Returns a query with the label that its answer states."""
    place = completion.index - 1
    if settings.answer != "score":
        prediction = None if completion.only_thoughts else label_of(completion.text)
    else:
        probability = completion.probability
        prediction = None if probability is None else int(probability > 0.5)
    return Query(
        index=completion.index,
        input=questions.queries.inputs[place],
        label=questions.queries.labels[place],
        prompt=questions.prompt(completion.index),
        completion=completion,
        prediction=prediction,
    )


def _rendered(
    splits: Splits, examples: Dataset, engine: Engine, settings: InContextSettings
) -> Frame:
    frame = build_frame(examples, splits.kind, splits.key.length)
    return split_at_gap(engine.render(frame.around(GAP), settings))


def _check_length(questions: Questions, engine: Engine, settings: InContextSettings) -> None:
    """Rejects prompts that are too long for the model, and says how many examples would fit."""
    limit = engine.context_tokens
    room = None if limit is None else limit - settings.answer_tokens
    longest = _longest(questions.frame, questions.queries, engine, room)
    if room is None or longest is None or longest <= room:
        return
    splits = questions.splits
    fit, beyond = 0, questions.shots // 2  # numbers of pairs: the first fits, the second does not
    while beyond - fit > 1:
        pairs = (fit + beyond) // 2
        examples = balanced(splits.train, 2 * pairs, "examples per prompt", "shots")
        frame = _rendered(splits, examples, engine, settings)
        fits = (_longest(frame, questions.queries, engine, room) or 0) <= room
        fit, beyond = (pairs, beyond) if fits else (fit, pairs)
    fewer = f"{2 * fit} examples fit: show that many," if fit else "no examples fit:"
    raise InputError(
        f"A prompt of {questions.name} has {longest:,} tokens, but {engine.name} has room for "
        f"{limit:,}, including {settings.answer_tokens:,} for the answer; {fewer} lower "
        "max_new_tokens, or allow a longer context.",
        setting="shots" if fit else "max_new_tokens",
    )


def _longest(frame: Frame, queries: Dataset, engine: Engine, room: int | None) -> int | None:
    """Returns the length of the longest prompt, or of the first one if far from the limit."""
    first = engine.count_tokens(frame.around(queries.inputs[0]))
    if first is None or room is None or not 0.9 * room < first <= room:
        return first
    return max(engine.count_tokens(frame.around(x)) or 0 for x in queries.inputs)


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
        certificate=certify(splits, verdict, confidence=CONFIDENCE),
        cost=cost_of(query.completion for query in queries),
        seconds=round(time.monotonic() - started, 3),
        notices=splits.warnings,
        facts=_facts(questions.shots, verdict, queries, arrivals),
    )


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
