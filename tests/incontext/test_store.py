"""The folder keeps every query through kills, and refuses mix-ups."""

import pytest

from incontext.engines import SETTINGS, SPLITS, ScriptedEngine, truth
from llm_erm.errors import InputError
from llm_erm.incontext.learn import learn, pose
from llm_erm.incontext.store import QueryStore


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def make(settings=None, **keywords):
        opened.append(QueryStore(tmp_path / "run", settings or {"seed": 1}, **keywords))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def questions():
    return pose(SPLITS, 8, 8, ScriptedEngine(truth), SETTINGS)


def fill(store, questions):
    kept = []

    def keep(query):
        store.append(questions, query)
        kept.append(query)

    learn(questions, ScriptedEngine(truth), SETTINGS, keep)
    return kept


def test_queries_come_back_as_they_were(open_store, questions):
    store = open_store()
    kept = fill(store, questions)
    assert store.queries(questions) == kept
    store.close()
    assert open_store().queries(questions) == kept


def test_a_line_cut_off_by_a_kill_is_asked_again(open_store, questions):
    store = open_store()
    kept = fill(store, questions)
    store.close()
    path = store.folder / "queries.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert open_store().queries(questions) == kept[:-1]


def test_other_shots_and_lengths_are_other_questions(open_store, questions):
    store = open_store()
    fill(store, questions)
    assert store.queries(pose(SPLITS, 6, 8, ScriptedEngine(truth), SETTINGS)) == []


def test_results_come_back_and_fresh_deletes_them(open_store, questions):
    store = open_store()
    store.finish(questions, {"test_accuracy": 0.5})
    store.close()
    again = open_store()
    assert again.result(questions)["test_accuracy"] == 0.5
    again.close()
    assert open_store(fresh=True).result(questions) is None


def test_other_settings_are_refused(open_store, questions):
    store = open_store()
    fill(store, questions)
    store.close()
    with pytest.raises(InputError, match=r"different: seed"):
        open_store({"seed": 2})


@pytest.mark.parametrize("name", ["queries", "results"])
def test_a_line_that_is_none_is_named(open_store, questions, name):
    store = open_store()
    store.close()
    (store.folder / f"{name}.jsonl").write_text('{"function": "fn_a"}\n')
    with pytest.raises(InputError, match=f"{name}.jsonl, line 1"):
        open_store()
