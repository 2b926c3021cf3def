"""How far a run is follows from what it has written, read once, while it goes on writing."""

import json
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from incontext.engines import ScriptedEngine
from llm_erm.baselines.method import Baselines
from llm_erm.enumeration.method import Enumeration
from llm_erm.errors import InputError
from llm_erm.incontext.method import InContext
from llm_erm.reports import progress
from llm_erm.reports.planned import planned_jobs
from llm_erm.reports.watched import Watch
from llm_erm.runs.checksum import sealed_settings
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.jobs import JobKey
from llm_erm.settings import plain
from llm_erm.tasks.spec import DataSpec
from llm_erm.training.method import Training
from llm_erm.training.settings import TrainingSettings
from made_runs import (
    LATER,
    PALINDROME,
    PARITY,
    SPECS,
    Running,
    begun,
    known,
    running,
    train_until,
)


def only(place: Watch):
    (state,) = place.states()
    return state


def searches(place: Watch):
    return only(place).searches


def test_a_run_is_followed_from_before_it_begins_until_it_ends(tmp_path):
    place = Watch(tmp_path / "run")
    assert place.states() == []
    assert not place.ended([], LATER)
    run = begun(tmp_path / "run")
    state = only(place)
    done, going = state.searches
    assert (state.method, state.done, state.ended, state.damaged) == ("synthesis", 1, False, 0)
    assert (done.state, done.steps, done.total, done.seconds) == ("done", 1, 5, 8.0)
    assert done.result.test.correct == 99
    assert (going.state, going.steps, going.total, going.unverified) == ("running", 2, 5, 1)
    assert going.best_validation == 0.75
    assert (going.prompt_tokens, going.completion_tokens) == (270, 30)
    assert going.usd == pytest.approx(0.03)
    assert going.seconds == 10.0
    assert going.seconds_left == state.seconds_left == 15.0
    run.finish(PALINDROME, 21.0)
    run.close()
    state = only(place)
    assert (state.done, state.ended, state.seconds_left, state.written) == (2, True, None, LATER)
    assert state.searches[1].seconds == 21.0
    assert place.ended([state], LATER)


def test_nothing_is_read_twice(tmp_path):
    read = []

    def counted(kind, text):
        read.append(kind)
        return from_json(kind, text)

    from_json = progress.from_json
    place, run = Watch(tmp_path / "run"), begun(tmp_path / "run")
    with patch.object(progress, "from_json", counted):
        place.states()
        assert len(read) == 8
        place.states()
        assert len(read) == 8
        run.attempt(PALINDROME, 3, 39)
        place.states()
        assert len(read) == 9
    assert searches(place)[1].best_validation == 0.975
    run.folder.close()


def test_reading_changes_nothing_and_needs_no_lock(tmp_path):
    run = begun(tmp_path / "run")  # which holds it
    before = every(tmp_path)
    assert only(Watch(tmp_path / "run")).done == 1
    assert every(tmp_path) == before
    run.folder.close()


