"""The embedded model, for real: what the queries share is computed once."""

import mmap

import pytest

from incontext.engines import SPLITS
from llm_erm.errors import InputError
from llm_erm.incontext.engine import Prompt, label_tokens
from llm_erm.incontext.learn import learn
from llm_erm.incontext.local import LocalEngine, _answer, _query
from llm_erm.incontext.questions import Query, pose, query_of
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import PromptRead
from llm_erm.records import Result
from llm_erm.runs.events import Answered, Event

SHOTS, QUERIES = 8, 4


def ask(settings: InContextSettings, queries: int = QUERIES) -> tuple[list[Query], Result]:
    engine = LocalEngine(threads=1)
    kept: list[Event] = []
    try:
        questions = pose(SPLITS, SHOTS, queries, engine, settings)
        engine.load()
        result = learn(questions, engine, settings, observe=kept.append)
        answered = [
            query_of(questions, event.completion, settings)
            for event in kept
            if isinstance(event, Answered)
        ]
        lengths = [engine.count_tokens(query.prompt) for query in answered]
        assert lengths == [query.completion.usage.prompt_tokens for query in answered]
    finally:
        engine.close()
    assert len(answered) == queries
    return answered, result


@pytest.fixture(scope="module")
def scored():
    return ask(InContextSettings(answer="score"))


def test_only_the_first_query_computes_the_examples(scored):
    queries, result = scored
    first, *others = [query.completion.computed_tokens for query in queries]
    head = first - min(others)
    assert head > 100  # the examples alone have more tokens
    assert max(others) <= 50  # the query and what comes after it
    assert result.facts.prompt_tokens_computed == first + sum(others)
    assert result.cost.prompt_tokens == sum(
        query.completion.usage.prompt_tokens for query in queries
    )


def test_a_score_is_one_token_and_a_probability(scored):
    queries, result = scored
    assert result.cost.completion_tokens == QUERIES
    assert all(0 < query.completion.probability < 1 for query in queries)
    assert len({query.completion.probability for query in queries}) > 1
    assert [query.prediction for query in queries] == [
        int(query.completion.probability > 0.5) for query in queries
    ]
    assert [query.completion.text for query in queries] == [
        str(query.prediction) for query in queries
    ]


def test_the_prompt_is_in_the_models_own_template_and_kept(scored):
    queries, _ = scored
    for query in queries:
        assert query.prompt.startswith("<|im_start|>system")
        assert query.prompt.endswith('<|im_start|>assistant\n{"label": "')


def test_constrained_answers_always_state_a_label():
    settings = InContextSettings(answer="constrained", max_new_tokens=16, temperature=1.0)
    queries, result = ask(settings, queries=2)
    assert result.test.invalid == 0
    assert all(query.prediction in (0, 1) for query in queries)
    assert all(query.completion.usage.completion_tokens > 1 for query in queries)


def test_the_template_is_found_where_windows_maps_files(monkeypatch):
    for name in [name for name in dir(mmap) if name.startswith(("PROT_", "MAP_"))]:
        monkeypatch.delattr(mmap, name)
    engine = LocalEngine(threads=1)
    try:
        assert engine.render("0 -> 1", InContextSettings()).startswith("<|im_start|>")
    finally:
        engine.close()


def test_a_raw_prompt_is_what_the_model_reads():
    queries, _ = ask(InContextSettings(answer="generate", max_new_tokens=2, raw_prompt=True), 2)
    assert queries[0].prompt.startswith("# Task")
    assert queries[0].prompt.endswith('{"label": "0" | "1"}')
    assert [query.completion.usage.completion_tokens for query in queries] == [2, 2]
    assert queries[0].completion.finish_reason == "length"


@pytest.mark.parametrize("room", [300, 8193])
def test_a_context_that_does_not_do_is_refused(room):
    engine = LocalEngine(threads=1, context_tokens=room)
    try:
        with pytest.raises(InputError, match=r"examples fit|trained for 8192; give"):
            pose(SPLITS, 32, 4, engine, InContextSettings(answer="score"))
    finally:
        engine.close()


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 1000)
    with pytest.raises(InputError, match=r"model.gguf fails to load.*smaller context") as refusal:
        pose(SPLITS, 8, 4, LocalEngine(path), InContextSettings())
    assert refusal.value.setting == "context_tokens"


def test_a_long_prompt_is_told_part_by_part_and_answered_as_without():
    engine = LocalEngine(threads=1, context_tokens=2048)
    prompt = Prompt(1, "Say 0 or 1 after these: " + "01 " * 200, 7)
    told: list[PromptRead] = []
    try:
        engine.load()
        for answer in ("score", "generate"):
            settings = InContextSettings(answer=answer, max_new_tokens=5, raw_prompt=True)
            (heard,) = engine.answer([prompt], settings, told.append)
            total = engine.count_tokens(prompt.text)
            if answer == "score":
                assert told == [PromptRead(n, total) for n in (0, 512, total)]
            else:
                assert {one.total for one in told[3:]} < set(range(10)), "the rest is known"
            body = _query(prompt, settings, label_tokens("x", engine._tokens) * (answer == "score"))
            reply = engine._model.ask("/completion", body)
            assert heard.text == _answer(prompt, reply, 0.0).text != ""
            assert heard.probability == pytest.approx(_answer(prompt, reply, 0.0).probability)
    finally:
        engine.close()
