"""A folder says what compares: exactness, candidates and seconds to the first exact program."""

import json
import shutil
from dataclasses import replace

import pytest

from llm_erm.errors import InputError
from llm_erm.facts import EnumerationFacts, IncontextFacts
from llm_erm.records import Verdict
from llm_erm.reports.results import Entry, entries_in, read_results
from llm_erm.serial import to_plain
from run_folders import plain_lines, reseal


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_a_run_wrote_is_read_as_it_was(search):
    found = read_results(search)
    assert [to_plain(result) for result in found] == plain_lines(search / "results.jsonl")
    assert sorted(result.data.trial for result in found) == [1, 2]
    assert {(result.model, result.examples) for result in found} == {("scripted:search.json", 40)}


def test_the_first_exact_candidate_is_the_selected_one_and_its_time_what_came_before(search):
    attempts = [line["attempt"] for line in lines(search / "attempts.jsonl")]
    seconds = {}
    for line in lines(search / "attempts.jsonl"):
        trial = line["job"]["trial"]
        seconds[trial] = seconds.get(trial, 0) + line["attempt"]["validation"]["cpu_seconds"]
    assert len(attempts) == 4
    for entry in entries_in([search]):
        assert (entry.accuracy, entry.test_examples) == (1.0, 40)
        assert (entry.method, entry.point) == ("synthesis scripted:search.json", ("fn_a", 20))
        assert entry.candidates == 2
        assert entry.seconds_to_exact == pytest.approx(seconds[entry.result.data.trial])
        assert entry.seconds_to_exact > 0


def test_what_is_not_exact_has_no_first_exact_candidate(guess, deceived):
    for entry in entries_in([guess]):
        assert (entry.accuracy, entry.contrast_accuracy) == (0.5, None)
        assert not entry.result.exact
        assert entry.result.candidates_to_selected == 1
        assert entry.candidates is entry.seconds_to_exact is None
    (entry,) = entries_in([deceived])
    assert entry.accuracy == 1.0
    assert entry.contrast_accuracy < 1
    assert not entry.result.exact
    assert entry.candidates is entry.seconds_to_exact is None


def test_a_sample_of_the_test_data_never_shows_that_something_is_exact(exact):
    facts = IncontextFacts(10, (0.9, 1.0), 1.0, (0.9, 1.0), True, 10, None, None, None, None)
    asked = replace(exact, method="incontext", model="m", facts=facts)
    assert Entry(asked).accuracy == 1.0
    assert not asked.exact


def test_a_program_that_failed_on_the_test_data_has_all_of_them_wrong(exact):
    failed = replace(exact, test=Verdict("timeout", 0, 200, 200, "too slow"))
    entry = Entry(failed)
    assert (entry.accuracy, failed.exact) == (0.0, False)
    contrast = replace(exact, contrast=Verdict("timeout", 0, 200, 200, "too slow"))
    assert Entry(contrast).contrast_accuracy is None


def test_a_learner_is_named_once_and_bits_are_those_of_an_enumeration(exact):
    learner = replace(exact, method="baseline:knn", model="knn")
    assert Entry(learner).method == "baseline:knn"
    assert Entry(exact).bits is None
    facts = EnumerationFacts("bits", 0, 9, 9, "found", (), "enumeration", 13.0, (), 0.1, 10**6)
    assert Entry(replace(exact, method="enumeration", facts=facts)).bits == 13.0


def test_a_run_that_lacks_results_is_marked(search, tmp_path):
    assert {entry.unfinished for entry in entries_in([search])} == {""}
    shutil.copytree(search, tmp_path / "run")
    path = tmp_path / "run/results.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    (entry,) = entries_in([tmp_path])
    assert entry.unfinished == f"{tmp_path}/run holds 1 of 2 results"


def test_runs_in_folders_below_are_read(search, guess, tmp_path):
    shutil.copytree(search, tmp_path / "all/a")
    shutil.copytree(guess, tmp_path / "all/b/c")
    found = read_results(tmp_path / "all")
    assert found == read_results(search) + read_results(guess)


@pytest.mark.parametrize(
    ("field", "value"), [("data", None), ("examples", None), ("facts", {}), ("seconds", "long")]
)
def test_a_damaged_result_is_named_with_its_line(search, tmp_path, field, value):
    shutil.copytree(search, tmp_path / "run")
    path = tmp_path / "run/results.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(first + "\n" + json.dumps(json.loads(second) | {field: value}) + "\n")
    with pytest.raises(InputError, match=r"results.jsonl, line 2: damaged, edited or of another"):
        read_results(tmp_path)
    reseal(path, lambda line: line.update({field: value}))
    with pytest.raises(InputError, match=rf"results.jsonl, line 1 \(.*{field}"):
        read_results(tmp_path)


def test_a_result_that_is_there_twice_counts_once(search, tmp_path):
    shutil.copytree(search, tmp_path / "run")
    with (tmp_path / "run/results.jsonl").open("a") as file:
        file.write((search / "results.jsonl").read_text())
    assert read_results(tmp_path) == read_results(search)


@pytest.mark.parametrize("change", ["edited", "unsealed", "missing"])
def test_results_without_the_settings_that_they_were_written_with_are_refused(
    search, tmp_path, change
):
    shutil.copytree(search, tmp_path / "run")
    path = tmp_path / "run/settings.json"
    text = path.read_text()
    if change == "edited":
        path.write_text(text.replace('"length": 20', '"length": 21'))
        said = "has changed since it was written, so nothing in its folder can be checked"
    elif change == "unsealed":
        settings = json.loads(text)
        del settings["sha256"]
        path.write_text(json.dumps(settings))
        said = "was written by llm-erm 0.2.0 or earlier, whose runs have no checksums"
    else:
        path.unlink()
        said = "Cannot read .*: No such file"
    with pytest.raises(InputError, match=said):
        read_results(tmp_path)


def test_a_line_without_its_end_was_never_written(search, tmp_path):
    text = (search / "results.jsonl").read_text()
    shutil.copytree(search, tmp_path / "run")
    (tmp_path / "run/results.jsonl").write_text(text[:-5])
    assert read_results(tmp_path) == read_results(search)[:1]


def test_a_result_without_test_data_is_refused(search, tmp_path):
    shutil.copytree(search, tmp_path / "run")
    reseal(tmp_path / "run/results.jsonl", lambda line: line.update(test=None, mistakes={}))
    with pytest.raises(InputError, match="no test verdict, so it cannot be compared"):
        entries_in([tmp_path])


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        read_results(tmp_path)
