"""What is asked, what counts as right, and what an interrupted run asks again."""

from dataclasses import replace

import numpy as np
import pytest

from incontext.engines import SETTINGS, SPLITS, ScriptedEngine, dataset, query_of, truth
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.learn import differs_from_chance, learn
from llm_erm.incontext.prompt import GAP
from llm_erm.incontext.questions import pose
from llm_erm.incontext.questions import query_of as judged
from llm_erm.llms.llm import Completion
from llm_erm.mistakes import Mistake
from llm_erm.records import Verdict
from llm_erm.runs.events import Advanced, Answered, Event, Prompted, Started
from llm_erm.tasks.task import Dataset, HeldOut


def run(engine, *, queries=32, shots=32, settings=SETTINGS, splits=SPLITS, **keywords):
    return learn(pose(splits, shots, queries, engine, settings), engine, settings, **keywords)


def asked_about(prompt: Prompt) -> str:
    return prompt.text.split("# New input\n```\n")[1].split("\n")[0]


class Kept:
    """The answers that a journal would hold, by index."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def answers(self, count: int | None = None) -> dict[int, Completion]:
        answered = [one.completion for one in self.events if isinstance(one, Answered)]
        return {completion.index: completion for completion in answered[:count]}


def test_every_query_shows_the_training_examples_and_no_test_label():
    engine = ScriptedEngine(truth)
    run(engine, shots=8)
    assert [prompt.index for prompt in engine.asked] == list(range(1, 33))
    for prompt in engine.asked:
        assert prompt.text.startswith("<user># Task")
        assert prompt.text.endswith("<end>")
        assert prompt.text.count(" -> ") == 8
        assert f"{query_of(prompt)} ->" not in prompt.text
    assert len({prompt.seed for prompt in engine.asked}) == 32
    assert len({prompt.text.partition("# New input")[0] for prompt in engine.asked}) == 1


def test_a_query_that_the_rest_of_the_prompt_holds_too_is_asked_about_all_the_same():
    words = ("label", "rules", "input", "0", "1", "JSON")
    data = Dataset(words, (0, 1, 0, 1, 0, 1))
    engine = ScriptedEngine(lambda _: "1")
    splits = replace(SPLITS, kind="text", reveal=lambda: HeldOut(data))
    run(engine, queries=6, shots=4, splits=splits)
    for word, prompt in zip(words, engine.asked, strict=True):
        assert f"# New input\n```\n{word}\n```\n" in prompt.text
        assert prompt.text.endswith('{"label": "0" | "1"}<end>')


def test_right_answers_make_a_perfect_run():
    result = run(ScriptedEngine(truth))
    assert (result.method, result.model, result.data) == ("incontext", "scripted", SPLITS.key)
    assert result.variant == "shots=32"
    assert result.test.perfect
    assert result.test.total == 32
    assert (result.train, result.validation, result.contrast) == (None, None, None)
    assert result.notices == ("mind the gap",)
    assert result.certificate.test.error_upper_bound == pytest.approx(1 - 0.05 ** (1 / 32))
    assert result.examples == result.facts.shots == 32
    assert result.facts.differs_from_chance
    cost = result.cost
    assert (cost.prompt_tokens, cost.completion_tokens, cost.usd) == (3200, 160, 0.0)
    assert result.facts.prompt_tokens_computed == 320


def test_always_the_same_label_is_chance():
    facts = run(ScriptedEngine(lambda _: "1")).facts
    assert facts.accuracy_parsed == 0.5
    assert facts.predicted_1 == 32
    assert not facts.differs_from_chance
    low, high = facts.accuracy_interval
    assert low == pytest.approx(0.3189, abs=1e-4)
    assert high == pytest.approx(1 - low)


def test_an_answer_that_states_no_label_is_wrong_and_counted_apart():
    result = run(ScriptedEngine(lambda p: "no idea" if p.index % 2 else truth(p)))
    queries = dataset([one.input for one in result.mistakes["test"]])
    assert result.mistakes["test"] == tuple(
        Mistake(x, y, None) for x, y in zip(queries.inputs, queries.labels, strict=True)
    )
    assert len(queries) == 16
    assert (result.test.correct, result.test.invalid, result.test.total) == (16, 16, 32)
    assert result.test.accuracy == 0.5
    assert result.facts.accuracy_parsed == 1.0
    assert not result.facts.differs_from_chance  # always 1, but only if that is right, looks so too


def test_a_constant_that_is_unparsed_on_one_label_is_chance():
    """Of 50 queries of label 1, 30 have no label: 71.4 % of the parsed answers are right."""
    inputs = [format(i, "08b") for i in range(256)]
    splits = replace(SPLITS, reveal=lambda: HeldOut(dataset(inputs)))
    silent = [x for x in inputs if x.count("1") % 2][:30]
    engine = ScriptedEngine(lambda p: "no idea" if asked_about(p) in silent else "0")
    result = run(engine, queries=100, splits=splits)
    assert (result.test.correct, result.test.invalid, result.test.total) == (50, 30, 100)
    assert result.facts.accuracy_parsed == pytest.approx(50 / 70)
    assert not result.facts.differs_from_chance


GUESSERS = {
    "a coin": lambda label, answer: False,
    "a coin, unparsed on 60 % of label 1": lambda label, answer: (label == 1) * 0.6,
    "a coin, unparsed where it says 1": lambda label, answer: (answer == 1) * 1.0,
    "a coin, unparsed where it is wrong": lambda label, answer: (label != answer) * 1.0,
    "a coin, unparsed where it is right": lambda label, answer: (label == answer) * 0.7,
}
"""How often each leaves a query without a label."""


@pytest.mark.parametrize("ones", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("unparsed", GUESSERS.values(), ids=GUESSERS)
def test_guesses_rarely_differ_from_chance_whichever_are_unparsed(unparsed, ones):
    """At most 5 % do; with 2,000 runs of 100 queries, 7 % would be four standard errors more."""
    rng = np.random.RandomState(round(ones * 10))
    labels = np.tile([0, 1], 50)
    answers = rng.random_sample((2000, 100)) < ones
    kept = rng.random_sample((2000, 100)) >= unparsed(labels, answers)
    right, wrong = ((answers == labels) & kept).sum(1), ((answers != labels) & kept).sum(1)
    differ = [
        differs_from_chance(Verdict("ok", int(r), int(100 - r - w), 100))
        for r, w in zip(right, wrong, strict=True)
    ]
    assert np.mean(differ) <= 0.05


@pytest.mark.parametrize(("correct", "invalid"), [(61, 0), (61, 39), (39, 0), (0, 39)])
def test_what_no_guess_would_do_differs(correct, invalid):
    assert differs_from_chance(Verdict("ok", correct, invalid, 100))
    fewer = Verdict("ok", correct - 1, invalid + 1, 100) if correct > 50 else None
    fewer = fewer or Verdict("ok", correct, invalid + 1, 100)
    assert not differs_from_chance(fewer)


def test_silence_is_not_knowledge():
    result = run(ScriptedEngine(lambda _: "no idea"))
    assert result.test.accuracy == 0.0
    assert result.facts.accuracy_parsed is None
    assert not result.facts.differs_from_chance


def test_scores_predict_the_more_probable_label_and_say_how_sure_they_are():
    def probability(prompt: Prompt) -> float:
        return 0.8 if query_of(prompt).count("1") % 2 else 0.3

    kept = Kept()
    settings = replace(SETTINGS, answer="score")
    result = run(ScriptedEngine(probability), settings=settings, observe=kept)
    assert result.test.perfect
    assert result.facts.log_loss == pytest.approx(0.28991, abs=1e-4)  # of 0.8 and of 0.7
    labels = SPLITS.reveal().test.labels
    assert [answer.probability for answer in kept.answers().values()] == [
        (0.3, 0.8)[label] for label in labels
    ]


def test_a_query_is_judged_by_its_completion_alone():
    questions = pose(SPLITS, 8, 8, ScriptedEngine(truth), SETTINGS)
    query = judged(questions, Completion(3, '{"label": "1"}', probability=0.1), SETTINGS)
    assert (query.input, query.label) == (questions.queries.inputs[2], questions.queries.labels[2])
    assert query.prompt == questions.prompt(3)
    assert query.input in query.prompt.partition("# New input")[2]
    assert query.prediction == 1
    assert judged(questions, query.completion, replace(SETTINGS, answer="score")).prediction == 0
    unknown = replace(query.completion, probability=None)
    assert judged(questions, unknown, replace(SETTINGS, answer="score")).prediction is None


def test_a_run_tells_of_its_prompt_and_of_each_answer_as_it_arrives():
    kept = Kept()
    seen = []

    def reply(prompt: Prompt) -> str:
        seen.append(len(kept.answers()))
        return truth(prompt)

    run(ScriptedEngine(reply), queries=4, shots=8, observe=kept, answers={})
    assert seen == [0, 1, 2, 3]
    started, prompted, *others = kept.events
    assert started == Started(4, 0)
    assert isinstance(prompted, Prompted)
    assert f"# New input\n```\n{GAP}\n```" in prompted.prompt
    assert [event.done for event in others if isinstance(event, Advanced)] == [1, 2, 3, 4]
    first = kept.answers()[1]
    assert (first.computed_tokens, first.usage.prompt_tokens) == (10, 100)


def test_a_run_that_was_stopped_asks_only_what_is_left():
    kept = Kept()
    whole = run(ScriptedEngine(truth), observe=kept)
    engine = ScriptedEngine(truth)
    again = run(engine, answers=kept.answers(20))
    assert [prompt.index for prompt in engine.asked] == list(range(21, 33))
    assert again.test == whole.test
    assert again.cost == whole.cost
    nothing = ScriptedEngine(truth)
    rest = Kept()
    assert run(nothing, answers=kept.answers(), observe=rest).test == whole.test
    assert nothing.asked == []
    assert rest.events[0] == Started(32, 32)
    assert rest.answers() == {}


def test_a_query_keeps_its_seed_whatever_was_asked_before():
    engines = ScriptedEngine(truth), ScriptedEngine(truth)
    kept = Kept()
    run(engines[0], observe=kept)
    run(engines[1], answers=kept.answers(5))
    assert engines[0].asked[5:] == engines[1].asked
    other = ScriptedEngine(truth)
    run(other, settings=replace(SETTINGS, seed=0))
    assert {p.seed for p in other.asked}.isdisjoint({p.seed for p in engines[0].asked})


def test_the_queries_held_out_are_read_once():
    calls = []

    def reveal() -> HeldOut:
        calls.append(1)
        return HeldOut(dataset(["000000", "000001"]))

    engine = ScriptedEngine(truth)
    assert run(engine, queries=2, shots=8, splits=replace(SPLITS, reveal=reveal)).test.total == 2
    assert len(calls) == 1


@pytest.mark.parametrize("room", [400, 500, 600])
def test_a_prompt_that_is_too_long_is_refused_with_the_number_of_examples_that_fit(room):
    engine = ScriptedEngine(truth, context_tokens=room)
    with pytest.raises(InputError, match="examples fit") as refusal:
        pose(SPLITS, 32, 4, engine, SETTINGS)
    assert engine.loads == 0
    number = str(refusal.value).split(" examples fit")[0].rsplit(" ", 1)[1]
    fit = 0 if number == "no" else int(number)
    assert refusal.value.setting == ("shots" if fit else "max_new_tokens")
    if fit:
        pose(SPLITS, fit, 4, engine, SETTINGS)
    with pytest.raises(InputError, match="examples fit"):
        pose(SPLITS, fit + 2, 4, engine, SETTINGS)


def test_the_answer_needs_room_too():
    prompt = pose(SPLITS, 8, 4, ScriptedEngine(truth), SETTINGS).frame.around("000000")
    exact = ScriptedEngine(truth, context_tokens=len(prompt) + 10)
    pose(SPLITS, 8, 4, exact, SETTINGS)
    with pytest.raises(InputError, match="max_new_tokens"):
        pose(SPLITS, 8, 4, exact, replace(SETTINGS, max_new_tokens=11))


@pytest.mark.parametrize(("shots", "queries", "setting"), [(40, 4, "shots"), (4, 40, "queries")])
def test_more_than_there_are_examples_is_refused(shots, queries, setting):
    with pytest.raises(InputError, match="40 .* ask for fewer") as refusal:
        pose(SPLITS, shots, queries, ScriptedEngine(truth), SETTINGS)
    assert refusal.value.setting == setting