def every(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_runs_are_found_at_any_depth_and_other_programs_settings_are_none(tmp_path):
    for name in ("table1/enumeration/L20", "table1/svm/L20"):
        begun(tmp_path / name).close()
    (tmp_path / ".editor").mkdir()
    (tmp_path / ".editor" / "settings.json").write_text('{"editor.tabSize": 4}')
    found = [state.folder.relative_to(tmp_path).as_posix() for state in Watch(tmp_path).states()]
    assert found == ["table1/enumeration/L20", "table1/svm/L20"]


def test_settings_of_another_version_are_told_of(tmp_path):
    for method, settings in (
        ("baselines", {}),
        ("baselines", {"grids": "own", "learners": 3}),
        ("synthesis", {"settings": {"attempts": "five"}}),
    ):
        (tmp_path / "settings.json").write_text(sealed_settings(known(method, settings).text))
        with pytest.raises(
            InputError, match="Another version of llm-erm wrote .*settings.json, wh"
        ):
            Watch(tmp_path).states()


def test_a_journal_may_be_deleted_after_it_was_seen(tmp_path):
    begun(tmp_path / "run").close()
    place, stat = Watch(tmp_path / "run"), Path.stat
    place.states()

    def seen_last(path, **options):
        found = stat(path, **options)
        if path.name == "answers.jsonl":
            path.unlink()
        return found

    with patch.object(Path, "stat", seen_last):
        assert only(place).written == LATER


def test_half_a_line_waits_for_its_end(tmp_path):
    place, run = Watch(tmp_path / "run"), begun(tmp_path / "run")
    path = tmp_path / "run" / "attempts.jsonl"
    whole = path.read_bytes()
    for length in (1, 60, 1000):
        path.write_bytes(whole[:-length])
        again = Watch(tmp_path / "run")
        assert searches(again)[1].steps < 2
        assert only(again).damaged == 0
        path.write_bytes(whole)
        assert searches(again)[1].steps == 2
    assert searches(place)[1].steps == 2
    run.folder.close()


def test_a_line_that_does_not_fit_its_checksum_is_counted_and_not_believed(tmp_path):
    run = begun(tmp_path / "run")
    path = tmp_path / "run" / "attempts.jsonl"
    path.write_text(path.read_text().replace('"correct": 30', '"correct": 40'))
    place = Watch(tmp_path / "run")
    assert searches(place)[1].best_validation == 0.5
    assert only(place).damaged == 1
    run.folder.close()


def test_a_run_that_begins_anew_is_read_anew(tmp_path):
    place, run = Watch(tmp_path / "run"), begun(tmp_path / "run")
    assert only(place).done == 1
    run.folder.close()
    with running(tmp_path / "run", fresh=True) as run:
        assert [one.state for one in searches(place)] == ["nothing yet"] * 2
        run.answer(PARITY, 1)
        assert [one.completion_tokens for one in searches(place)] == [10, 0]
    with running(tmp_path / "run", known(settings={"settings": {"attempts": 9}}), fresh=True):
        assert [one.total for one in searches(place)] == [9, 9]
        assert [one.completion_tokens for one in searches(place)] == [0, 0]


def test_a_journal_that_was_replaced_by_a_longer_one_is_read_anew(tmp_path):
    run = begun(tmp_path / "run")
    place, path = Watch(tmp_path / "run"), tmp_path / "run" / "answers.jsonl"
    tokens = [one.completion_tokens for one in searches(place)]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[1:], *lines]))
    assert [one.completion_tokens for one in searches(place)] == [tokens[0], 2 * tokens[1]]
    run.folder.close()


def test_calls_that_were_given_up_cost_but_are_no_answers(tmp_path):
    with running(tmp_path / "run") as run:
        run.answer(PARITY, 1, usd=0.5, finish_reason="cancelled")
        run.answer(PALINDROME, 1, usd=None)
        run.answer(PALINDROME, 2)
        cancelled, priceless = searches(Watch(tmp_path / "run"))
    assert (cancelled.answered, cancelled.usd, cancelled.completion_tokens) == (set(), 0.5, 10)
    assert (priceless.answered, priceless.usd) == ({1, 2}, None)


def test_a_program_that_did_not_run_has_no_accuracy(tmp_path):
    with running(tmp_path / "run") as run:
        run.attempt(PARITY, 1, 0, "timeout")
        place = Watch(tmp_path / "run")
        assert (searches(place)[0].steps, searches(place)[0].best_validation) == (1, None)


def test_the_time_left_is_that_of_the_longest_search_and_of_those_that_wait(tmp_path):
    specs = tuple(replace(SPECS[0], trial=trial) for trial in range(1, 8))
    first, second, third, *_ = keys = [
        JobKey("fn_a", 20, spec.trial_seed, spec.trial) for spec in specs
    ]
    with running(tmp_path / "run", known(specs=specs)) as run:
        place = Watch(tmp_path / "run")
        assert only(place).seconds_left is None
        for key in keys[:3]:
            run.answer(key, 1)
        run.seconds = 4.0
        run.attempt(first, 1, 20)
        run.attempt(second, 1, 20)
        assert only(place).seconds_left is None  # of the third, nothing is known
        run.attempt(second, 2, 20)
        run.finish(third, 30.0)
        # 4 of 5 attempts at 4 s, and 3 at 2 s; four more searches of 20, 10 or 30 s, two at a time
    assert [one.seconds_left for one in searches(place)[:3]] == [16.0, 6.0, None]
    assert only(place).seconds_left == 16.0 + 4 * (20 + 10 + 30) / 3 / 2


def test_training_is_followed_by_its_evaluations(tmp_path):
    settings = {"settings": {"n_epochs": 40}}
    with running(tmp_path / "run", known("training", settings)) as run:
        place = Watch(tmp_path / "run")
        assert [one.state for one in searches(place)] == ["nothing yet"] * 2
        train_until(tmp_path / "run" / "fn_a-L20-n200", 0, 10)
        first, second = searches(place)
        assert (first.steps, first.total, first.train_accuracy) == (10, 40, 0.6)
        assert (first.seconds, first.seconds_left) == (20.0, 60.0)
        assert second.state == "nothing yet"
        assert only(place).seconds_left == 60.0 + 80.0
        train_until(tmp_path / "run" / "fn_a-L20-n200", 0, 10, 20)
        assert searches(place)[0].steps == 20
        os.utime(tmp_path / "run" / "fn_a-L20-n200" / "metrics.jsonl", (2 * LATER, 2 * LATER))
        assert only(place).written == 2 * LATER
        run.finish(PARITY, 77.0)
        assert searches(place)[0].state == "done"


