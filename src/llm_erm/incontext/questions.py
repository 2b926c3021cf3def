"""Questions: everything that a model is asked about one data set, and its answers read."""

from dataclasses import dataclass

from llm_erm.errors import InputError
from llm_erm.incontext.engine import Engine
from llm_erm.incontext.labels import label_of
from llm_erm.incontext.prompt import GAP, Frame, balanced, build_frame, split_at_gap
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion
from llm_erm.runs.jobs import JobKey
from llm_erm.tasks.task import Dataset, Splits


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
