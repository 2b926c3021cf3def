"""A run of several jobs: what is checked first, what its folder keeps, what it refuses."""

import json
import resource
import signal
from dataclasses import replace

import pytest

from incontext.engines import SETTINGS, ScriptedEngine, query_of, truth
from llm_erm.errors import BudgetSpentError, InputError, ProviderError
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.export import export, queries_in
from llm_erm.incontext.learn import learn
from llm_erm.incontext.method import InContext
from llm_erm.incontext.questions import pose
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.budget import Budget
from llm_erm.runs.events import Noticed
from llm_erm.runs.kept import AnswerLine
from llm_erm.runs.run import opened, plan, run
from llm_erm.tasks.spec import DataSpec
from run_folders import records_in

SPEC = DataSpec(function="fn_a", length=6, train_size=8, val_size=0, test_size=20)


def method_of(engine: ScriptedEngine, **changes) -> InContext:
    return InContext(
        **{"engine": engine, "settings": SETTINGS, "shots": (4, 8), "queries": 6} | changes
    )


@pytest.fixture
def planned(tmp_path):
    def make(engine, specs=(SPEC,), **changes):
        return plan(
            method_of(engine, **changes), specs, tmp_path / "run", dataset_dir=tmp_path / "data"
        )

    return make


def timeless(results) -> list:
    """Results without times, and without the number of results before them on the same data."""
    return [
        replace(
            result,
            seconds=0,
            facts=replace(result.facts, first_seconds=0, queries_per_second=0),
            certificate=result.certificate and replace(result.certificate, all_looks=None),
        )
        for result in results
    ]


def failing_after(count: int, error):
    """Answers rightly a number of times and then fails."""
    left = iter(range(count))

    def reply(prompt: Prompt):
        return error if next(left, None) is None else truth(prompt)

    return reply


def lines(folder) -> list[AnswerLine]:
    return list(records_in(folder / "answers.jsonl", AnswerLine))


def test_each_number_of_shots_is_a_job_and_all_share_one_loaded_model(planned):
    engine = ScriptedEngine(truth)
    results = run(planned(engine, [SPEC, replace(SPEC, trial=2)]))
    assert [(result.variant, result.data.trial) for result in results] == [
        ("shots=4", 1),
        ("shots=8", 1),
        ("shots=4", 2),
        ("shots=8", 2),
    ]
    assert all(result.test.perfect for result in results)
    assert [prompt.text.count(" -> ") for prompt in engine.asked] == [*([4] * 6 + [8] * 6) * 2]
    assert (engine.loads, engine.closes) == (1, 1)


def test_all_training_examples_are_shown_unless_a_number_is_given(planned):
    engine = ScriptedEngine(truth)
    (result,) = run(planned(engine, shots=()))
    assert (result.variant, result.examples) == ("shots=8", 8)
    assert {prompt.text.count(" -> ") for prompt in engine.asked} == {8}


def test_a_run_is_what_its_jobs_are_by_themselves(planned):
    made = planned(ScriptedEngine(truth))
    engine = ScriptedEngine(truth)
    alone = [
        learn(pose(made.data[0], shots, 6, engine, SETTINGS), engine, SETTINGS) for shots in (4, 8)
    ]
    assert timeless(run(made)) == timeless(alone)


def test_no_model_is_loaded_before_all_prompts_are_known_to_fit(planned):
    short = len(pose_text(planned)) + SETTINGS.answer_tokens
    engine = ScriptedEngine(truth, context_tokens=short)
    with pytest.raises(InputError, match="shots=8 has .* 4 examples fit"):
        run(planned(engine))
    assert (engine.loads, engine.asked, engine.closes) == (0, [], 1)


def pose_text(planned) -> str:
    made = planned(ScriptedEngine(truth))
    return pose(made.data[0], 4, 6, ScriptedEngine(truth), SETTINGS).prompt(1)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"queries": 7}, "queries"),
        ({"queries": 0}, "queries"),
        ({"shots": (4, 3)}, "shots"),
        ({"settings": InContextSettings(max_new_tokens=0)}, "max_new_tokens"),
        ({"settings": InContextSettings(temperature=2.5)}, "temperature"),
        ({"settings": InContextSettings(top_p=0)}, "top_p"),
    ],
)
def test_what_cannot_run_is_refused_without_data(changes, setting):
    with pytest.raises(InputError) as refusal:
        method_of(ScriptedEngine(truth), **changes).jobs([SPEC])
    assert refusal.value.setting == setting


def test_an_interrupted_run_asks_only_what_is_left_and_ends_as_a_whole_one(planned, tmp_path):
    whole = run(planned(ScriptedEngine(truth)))
    made = planned(ScriptedEngine(failing_after(8, ProviderError("gone"))))
    with pytest.raises(ProviderError):
        run(made, fresh=True)
    before = (tmp_path / "run/answers.jsonl").read_bytes()
    assert [(line.job.variant, line.answer.index) for line in lines(tmp_path / "run")] == [
        *(("shots=4", index) for index in range(1, 7)),
        *(("shots=8", index) for index in (1, 2)),
    ]
    engine = ScriptedEngine(truth)
    results = run(planned(engine))
    assert [prompt.index for prompt in engine.asked] == [3, 4, 5, 6]
    assert timeless(results) == timeless(whole)
    assert (tmp_path / "run/answers.jsonl").read_bytes().startswith(before)


