"""`llm-erm tasks --draw`, from flags to files that other commands take."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("prepared")

DRAW = ("tasks", "--draw", 3, "--bits", "13:15", "--seed", 7, "--length", 12)


def test_drawn_tasks_are_listed_and_written(invoke, tmp_path):
    done = invoke(*DRAW)
    assert done.returncode == 0, done.stderr
    heading, *rows = done.stdout.splitlines()
    assert heading.split("\t") == ["task", "bits", "label 1", "label 1 when"]
    assert [row.split("\t")[1] for row in rows] == ["13", "14", "15"]
    files = {path.stem for path in (tmp_path / "drawn-tasks").iterdir()}
    assert files == {row.split("\t")[0] for row in rows}
    assert "llm-erm enumerate --task-file drawn-tasks/drawn_b13_l12_s7_1.py" in done.stderr


def test_the_same_command_writes_the_same_and_json_says_where(invoke, tmp_path):
    first = invoke(*DRAW, "--out-dir", "kept", "--json")
    again = invoke(*DRAW, "--out-dir", "kept", "--json")
    assert first.stdout == again.stdout
    rows = [json.loads(line) for line in first.stdout.splitlines()]
    for row in rows:
        assert (tmp_path / row["file"]).read_text().startswith('"""A random program of')
        assert row["checked_bits"] == row["bits"] - 1
        assert 0.1 <= row["share_of_label_1"] <= 0.9
        listed = invoke("tasks", "--task-file", row["file"], "--json").stdout.splitlines()[-1]
        for key in ("function", "kind", "lengths", "computes"):
            assert json.loads(listed)[key] == row[key]


def test_a_drawn_task_is_learned_like_any_other(invoke):
    invoke(*DRAW)
    sizes = ("--train-size", 200, "--val-size", 100, "--test-size", 200)
    file = "drawn-tasks/drawn_b14_l12_s7_1.py"
    done = invoke("enumerate", "--task-file", file, *sizes, "--max-bits", 16, "--json")
    assert done.returncode == 0, done.stderr
    (result,) = map(json.loads, done.stdout.splitlines())
    assert result["facts"]["bits"] == 14
    assert result["test"]["correct"] == 200


def test_lengths_without_a_task_are_told_beside_the_rest(invoke):
    done = invoke("tasks", "--draw", 2, "--bits", "9:10", "--length", 20, "--json")
    assert done.returncode == 0
    assert "No task of 9 bits exists at length 20." in done.stderr
    assert [json.loads(line)["bits"] for line in done.stdout.splitlines()] == [10, 10]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bits", "12:40"), "also give --draw and how many (--bits)."),
        (("--out-dir", "here"), "also give --draw and how many (--out-dir)."),
        (("--draw", 0), "The number of tasks is 0"),
        (("--draw", 1, "--bits", "12-40"), "'12-40'; give whole numbers of bits"),
        (("--draw", 1, "--bits", "12:"), "'12:'; give whole numbers of bits"),
        (("--draw", 1, "--bits", "40:12"), "The description lengths are 40:12"),
        (("--draw", 1, "--bits", 5), "No task of 5 bits exists at length 20."),
        (("--draw", 1, "--task-file", "x.py"), "(--draw or --task-file)."),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(invoke, tmp_path, arguments, said):
    done = invoke("tasks", *arguments)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_that_name_is_not_overwritten(invoke, tmp_path):
    invoke(*DRAW)
    path = tmp_path / "drawn-tasks" / "drawn_b14_l12_s7_1.py"
    path.write_text("mine = 1\n")
    done = invoke(*DRAW)
    assert done.returncode == 2
    assert "holds another task" in done.stderr
    assert path.read_text() == "mine = 1\n"


def test_listing_tasks_loads_no_search():
    code = (
        "import sys\n"
        "from llm_erm.cli.tasks import Options, tasks\n"
        "tasks(Options())\n"
        "assert not {'numba', 'llm_erm.enumeration'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
