"""`llm-erm enumerate` from flags to files."""

import json
import re

import pytest

pytestmark = pytest.mark.usefixtures("prepared")

SMALL = ("--train-size", 60, "--val-size", 60, "--test-size", 200)
FACTS = {
    *("bits", "considered", "kept", "levels", "tied", "stopped_by", "found_by"),
    *("peak_memory_bytes", "cpu_seconds"),
}


VERDICTS = ("train", "validation", "test", "length_generalization")
COUNTS = ("status", "correct", "invalid", "total")


def test_json_prints_one_object_per_data_set(invoke):
    done = invoke(
        *("enumerate", "--functions", "fn_a", "fn_i", "--lengths", 12, 20, "--json", *SMALL)
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["data"]["function"], r["data"]["length"]) for r in results] == [
        *(("fn_a", 12), ("fn_a", 20), ("fn_i", 12), ("fn_i", 20))
    ]
    assert all(result["facts"].keys() >= FACTS for result in results)
    assert all(result["test"]["accuracy"] == 1.0 for result in results)
    assert all(result["candidates_to_selected"] > 0 for result in results)
    assert all(result["seconds_to_selected"] > 0 for result in results)
    assert "bits:" in done.stderr
    assert "programs considered" in done.stderr
    facts = results[0]["facts"]
    assert sum(level["considered"] for level in facts["levels"]) <= facts["considered"]


def test_another_process_with_other_hashes_of_texts_finds_the_same(command):
    """Each process has its own seed of hashes, which order sets."""
    arguments = ("enumerate", "--functions", "fn_a", "--lengths", 20, *SMALL, "--json")
    one, other = (
        re.sub(r'"(\w*seconds\w*|peak_memory_bytes)": [\d.e-]+', r'"\1": 0', done.stdout)
        for done in (command(*arguments, "--out-dir", out) for out in ("a", "b"))
    )
    assert json.loads(one)["program"]
    assert one == other


def test_results_and_programs_are_in_the_folder_and_not_made_twice(invoke, tmp_path):
    arguments = (
        *("enumerate", "--functions", "fn_g", "--lengths", 20, "--out-dir", "out"),
        *SMALL,
    )
    first = invoke(*arguments)
    assert first.returncode == 0, first.stderr
    assert "x == x[::-1]" in first.stdout
    assert "Tied on training and validation data: " in first.stderr
    (program,) = (tmp_path / "out/programs").iterdir()
    assert "language model" not in program.read_text()
    (line,) = (tmp_path / "out/results.jsonl").read_text().splitlines()
    result = json.loads(line)
    assert result["method"] == "enumeration"
    journal = (tmp_path / "out/attempts.jsonl").read_text()
    assert [json.loads(line)["attempt"]["index"] for line in journal.splitlines()] == list(
        range(1, result["attempts"] + 1)
    )
    again = invoke(*arguments)
    assert again.stdout == first.stdout
    assert "programs considered, " in first.stderr, "level by level"
    assert "programs considered, " not in again.stderr


def test_an_interrupted_search_starts_again_and_journals_no_attempt_twice(invoke, tmp_path):
    arguments = (
        *("enumerate", "--functions", "fn_l", "--lengths", 20, "--max-programs", 500),
        *("--out-dir", "out", "--json", *SMALL),
    )
    whole = json.loads(invoke(*arguments).stdout)
    (tmp_path / "out/results.jsonl").write_text("")
    journal = tmp_path / "out/attempts.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:5]) + '{"cut')
    again = json.loads(invoke(*arguments).stdout)
    timed = {"seconds": 0, "cost": 0, "facts": 0, **dict.fromkeys(VERDICTS)}
    assert again | timed == whole | timed
    for name in VERDICTS:
        assert [again[name][key] for key in COUNTS] == [whole[name][key] for key in COUNTS]
    indices = [json.loads(line)["attempt"]["index"] for line in journal.read_text().splitlines()]
    assert indices == list(range(1, whole["attempts"] + 1))
    assert journal.read_text().startswith("".join(lines[:5]))


def test_a_program_that_fails_the_contrast_set_is_not_called_exact(invoke):
    """By elimination comes the parity that all near-palindromes of even length have."""
    arguments = ("enumerate", "--functions", "fn_g", "--lengths", 20, "--max-programs", 1, *SMALL)
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    assert "75.0%" in done.stdout
    assert "but not exact; found by elimination after 1 program and" in done.stderr
    assert "exact at this length" not in done.stdout
    assert "not exact: " in " ".join(done.stdout.split())


def test_a_search_that_stops_at_a_limit_says_which_and_gives_the_best(invoke):
    done = invoke(
        *("enumerate", "--functions", "fn_l", "--lengths", 20, "--max-programs", 500, *SMALL)
    )
    assert done.returncode == 0, done.stderr
    assert "the search reached its limit of programs" in done.stderr
    assert "nothing exact; best:" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-seconds", 0), "--max-seconds"),
        (("--max-memory-mb", 100), "(--max-memory-mb)"),
        (("--max-bits", 0), "(--max-bits)"),
        (("--attempts", 0), "--attempts"),
        (("--max-programs", 0), "--max-programs"),
        (("--search", "prior"), "--prior-from"),
        (
            ("--search", "prior", "--prior-from", "nowhere"),
            "nowhere is not there; name the folder of a run",
        ),
        (("--val-size", 0), "--val-size"),
    ],
)
def test_flags_that_cannot_work_are_one_sentence(invoke, flags, said):
    done = invoke("enumerate", "--functions", "fn_a", "--lengths", 20, *SMALL, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_proposals_of_a_model_can_order_the_search(invoke, tmp_path):
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([" x == x[::-1]\n", " '11' in x\n", " x.count('1') % 2\n"]))
    proposed = invoke(
        *("synthesize", "--functions", "fn_l", "--lengths", 20, "--attempts", 3, *SMALL),
        *("--provider", "scripted", "--answers", answers, "--constraint", "grammar"),
        *("--out-dir", "proposed"),
    )
    assert proposed.returncode == 0, proposed.stderr
    done = invoke(
        *("enumerate", "--search", "prior", "--prior-from", "proposed", "--functions", "fn_a"),
        *("--lengths", 20, "--json", *SMALL),
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 3 proposals" in done.stderr
    assert json.loads(done.stdout)["test"]["accuracy"] == 1.0


def test_a_comparison_says_what_each_method_took(invoke, tmp_path):
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(["no idea", '{"code": "def f(x):\\n    return x == x[::-1]"}']))
    task = ("--functions", "fn_g", "--lengths", 20, *SMALL)
    proposed = invoke(
        *("synthesize", *task, "--attempts", 2, "--out-dir", "proposed"),
        *("--provider", "scripted", "--answers", answers),
    )
    assert proposed.returncode == 0, proposed.stderr
    assert invoke("enumerate", *task, "--out-dir", "enumerated").returncode == 0
    done = invoke("compare", "proposed", "enumerated", "--json")
    rows = {row["method"]: row for row in map(json.loads, done.stdout.splitlines())}
    (model,) = (row for method, row in rows.items() if "scripted" in method)
    (search,) = (row for method, row in rows.items() if "enumeration" in method)
    assert model["candidates_to_first_exact"] == 2
    assert 5 < search["candidates_to_first_exact"] < 100
    assert search["seconds_to_first_exact"] > 0