def test_a_run_that_has_all_its_answers_loads_no_model(planned, tmp_path):
    whole = run(planned(ScriptedEngine(truth)))
    (tmp_path / "run/results.jsonl").write_text("")  # killed between the answers and the results
    engine = ScriptedEngine(truth)
    assert timeless(run(planned(engine))) == timeless(whole)
    assert (engine.loads, engine.asked, engine.closes) == (0, [], 1)
    untouched = ScriptedEngine(truth, context_tokens=1)
    assert timeless(run(planned(untouched))) == timeless(whole)
    assert (untouched.loads, untouched.closes) == (0, 0)


def test_a_line_cut_off_by_a_kill_is_asked_again(planned, tmp_path):
    run(planned(ScriptedEngine(truth), shots=(4,)))
    path = tmp_path / "run/answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    (tmp_path / "run/results.jsonl").write_text("")
    engine = ScriptedEngine(truth)
    run(planned(engine, shots=(4,)))
    assert [prompt.index for prompt in engine.asked] == [6]
    assert len(lines(tmp_path / "run")) == 6


def test_queries_come_back_as_they_were_from_the_folder_alone(planned):
    def probability(prompt: Prompt) -> float:
        return 0.75 if query_of(prompt).count("1") % 2 else 0.125

    scoring = replace(SETTINGS, answer="score")
    engine = ScriptedEngine(probability)
    made = planned(engine, settings=scoring)
    run(made)
    with opened(made) as folder:
        found = list(queries_in(folder, made, made.method))
    assert [(asked.shots, query.index) for asked, query in found] == [
        (shots, index) for shots in (4, 8) for index in range(1, 7)
    ]
    assert [query.prompt for _, query in found] == [prompt.text for prompt in engine.asked]
    for _, query in found:
        assert query.label == query.prediction == query.input.count("1") % 2
        assert query.completion.probability == (0.125, 0.75)[query.label]
        assert query.completion.computed_tokens == 10


def test_the_published_files_hold_what_was_answered_and_what_has_a_result(planned, tmp_path):
    made = planned(ScriptedEngine(failing_after(8, BudgetSpentError("spent"))))
    with pytest.raises(BudgetSpentError):
        run(made)
    with opened(made) as folder:
        results = list(folder.results.values())
        export(folder, made, made.method, results, tmp_path / "a/o.jsonl", tmp_path / "b/o.csv")
    records = [json.loads(line) for line in (tmp_path / "a/o.jsonl").read_text().splitlines()]
    assert [(record["shots"], record["index"]) for record in records] == [
        *((4, index) for index in range(1, 7)),
        *((8, index) for index in (1, 2)),
    ]
    assert all(record["is_correct"] for record in records)
    _, *rows = (tmp_path / "b/o.csv").read_text().splitlines()
    assert rows == ["fn_a,6,1.0,4,42,1,6,6,0,0.540742,1.0,1.0,True"]


def test_what_earlier_parts_of_a_run_took_counts_for_its_budget(planned):
    made = planned(ScriptedEngine(failing_after(8, ProviderError("gone"))))
    with pytest.raises(ProviderError):
        run(made)
    counted = []

    class Counting(Budget):
        def begin(self, completions, prompt_bytes, max_output_tokens):
            counted.append((len(list(completions)), prompt_bytes, max_output_tokens))

    engine = ScriptedEngine(truth)
    engine.budget = Counting()
    run(planned(engine))
    longest = max(len(prompt.text.encode()) for prompt in engine.asked)
    assert counted == [(8, longest, 10)]


def test_results_come_back_and_fresh_deletes_them(planned):
    whole = run(planned(ScriptedEngine(truth)))
    assert run(planned(ScriptedEngine(lambda _: "no idea"))) == whole
    engine = ScriptedEngine(lambda _: "no idea")
    results = run(planned(engine), fresh=True)
    assert [result.test.invalid for result in results] == [6, 6]
    assert len(engine.asked) == 12


@pytest.mark.parametrize(
    ("engine", "changes", "names"),
    [
        (ScriptedEngine(truth), {"settings": replace(SETTINGS, seed=7)}, "seed"),
        (ScriptedEngine(truth), {"queries": 4}, "queries"),
        (ScriptedEngine(truth), {"shots": (4, 6)}, "shots"),
        (ScriptedEngine(truth), {"specs": [replace(SPEC, test_size=22)]}, "data, test_size"),
        (ScriptedEngine(truth, described={"name": "another"}), {}, "name"),
    ],
)
def test_other_settings_are_refused_and_named(planned, engine, changes, names):
    run(planned(ScriptedEngine(truth)))
    with pytest.raises(InputError, match=rf"\(different: {names}\)"):
        run(planned(engine, **changes))
    assert engine.asked == []


@pytest.mark.parametrize("name", ["answers", "prompts", "results"])
def test_a_damaged_line_is_named_and_done_again(planned, tmp_path, name):
    whole = run(planned(ScriptedEngine(truth)))
    path = tmp_path / f"run/{name}.jsonl"
    _, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join(['{"function": "fn_a"}\n', *others]))
    engine, noticed = ScriptedEngine(truth), []

    def observe(job, event):
        if isinstance(event, Noticed):
            noticed.append(event.text)

    assert timeless(run(planned(engine), observers=[observe])) == timeless(whole)
    assert [f"{name}.jsonl, line 1: damaged" in text for text in noticed] == [True]
    assert [prompt.index for prompt in engine.asked] == ([1] if name == "answers" else [])


def test_a_full_disk_is_one_sentence_and_loses_no_answer_that_was_kept(planned, tmp_path):
    made = planned(ScriptedEngine(truth))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(InputError, match="Cannot write"):
            run(made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    kept = len(lines(tmp_path / "run"))
    assert 0 < kept < 12
    engine = ScriptedEngine(truth)
    results = run(planned(engine))
    assert len(engine.asked) == 12 - kept
    assert all(result.test.perfect for result in results)
