"""In-context learning: labelled examples and one query in a prompt, the label as the answer."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from llm_erm.erm.bounds import binomial_interval, certify
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Answer, Engine, Prompt
from llm_erm.incontext.labels import label_of
from llm_erm.incontext.prompt import GAP, Frame, balanced, build_frame, split_at_gap
from llm_erm.incontext.settings import Settings
from llm_erm.records import Run, Verdict
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset, Splits

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Questions:
    """What one run asks.

    Attributes:
        splits: The task's data, for its name, warnings and digest: that of all its examples, though
            the test split holds the queries alone.
        shots: How many training examples a prompt shows.
        queries: The test examples that are asked about; their labels are never shown.
        frame: The rendered prompt around each.
    """

    splits: Splits
    shots: int
    queries: Dataset
    frame: Frame

    @property
    def name(self) -> str:
        """The task, the length, the shots and, after the first, the trial."""
        trial = f" trial={self.splits.trial}" if self.splits.trial > 1 else ""
        return f"{self.splits.fn} L={self.splits.length} shots={self.shots}{trial}"


@dataclass(frozen=True)
class Query:
    """One query with its answer; one line of the journal.

    Attributes:
        index: Which query it is, counted from 1.
        input: What was asked about.
        label: Its true label.
        prompt: The whole prompt as the model read it.
        answer: What came back.
        prediction: The label that the answer states; None where it states none.
    """

    index: int
    input: str
    label: int
    prompt: str
    answer: Answer
    prediction: int | None


def pose(splits: Splits, shots: int, queries: int, engine: Engine, settings: Settings) -> Questions:
    """Returns the questions of a run; the weights are not loaded for that.

    Args:
        splits: The labelled data.
        shots: Training examples in the prompt; the first of each label, in their order.
        queries: Test examples to ask about, chosen alike.
        engine: Who will answer.
        settings: Settings of the run.

    Raises:
        InputError: A number is odd or more than there is, or the prompt is longer than the model
            can read; the message says how many examples fit.
    """
    asked = balanced(splits.test, queries, "queries")
    examples = balanced(splits.train, shots, "examples in the prompt (--shots)")
    frame = _rendered(splits, examples, engine, settings)
    posed = Questions(replace(splits, test=asked), shots, asked, frame)
    _check_length(posed, engine, settings)
    return posed


def learn(
    questions: Questions,
    engine: Engine,
    settings: Settings,
    on_query: Callable[[Query], None] = lambda query: None,
    done: Iterable[Query] = (),
) -> Run:
    """Returns how many queries the model answers right.

    Args:
        questions: What to ask.
        engine: Who answers.
        settings: Settings of the run.
        on_query: Called with each query the moment it is answered.
        done: Answered queries of an interrupted run with the same settings; not asked again.

    Raises:
        LLMERMError: The model cannot answer.
    """
    started = time.monotonic()
    answered = {query.index: query for query in done}
    waiting = [
        Prompt(i, questions.frame.around(x), _seed(questions, i, settings))
        for i, x in enumerate(questions.queries.inputs, start=1)
        if i not in answered
    ]
    arrivals = []
    for answer in engine.answer(waiting, settings) if waiting else ():
        query = _judged(questions, answer, settings)
        answered[query.index] = query
        on_query(query)
        arrivals.append(time.monotonic() - started)
    splits = questions.splits
    in_order = [answered[index] for index in sorted(answered)]
    verdict = _verdict(in_order)
    return Run(
        method="incontext",
        function=splits.fn,
        length=splits.length,
        seed=splits.seed,
        trial=splits.trial,
        model=engine.name,
        settings=asdict(settings) | {"shots": questions.shots, "queries": len(in_order)},
        test=verdict,
        probe=None,
        length_shift=None,
        certificate=certify(splits, verdict),
        seconds=time.monotonic() - started,
        notices=splits.warnings,
        data_sha256=splits.sha256,
        examples=questions.shots,
        details=_details(questions, in_order) | _speed(arrivals),
    )


def _rendered(splits: Splits, examples: Dataset, engine: Engine, settings: Settings) -> Frame:
    frame = build_frame(examples, splits.kind, splits.length)
    return split_at_gap(engine.render(frame.around(GAP), settings))


def _check_length(questions: Questions, engine: Engine, settings: Settings) -> None:
    """Refuses prompts that the model cannot read, and says how many examples it could."""
    limit = engine.context_tokens
    room = None if limit is None else limit - settings.answer_tokens
    longest = _longest(questions.frame, questions.queries, engine, room)
    if room is None or longest is None or longest <= room:
        return
    splits = questions.splits
    fit, beyond = 0, questions.shots // 2  # numbers of pairs, the first of which fits
    while beyond - fit > 1:
        pairs = (fit + beyond) // 2
        examples = balanced(splits.train, 2 * pairs, "examples")
        frame = _rendered(splits, examples, engine, settings)
        fits = (_longest(frame, questions.queries, engine, room) or 0) <= room
        fit, beyond = (pairs, beyond) if fits else (fit, pairs)
    fewer = f"{2 * fit} examples fit: give --shots {2 * fit}," if fit else "no examples fit: give"
    raise InputError(
        f"A prompt of {questions.name} has {longest:,} tokens, and {engine.name} has room for "
        f"{limit:,} with the {settings.answer_tokens:,} of an answer; {fewer} a lower "
        "--max-new-tokens or a higher --max-model-len."
    )


def _longest(frame: Frame, queries: Dataset, engine: Engine, room: int | None) -> int | None:
    """Tokens of the longest prompt; of the first one, where that is far from the limit."""
    first = engine.count_tokens(frame.around(queries.inputs[0]))
    if first is None or room is None or not 0.9 * room < first <= room:
        return first
    return max(engine.count_tokens(frame.around(x)) or 0 for x in queries.inputs)


def _seed(questions: Questions, index: int, settings: Settings) -> int:
    return seed_from(f"{settings.seed}|{questions.name}|query={index}")


def _judged(questions: Questions, answer: Answer, settings: Settings) -> Query:
    index = answer.completion.index
    question = questions.queries.inputs[index - 1]
    if settings.answer != "score":
        prediction = label_of(answer.completion.text)
    else:
        prediction = None if answer.probability is None else int(answer.probability > 0.5)
    return Query(
        index=index,
        input=question,
        label=questions.queries.labels[index - 1],
        prompt=questions.frame.around(question),
        answer=answer,
        prediction=prediction,
    )


def _verdict(queries: Sequence[Query]) -> Verdict:
    right = sum(query.prediction == query.label for query in queries)
    unparsed = sum(query.prediction is None for query in queries)
    return Verdict("ok", right, unparsed, len(queries))


def _details(questions: Questions, queries: Sequence[Query]) -> dict[str, Any]:
    """What a reader of the accuracy must know, as JSON values.

    Unparseable answers are wrong in the accuracy, as published. Whether the model knows more than
    chance is judged on the parsed ones alone: silence is not knowledge of the opposite.
    """
    verdict = _verdict(queries)
    parsed = verdict.total - verdict.invalid
    low, high = binomial_interval(verdict.correct, parsed, CONFIDENCE)
    usages = [query.answer.completion.usage for query in queries]
    computed = [query.answer.computed_tokens for query in queries]
    known = [tokens for tokens in computed if tokens is not None]
    costs = [query.answer.completion.cost_usd for query in queries]
    known_costs = [cost for cost in costs if cost is not None]
    return {
        "shots": questions.shots,
        "queries": verdict.total,
        "correct": verdict.correct,
        "parse_failures": verdict.invalid,
        "accuracy_interval": binomial_interval(verdict.correct, verdict.total, CONFIDENCE),
        "accuracy_parsed": verdict.correct / parsed if parsed else None,
        "accuracy_parsed_interval": (low, high),
        "differs_from_chance": not low <= 0.5 <= high,
        "predicted_1": sum(query.prediction == 1 for query in queries),
        "log_loss": _log_loss(queries),
        "prompt_tokens": sum(usage.prompt_tokens for usage in usages),
        "prompt_tokens_computed": sum(known) if len(known) == len(queries) else None,
        "completion_tokens": sum(usage.completion_tokens for usage in usages),
        "cost_usd": sum(known_costs) if len(known_costs) == len(queries) else None,
    }


def _log_loss(queries: Sequence[Query]) -> float | None:
    """Mean negative log probability of the true labels in nats; None without probabilities."""
    given = [
        (query.answer.probability, query.label)
        for query in queries
        if query.answer.probability is not None
    ]
    if not given:
        return None
    true = np.array([p if label else 1 - p for p, label in given])
    return float(-np.log(np.maximum(true, np.finfo(float).tiny)).mean())


def _speed(arrivals: Sequence[float]) -> dict[str, float | None]:
    """Seconds to the first answer, which computes what all share, and the rate of the others."""
    if len(arrivals) < 2:
        return {"first_seconds": arrivals[0] if arrivals else None, "queries_per_second": None}
    rate = (len(arrivals) - 1) / max(arrivals[-1] - arrivals[0], 1e-9)
    return {"first_seconds": round(arrivals[0], 3), "queries_per_second": round(rate, 4)}