def test_one_model_is_trained_in_the_folder_of_the_run(tmp_path):
    fingerprint = known("training", {"settings": {"n_epochs": 40}}, SPECS[:1])
    with running(tmp_path / "run", fingerprint):
        train_until(tmp_path / "run", 0, 30)
        (one,) = searches(Watch(tmp_path / "run"))
    assert (one.steps, one.train_accuracy) == (30, 0.8)


def test_in_context_learning_is_followed_by_its_answers(tmp_path):
    settings = {"shots": [4, 8], "queries": 50}
    with running(tmp_path / "run", known("incontext", settings, SPECS[:1])) as run:
        run.answer(replace(PARITY, variant="shots=8"), 7)
        few, more = searches(Watch(tmp_path / "run"))
    assert (few.key.variant, few.steps, few.total) == ("shots=4", 0, 50)
    assert (more.key.variant, more.steps, more.total) == ("shots=8", 1, 50)
    assert more.unverified == 0


ALIKE = [replace(SPECS[0], train_size=size) for size in (100, 200)]


@pytest.mark.parametrize(
    ("method", "specs"),
    [
        (
            Baselines(learners=("knn", "genetic-programming")),
            [*SPECS, DataSpec(function="fn_i", length=20)],
        ),
        (Baselines(learners=("xgboost",), grids="published"), SPECS),
        (Enumeration(), [*SPECS, replace(SPECS[0], trial=2)]),
        (InContext(engine=ScriptedEngine(lambda _: "1"), shots=(4, 8, 4)), SPECS),
        (InContext(engine=ScriptedEngine(lambda _: "1")), SPECS),
        (Training(settings=TrainingSettings(n_layer=1)), [*ALIKE, SPECS[1]]),
    ],
)
def test_the_jobs_of_a_run_are_those_that_its_method_plans(method, specs):
    settings = json.loads(json.dumps(plain(method)))
    planned = planned_jobs(known(method.name, settings, specs), Path())
    assert list(planned) == [job.key for job in method.jobs(list(specs))]


def test_the_jobs_of_an_own_task_are_known_without_its_file(tmp_path):
    own = DataSpec(function="mine", length=11, task_file=Path("gone.py"))
    with running(tmp_path / "run", known(specs=[own])):
        (key,) = planned_jobs(read_fingerprint(tmp_path / "run"), tmp_path)
    assert key == JobKey("mine", 11, 42)


def test_the_runs_of_a_sweep_come_in_their_order_and_may_fail(tmp_path):
    runs = {}
    for name in ("10", "0", "2", "other"):
        runs[name] = Running(tmp_path / name, known(specs=SPECS[:1]))
        runs[name].close()
    place = Watch(tmp_path)
    states = place.states()
    assert [state.folder.name for state in states] == ["0", "2", "10", "other"]
    for name in ("0", "2"):
        (tmp_path / name / "job.json").write_text(json.dumps({"arguments": [], "status": 2}))
    assert [state.ended for state in place.states()] == [True, True, False, False]
    for name in ("10", "other"):
        with running(tmp_path / name, known(specs=SPECS[:1])) as run:
            run.finish(PARITY, 1.0)
        run.close()
    states = place.states()
    assert [state.status for state in states] == [2, 2, None, None]
    assert not place.ended(states, LATER + 1)  # the next one may be about to begin
    assert place.ended(states, LATER + 60)


def test_folders_that_vanish_or_are_no_runs(tmp_path):
    run = begun(tmp_path / "run")
    run.close()
    place = Watch(tmp_path)
    assert len(place.states()) == 1
    for path in (tmp_path / "run").glob("*.*"):
        path.unlink()
    assert place.states() == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is no folder; name the folder of a run"):
        Watch(tmp_path / "file").states()


def test_what_cannot_be_read_is_named(tmp_path):
    begun(tmp_path / "run").close()
    path = tmp_path / "run" / "attempts.jsonl"
    path.unlink()
    os.mkfifo(path)  # reading it would wait for ever
    with pytest.raises(InputError, match=r"Cannot read .*attempts\.jsonl: not a file"):
        Watch(tmp_path / "run").states()
    path.unlink()
    settings = tmp_path / "run" / "settings.json"
    settings.write_text(settings.read_text().replace("fn_a", "fn_b"))
    with pytest.raises(InputError, match="has changed since it was written"):
        Watch(tmp_path / "run").states()
