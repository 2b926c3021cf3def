"""What came of the parts of a replication is kept in its folder, and `watch` follows it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from llm_erm.reports.published import Point
from llm_erm.reports.replicated import PartRecord, Replicated, Terms, read_replication
from llm_erm.reports.replication import Measured
from llm_erm.reports.watched import Watch
from made_runs import LATER, PARITY, SPECS, known, running

TERMS = Terms(quick=False, seed=42, tests=100, trials=1)
POINT = Point("table1", "fn_a", 20, 80, 20)
MEASURED = Measured(POINT, "search", "enumeration", "enumeration", 0.99, 0.95, 1.0, 100)


def record(kept: Replicated, folder: str, **other) -> PartRecord:
    digest = kept.digest(folder)
    one = PartRecord(folder, kept.terms, (POINT,), "search", "enumeration", (MEASURED,))
    return replace(one, results_sha256=digest, **other)


def results(root: Path, folder: str, text: str) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "results.jsonl").write_text(text)


def test_what_is_kept_is_read_back(tmp_path):
    results(tmp_path, "a", "1")
    kept = Replicated(tmp_path, TERMS, [tmp_path / "a", tmp_path / "b"])
    kept.keep(one := record(kept, "a"))
    assert read_replication(tmp_path).due == ("b",)
    again = Replicated(tmp_path, TERMS, [])
    assert again.parts() == [one]
    assert one.missing is None
    other = replace(POINT, tested=50)
    lacking = replace(one, points=(POINT, other), reason="it was stopped")
    assert lacking.missing.points == {other}


def test_results_that_changed_or_were_deleted_have_no_figures(tmp_path):
    for name in ("a", "b", "c"):
        results(tmp_path, name, "1")
    kept = Replicated(tmp_path, TERMS, [])
    for name in ("a", "b", "c"):
        kept.keep(record(kept, name))
    results(tmp_path, "b", "other")
    (tmp_path / "c/results.jsonl").unlink()
    assert [one.folder for one in kept.parts()] == ["a"]
    results(tmp_path, "b", "1")
    assert [one.folder for one in kept.parts()] == ["a", "b"]


def test_of_a_folder_the_parts_of_this_call_come_before_those_of_others(tmp_path):
    results(tmp_path, "a", "1")
    first = Replicated(tmp_path, TERMS, [])
    first.keep(record(first, "a"))
    other = Replicated(tmp_path, replace(TERMS, seed=7), [])
    other.keep(record(other, "a", measured=(), reason="other settings"))
    assert [one.reason for one in other.parts()] == ["other settings"]
    assert [one.reason for one in Replicated(tmp_path, TERMS, []).parts()] == [""]


@pytest.mark.parametrize("text", ["", "{", '{"parts": 3}'])
def test_a_damaged_file_is_told_of_and_set_aside(tmp_path, text):
    results(tmp_path, "a", "1")
    (tmp_path / "replicate.json").write_text(text)
    assert read_replication(tmp_path).due == ()
    kept = Replicated(tmp_path, TERMS, [])
    assert kept.parts() == []
    assert "replicate.json was damaged, or another version wrote it (" in kept.notice
    assert (tmp_path / "replicate.json.damaged").read_text() == text
    assert kept.unknown() == ["a"]
    kept.keep(record(kept, "a"))
    assert kept.unknown() == []
    assert Replicated(tmp_path, TERMS, []).notice == ""


@pytest.mark.parametrize(
    ("edited", "fault"),
    [
        ({"folder": "/etc"}, "'/etc' is no folder of a part"),
        ({"folder": "../a"}, "is no folder of a part"),
        ({"folder": "a/../../b"}, "is no folder of a part"),
        ({"folder": "a\0"}, "is no folder of a part"),
        ({"folder": "a" * 5000}, "is no folder of a part"),
        ({"points": [{**asdict(POINT), "experiment": "nope"}]}, "no published experiment 'nope'"),
        ({"measured": [{**asdict(MEASURED), "accuracy": 7}]}, "7.0 from 0.95 to 1.0 is no acc"),
        ({"measured": [{**asdict(MEASURED), "low": 1, "high": 0.5}]}, "is no accuracy with its"),
        ({"measured": [{**asdict(MEASURED), "test_examples": -3}]}, "test_examples is -3"),
        ({"measured": [{**asdict(MEASURED), "trials": 0}]}, "trials is 0"),
        ({"terms": {**asdict(TERMS), "tests": -3}}, "tests is -3"),
        ({"points": 3}, "points"),
    ],
)
def test_a_part_that_no_call_has_is_left_out_and_the_others_stay(tmp_path, edited, fault):
    for name in ("a", "b"):
        results(tmp_path, name, "1")
    kept = Replicated(tmp_path, TERMS, [])
    for name in ("a", "b"):
        kept.keep(record(kept, name))
    path = tmp_path / "replicate.json"
    file = json.loads(path.read_text())
    file["parts"][0] |= edited
    path.write_text(json.dumps(file))
    assert [one.folder for one in read_replication(tmp_path).parts] == ["b"]
    again = Replicated(tmp_path, TERMS, [])
    assert fault in again.notice
    assert ([one.folder for one in again.parts()], again.unknown()) == (["b"], ["a"])


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a\0b", "a" * 5000, "\ud800"])
def test_what_is_due_is_within_the_folder(tmp_path, name):
    (tmp_path / "replicate.json").write_text(json.dumps({"due": [name, "a"], "parts": []}))
    place = Watch(tmp_path)
    place.states()
    assert place.due == (tmp_path / "a",)
    assert "what is due is no folder of a part" in Replicated(tmp_path, TERMS, []).notice


def finished(folder: Path) -> None:
    with running(folder, known(specs=SPECS[:1])) as run:
        run.finish(PARITY, 1.0)
    run.close()


def test_a_replication_ends_with_its_last_part_however_long_the_next_takes_to_begin(tmp_path):
    one, two = tmp_path / "table1/svm/L20", tmp_path / "table1/xgboost/L20"
    place = Watch(tmp_path)
    assert not place.ended(place.states(), LATER)
    kept = Replicated(tmp_path, TERMS, [one, two])
    assert not place.ended(place.states(), LATER)
    assert place.due == (one, two)
    finished(one)
    kept.keep(record(kept, kept.name(one)))
    states = place.states()
    assert [state.ended for state in states] == [True]
    assert place.due == (two,)
    assert not place.ended(states, LATER + 3600)
    finished(two)
    assert not place.ended(place.states(), LATER + 3600)  # its figures are to come
    kept.keep(record(kept, kept.name(two)))
    assert place.ended(place.states(), LATER)


def test_a_part_that_ended_without_all_results_is_not_waited_for(tmp_path):
    one = tmp_path / "table1/search/L20"
    kept = Replicated(tmp_path, TERMS, [one])
    with running(one, known(specs=SPECS)) as run:
        run.finish(PARITY, 1.0)
    run.close()
    place = Watch(tmp_path)
    assert not place.ended(place.states(), LATER)
    kept.keep(record(kept, kept.name(one), reason="unfinished: the budget is spent"))
    (state,) = place.states()
    assert (state.lacks, state.ended) == ("unfinished: the budget is spent", True)
    assert place.ended([state], LATER)
    Replicated(tmp_path, TERMS, [one])  # the same command goes on
    (state,) = place.states()
    assert (state.lacks, state.ended) == ("", False)


def test_a_replication_of_which_nothing_could_be_run_is_over(tmp_path):
    Replicated(tmp_path, TERMS, [])
    place = Watch(tmp_path)
    assert place.ended(place.states(), LATER)


def test_runs_beside_a_replication_have_their_own_end(tmp_path):
    (tmp_path / "replicate").mkdir()
    kept = Replicated(tmp_path / "replicate", TERMS, [])
    finished(tmp_path / "replicate/table1/svm/L20")
    finished(tmp_path / "sweep/0")
    place = Watch(tmp_path)
    assert kept.parts() == []
    assert not place.ended(place.states(), LATER + 1)  # the next job may be about to begin
    assert place.ended(place.states(), LATER + 60)
