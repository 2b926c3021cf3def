"""`llm-erm compare` and `llm-erm figure` from runs to tables and pictures."""

import json

import pytest

from api_server import Reply, serving

SMALL = ("--functions", "fn_a", "--lengths", 20, "--test-size", 200)
SIZES = ("--train-size", 20, "--val-size", 20)
RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})


@pytest.fixture
def runs(command, tmp_path):
    """A search that is exact at its second candidate, and a tree, on the same data."""
    (tmp_path / "answers.json").write_text(json.dumps([WRONG, RIGHT]))
    for arguments in (
        ("synthesize", "--provider", "scripted", "--answers", "answers.json", "--out-dir", "llm"),
        (
            "baselines",
            "--learners",
            "decision-tree",
            "knn",
            "--workers",
            1,
            "--out-dir",
            "classical",
        ),
    ):
        done = command(*arguments, *SMALL, *SIZES)
        assert done.returncode == 0, done.stderr
    return tmp_path / "llm", tmp_path / "classical"


def test_methods_compare_in_a_table_a_sentence_and_a_picture(command, runs, tmp_path):
    done = command("compare", *runs, "--plot", "out/c.png")
    assert done.returncode == 0, done.stderr
    assert "fn_a L=20: most accurate: synthesis scripted" in done.stdout
    assert (tmp_path / "out/c.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in command("compare", *runs, "--json").stdout.splitlines()]
    assert rows[0]["method"].startswith("synthesis ")
    others = {row["method"].split()[0] for row in rows[1:]}
    assert others == {"baseline:decision-tree", "baseline:knn"}
    assert rows[0]["candidates_to_first_exact"] == 2
    assert rows[0]["seconds_to_first_exact"] is not None
    assert rows[0]["test_accuracy"] == 1.0
    assert len({row["data_sha256"][0] for row in rows}) == 1
    other = command(
        *("baselines", *SMALL, *SIZES, "--seed", 7, "--learners", "knn", "--workers", 1),
        *("--out-dir", "o"),
    )
    assert other.returncode == 0, other.stderr
    refused = command("compare", runs[0], "o")
    assert refused.returncode == 2
    assert "share no data of fn_a L=20" in refused.stderr


def test_in_context_answers_compare_with_a_search_and_say_that_they_are_a_sample(command, tmp_path):
    choice = {"message": {"content": '{"label": "1"}'}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 6}
    with serving(lambda call: Reply({"choices": [choice], "usage": usage})) as api:
        asked = command(
            *("incontext", "--base-url", f"{api.url}/v1", "--model", "m", "--functions", "fn_a"),
            *("--lengths", 20, "--train-size", 40, "--shots", 10, 40, "--test-size", 20),
            *("--test-split-size", 200, "--out-dir", "asked"),
        )
    assert asked.returncode == 0, asked.stderr
    searched = command("enumerate", *SMALL, *SIZES, "--max-seconds", 5, "--out-dir", "searched")
    assert searched.returncode == 0, searched.stderr
    rows = [
        json.loads(line)
        for line in command("compare", "asked", "searched", "--json").stdout.splitlines()
    ]
    assert [(row["method"], row["test_examples"]) for row in rows[:2]] == [
        ("incontext server:m, 10 examples", 20),
        ("incontext server:m, 40 examples", 20),
    ]
    assert (rows[2]["method"].split()[0], rows[2]["test_examples"]) == ("enumeration", 200)
    assert [row["test_accuracy"] for row in rows] == [0.5, 0.5, 1.0]
    assert [row["cost_usd"] for row in rows] == [None, None, 0.0]
    assert rows[0]["interval"] == pytest.approx([0.2720, 0.7280], abs=1e-4)  # of 10 in 20
    said = command("compare", "asked", "searched").stdout
    assert "incontext server:m, 40 examples was asked about 20 of the 200 test examples" in said


def test_one_command_makes_the_cheap_runs_and_draws_them_with_the_guarantee(
    command, runs, tmp_path
):
    done = command(
        *("figure", runs[0], *SMALL, "--sizes", 12, 40, "--make", "baselines"),
        *("--learners", "decision-tree", "--out-dir", "made", "--plot", "f.svg"),
    )
    assert done.returncode == 0, done.stderr
    assert "12: " in done.stdout
    assert "bits, program text" in done.stdout
    assert "<svg" in (tmp_path / "f.svg").read_text()
    assert (tmp_path / "made/baselines-40/results.jsonl").exists()
    drawn = command("figure", runs[0], "made", "--plot", "g.svg", "--json", "--bits", 13)
    curves = [json.loads(line) for line in drawn.stdout.splitlines()]
    assert {curve["method"].split()[0]: curve["examples"] for curve in curves} == {
        "baseline:decision-tree": [12, 40],
        "synthesis": [40],
    }


def test_the_figure_makes_the_searches_too(command, tmp_path):
    done = command(
        *("figure", "--functions", "fn_a", "fn_g", "--lengths", 20, "--test-size", 200),
        *("--sizes", 40, "--make", "enumerate", "--out-dir", "made", "--plot", "f.svg", "--json"),
    )
    assert done.returncode == 0, done.stderr
    curves = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(c["function"], c["method"].split()[0], c["accuracy"]) for c in curves] == [
        ("fn_a", "enumeration", [1.0]),
        ("fn_g", "enumeration", [1.0]),
    ]
    assert "guarantee (dashed): 10 bits" in (tmp_path / "f.svg").read_text()
    one = command("figure", "made/enumerate-40", "--functions", "fn_g", "--plot", "g.svg", "--json")
    assert [json.loads(line)["function"] for line in one.stdout.splitlines()] == ["fn_g"]
    none = command("figure", "made/enumerate-40", "--lengths", 30, "--plot", "g.svg")
    assert none.returncode == 2
    assert "--lengths" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare",), "No runs"),
        (("compare", "nowhere"), "nowhere holds no results"),
        (("compare", "nowhere", "--plot", "c.txt"), ".png"),
        (("figure",), "--make"),
        (("figure", "--make", "baselines", "--sizes", 7), "--sizes"),
        (("figure", "nowhere", "--bits", "nan"), "--bits"),
    ],
)
def test_a_wrong_turn_is_one_sentence_and_exit_2(command, arguments, said):
    done = command(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
