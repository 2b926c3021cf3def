"""A folder says what compares: exactness, candidates and seconds to the first exact program."""

import json

import pytest

from llm_erm.errors import InputError
from llm_erm.reports.results import read_results

LINE = {
    "method": "synthesis",
    "model": "local:tiny",
    "function": "fn_a",
    "length": 20,
    "seed": 42,
    "trial": 1,
    "data_sha256": "abc",
    "examples": 200,
    "test_accuracy": 1.0,
    "test_examples": 1000,
    "probe_accuracy": None,
    "certificate": None,
    "seconds": 9.0,
    "cost_usd": 0.0,
    "program": "def f(x):\n    return 1",
}


def write(folder, lines, attempts=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("results", lines), ("attempts", attempts)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def attempt(index, source, seconds, seed=42):
    return {
        "function": "fn_a",
        "length": 20,
        "seed": seed,
        "index": index,
        "candidate": {"source": source, "completion": {"latency_seconds": seconds}},
        "validation": {"cpu_seconds": 0.5},
    }


def test_the_first_exact_candidate_is_the_first_with_the_program_that_proved_exact(tmp_path):
    other = "def f(x):\n    return 0"
    attempts = [
        attempt(1, LINE["program"], 50.0, seed=1),  # of another trial
        attempt(1, other, 2.0),
        attempt(2, None, 2.0),  # drawn together with the first
        attempt(3, LINE["program"], 3.0),
        attempt(4, LINE["program"], 4.0),
    ]
    (result,) = read_results(write(tmp_path, [LINE], attempts))
    assert result.candidates == 3
    assert result.seconds_to_exact == 2.0 + 3.0 + 3 * 0.5


@pytest.mark.parametrize("change", [{"test_accuracy": 0.999}, {"probe_accuracy": 0.9}])
def test_what_is_not_exact_has_no_first_exact_candidate(tmp_path, change):
    run = write(tmp_path, [LINE | change], [attempt(1, LINE["program"], 1.0)])
    (result,) = read_results(run)
    assert not result.exact
    assert result.candidates is result.seconds_to_exact is None


def test_a_sample_of_the_test_data_never_shows_that_something_is_exact(tmp_path):
    (result,) = read_results(write(tmp_path, [LINE | {"method": "incontext", "program": None}]))
    assert result.accuracy == 1.0
    assert not result.exact


def test_a_method_that_counts_for_itself_is_believed(tmp_path):
    line = LINE | {"candidates_to_first_exact": 1_000_000, "seconds_to_first_exact": 0.25}
    (result,) = read_results(write(tmp_path, [line]))
    assert (result.candidates, result.seconds_to_exact) == (1_000_000, 0.25)


def test_runs_in_folders_below_and_single_results_are_read(tmp_path):
    write(tmp_path / "a", [LINE, LINE | {"seed": 1, "data_sha256": "d"}])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "result.json").write_text(json.dumps(LINE | {"method": "training"}))
    found = read_results(tmp_path)
    assert [result.method for result in found] == [
        *("synthesis local:tiny", "synthesis local:tiny", "training local:tiny")
    ]


@pytest.mark.parametrize(
    "change", [{"data_sha256": ""}, {"examples": None}, {"test_examples": None}]
)
def test_a_result_that_does_not_say_its_data_is_refused(tmp_path, change):
    with pytest.raises(InputError, match="which data"):
        read_results(write(tmp_path, [LINE | change]))
    with pytest.raises(InputError, match="lacks"):
        read_results(write(tmp_path, [{"function": "fn_a"}]))


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        read_results(tmp_path)
