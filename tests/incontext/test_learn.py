"""What is asked, what counts as right, and what an interrupted run asks again."""

from dataclasses import replace

import pytest

from incontext.engines import SETTINGS, SPLITS, ScriptedEngine, query_of, truth
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.learn import Query, learn, pose
from llm_erm.tasks.task import Dataset


def run(engine, *, queries=32, shots=32, settings=SETTINGS, splits=SPLITS, **keywords):
    return learn(pose(splits, shots, queries, engine, settings), engine, settings, **keywords)


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
    assert len({prompt.text[: prompt.text.index(query_of(prompt))] for prompt in engine.asked}) == 1


def test_a_query_that_the_rest_of_the_prompt_holds_too_is_asked_about_all_the_same():
    words = ("label", "rules", "input", "0", "1", "JSON")
    data = Dataset(words, (0, 1, 0, 1, 0, 1))
    engine = ScriptedEngine(lambda _: "1")
    run(engine, queries=6, shots=4, splits=replace(SPLITS, kind="text", test=data))
    for word, prompt in zip(words, engine.asked, strict=True):
        assert f"# New input\n```\n{word}\n```\n" in prompt.text
        assert prompt.text.endswith('{"label": "0" | "1"}<end>')


def test_right_answers_make_a_perfect_run():
    result = run(ScriptedEngine(truth))
    assert (result.method, result.function, result.length) == ("incontext", "fn_a", 6)
    assert result.test.perfect
    assert result.test.total == 32
    assert result.notices == ("mind the gap",)
    assert result.certificate.test.error_upper_bound == pytest.approx(1 - 0.05 ** (1 / 32))
    assert result.settings["shots"] == 32
    assert result.details["differs_from_chance"]
    assert (result.details["prompt_tokens"], result.details["prompt_tokens_computed"]) == (
        *(3200, 320),
    )


def test_always_the_same_label_is_chance():
    details = run(ScriptedEngine(lambda _: "1")).details
    assert details["accuracy_parsed"] == 0.5
    assert details["predicted_1"] == 32
    assert not details["differs_from_chance"]
    low, high = details["accuracy_interval"]
    assert low == pytest.approx(0.3189, abs=1e-4)
    assert high == pytest.approx(1 - low)


def test_an_answer_that_states_no_label_is_wrong_and_counted_apart():
    result = run(ScriptedEngine(lambda p: "no idea" if p.index % 2 else truth(p)))
    assert (result.test.correct, result.test.invalid, result.test.total) == (16, 16, 32)
    assert result.test.accuracy == 0.5
    assert result.details["accuracy_parsed"] == 1.0
    assert result.details["differs_from_chance"]


def test_silence_is_not_knowledge():
    result = run(ScriptedEngine(lambda _: "no idea"))
    assert result.test.accuracy == 0.0
    assert result.details["accuracy_parsed"] is None
    assert not result.details["differs_from_chance"]


def test_scores_predict_the_more_probable_label_and_say_how_sure_they_are():
    def probability(prompt: Prompt) -> float:
        return 0.8 if query_of(prompt).count("1") % 2 else 0.3

    result = run(ScriptedEngine(probability), settings=replace(SETTINGS, answer="score"))
    assert result.test.perfect
    assert result.details["log_loss"] == pytest.approx(0.28991, abs=1e-4)  # of 0.8 and of 0.7


def test_a_run_that_was_stopped_asks_only_what_is_left():
    kept: list[Query] = []
    whole = run(ScriptedEngine(truth), on_query=kept.append)
    engine = ScriptedEngine(truth)
    again = run(engine, done=kept[:20])
    assert [prompt.index for prompt in engine.asked] == list(range(21, 33))
    assert again.test == whole.test
    assert again.details["prompt_tokens"] == whole.details["prompt_tokens"]
    nothing = ScriptedEngine(truth)
    assert run(nothing, done=kept).test == whole.test
    assert nothing.asked == []


def test_a_query_keeps_its_seed_whatever_was_asked_before():
    engines = ScriptedEngine(truth), ScriptedEngine(truth)
    kept: list[Query] = []
    run(engines[0], on_query=kept.append)
    run(engines[1], done=kept[:5])
    assert engines[0].asked[5:] == engines[1].asked
    other = ScriptedEngine(truth)
    run(other, settings=replace(SETTINGS, seed=0))
    assert {p.seed for p in other.asked}.isdisjoint({p.seed for p in engines[0].asked})


@pytest.mark.parametrize("room", [400, 500, 600])
def test_a_prompt_that_is_too_long_is_refused_with_the_number_of_examples_that_fit(room):
    engine = ScriptedEngine(truth, context_tokens=room)
    with pytest.raises(InputError, match="examples fit") as refusal:
        pose(SPLITS, 32, 4, engine, SETTINGS)
    assert not engine.loaded
    number = str(refusal.value).split(" examples fit")[0].rsplit(" ", 1)[1]
    fit = 0 if number == "no" else int(number)
    if fit:
        pose(SPLITS, fit, 4, engine, SETTINGS)
    with pytest.raises(InputError, match="examples fit"):
        pose(SPLITS, fit + 2, 4, engine, SETTINGS)


def test_the_answer_needs_room_too():
    prompt = pose(SPLITS, 8, 4, ScriptedEngine(truth), SETTINGS).frame.around("000000")
    exact = ScriptedEngine(truth, context_tokens=len(prompt) + 10)
    pose(SPLITS, 8, 4, exact, SETTINGS)
    with pytest.raises(InputError, match="--max-new-tokens"):
        pose(SPLITS, 8, 4, exact, replace(SETTINGS, max_new_tokens=11))


def test_more_shots_than_there_are_examples_are_refused():
    with pytest.raises(InputError, match=r"--shots.*ask for fewer"):
        pose(SPLITS, 40, 4, ScriptedEngine(truth), SETTINGS)
