"""`llm-erm compare` and `llm-erm figure` from runs to tables and pictures."""

import json

import pytest

from api_server import Reply, serving

SMALL = ("--functions", "fn_a", "--lengths", 20, "--test-size", 40)
SIZES = ("--train-size", 20, "--val-size", 20)
RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})


@pytest.fixture
def searches(invoke, tmp_path):
    """A search that is exact at its second candidate, and one that guesses, on the same data."""
    for name, answers in (("llm", [WRONG, RIGHT]), ("guess", [WRONG])):
        (tmp_path / f"{name}.json").write_text(json.dumps(answers))
        done = invoke(
            *("synthesize", "--answers", f"{name}.json", "--out-dir", name, *SMALL, *SIZES)
        )
        assert done.returncode == 0, done.stderr
    return tmp_path / "llm", tmp_path / "guess"


def test_searches_compare_in_a_table_a_sentence_and_a_picture(invoke, searches, tmp_path):
    files = ("--plot", "out/c.png", "--plot-width", 3.4, "--table", "out/t.csv")
    done = invoke("compare", *searches, *files)
    assert done.returncode == 0, done.stderr
    assert "Table: out/t.csv" in done.stderr
    heading, right, wrong = (tmp_path / "out/t.csv").read_text().splitlines()
    assert heading.startswith("function,length,method,finished,trials,test_accuracy,")
    assert right.startswith("fn_a,20,synthesis scripted:llm.json,True,1,1.0,40,")
    assert wrong.startswith("fn_a,20,synthesis scripted:guess.json,True,1,0.5,40,")
    assert (
        "fn_a L=20: the most accurate method is synthesis scripted:llm.json (100.0%)."
        in done.stderr
    )
    assert "Picture: out/c.png" in done.stderr
    picture = (tmp_path / "out/c.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == 680  # pixels, 200 per inch
    right, wrong = map(json.loads, invoke("compare", *searches, "--json").stdout.splitlines())
    assert (right["method"], wrong["method"]) == (
        *("synthesis scripted:llm.json", "synthesis scripted:guess.json"),
    )
    assert (right["test_accuracy"], wrong["test_accuracy"]) == (1.0, 0.5)
    assert (right["exact_trials"], wrong["exact_trials"]) == (1, 0)
    assert (right["candidates_to_first_exact"], wrong["candidates_to_first_exact"]) == (2, None)
    assert right["data_sha256"] == wrong["data_sha256"]
    assert right["interval"] == [pytest.approx(0.9119, abs=1e-4), 1.0]


def test_files_that_cannot_be_written_are_refused_before_anything_is_read(invoke):
    for flags, said in (
        (("--table", "t.html"), "--table"),
        (
            ("--plot", "c.png", "--plot-width", 100),
            "give 3 to 40, such as 3.4 for one of two columns",
        ),
        (("--plot-width", 5), "--plot-width is given without --plot"),
    ):
        done = invoke("compare", "nothing-there", *flags)
        assert done.returncode == 2
        assert said in done.stderr
        assert "nothing-there" not in done.stderr


def test_searches_are_drawn_with_the_guarantee(invoke, searches, tmp_path):
    drawn = invoke("figure", *searches, "--plot", "g.svg", "--json", "--bits", 13)
    assert drawn.returncode == 0, drawn.stderr
    curves = [json.loads(line) for line in drawn.stdout.splitlines()]
    assert [(one["method"], one["examples"], one["accuracy"]) for one in curves] == [
        ("synthesis scripted:guess.json", [40], [0.5]),
        ("synthesis scripted:llm.json", [40], [1.0]),
    ]
    assert "dashed bound: 13-bit program" in (tmp_path / "g.svg").read_text()
    assert "bits, program text" in invoke("figure", *searches, "--plot", "g.png").stdout


OWN = """
description = "more ones than zeros"
lengths = (11,)
kind = "binary"


def rule(x):
    return 2 * x.count("1") > len(x)


def sample(rng, length):
    return "".join(rng.choice(["0", "1"], length))
"""


def test_pictures_of_an_own_task_give_its_rule(invoke, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "llm.json").write_text(json.dumps([WRONG]))
    own = ("--task-file", "mine.py")
    asked = ("synthesize", "--answers", "llm.json", "--out-dir", "llm", *own, *SIZES)
    assert invoke(*asked, "--test-size", 40).returncode == 0
    for command in ("compare", "figure"):
        for flags, rule in ((own, "mine: more ones than"), ((), "mine (own task)")):
            done = invoke(command, "llm", "--plot", "p.svg", *flags)
            assert done.returncode == 0, done.stderr
            assert rule in (tmp_path / "p.svg").read_text()


def test_the_figure_makes_searches_with_the_model_too(invoke, tmp_path):
    done = invoke(
        *("figure", *SMALL, "--sizes", 40, "--make", "synthesize", "--attempts", 2),
        *("--out-dir", "made", "--plot", "f.svg", "--json"),
    )
    assert done.returncode == 0, done.stderr
    (curve,) = map(json.loads, done.stdout.splitlines())
    assert (curve["method"].split()[0], curve["examples"]) == ("synthesis", [40])
    assert (tmp_path / "made/synthesize-40/results.jsonl").exists()


@pytest.fixture
def runs(invoke, tmp_path):
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
        done = invoke(*arguments, *SMALL, *SIZES)
        assert done.returncode == 0, done.stderr
    return tmp_path / "llm", tmp_path / "classical"


def test_methods_compare_in_a_table_a_sentence_and_a_picture(invoke, runs, tmp_path):
    done = invoke("compare", *runs, "--plot", "out/c.png")
    assert done.returncode == 0, done.stderr
    assert "fn_a L=20: the most accurate method is synthesis scripted" in done.stderr
    assert (tmp_path / "out/c.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in invoke("compare", *runs, "--json").stdout.splitlines()]
    assert rows[0]["method"].startswith("synthesis ")
    others = {row["method"].split()[0] for row in rows[1:]}
    assert others == {"baseline:decision-tree", "baseline:knn"}
    assert rows[0]["candidates_to_first_exact"] == 2
    assert rows[0]["seconds_to_first_exact"] is not None
    assert rows[0]["test_accuracy"] == 1.0
    assert len({row["data_sha256"][0] for row in rows}) == 1
    other = invoke(
        *("baselines", *SMALL, *SIZES, "--seed", 7, "--learners", "knn", "--workers", 1),
        *("--out-dir", "o"),
    )
    assert other.returncode == 0, other.stderr
    refused = invoke("compare", runs[0], "o")
    assert refused.returncode == 2
    assert "share no data of fn_a L=20" in refused.stderr


def test_a_run_that_was_stopped_is_marked(invoke, runs):
    results = runs[1] / "results.jsonl"
    results.write_text(results.read_text().splitlines(keepends=True)[0])
    done = invoke("compare", *runs)
    assert done.returncode == 0, done.stderr
    assert "classical holds 1 of 2 results: it did not finish." in done.stderr
    assert "(run not finished)" in " ".join(done.stdout.split())
    rows = [json.loads(line) for line in invoke("compare", *runs, "--json").stdout.splitlines()]
    assert [row["finished"] for row in rows] == [True, False]


@pytest.mark.usefixtures("prepared")
def test_in_context_answers_compare_with_a_search_and_say_that_they_are_a_sample(invoke, tmp_path):
    choice = {"message": {"content": '{"label": "1"}'}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 6}
    with serving(lambda call: Reply({"choices": [choice], "usage": usage})) as api:
        asked = invoke(
            *("incontext", "--base-url", f"{api.url}/v1", "--model", "m", "--functions", "fn_a"),
            *("--lengths", 20, "--train-size", 40, "--shots", 10, 40, "--test-size", 20),
            *("--test-split-size", 40, "--out-dir", "asked"),
        )
    assert asked.returncode == 0, asked.stderr
    searched = invoke("enumerate", *SMALL, *SIZES, "--max-seconds", 5, "--out-dir", "searched")
    assert searched.returncode == 0, searched.stderr
    rows = [
        json.loads(line)
        for line in invoke("compare", "asked", "searched", "--json").stdout.splitlines()
    ]
    assert [(row["method"], row["test_examples"]) for row in rows[:2]] == [
        ("incontext server:m, 10 examples", 20),
        ("incontext server:m, 40 examples", 20),
    ]
    assert (rows[2]["method"].split()[0], rows[2]["test_examples"]) == ("enumeration", 40)
    assert [row["test_accuracy"] for row in rows] == [0.5, 0.5, 1.0]
    assert [row["cost_usd"] for row in rows] == [None, None, 0.0]
    assert rows[0]["interval"] == pytest.approx([0.2720, 0.7280], abs=1e-4)  # of 10 in 20
    said = invoke("compare", "asked", "searched").stderr
    assert "incontext server:m, 40 examples was asked about 20 of the 40 test examples" in said


def test_one_command_makes_the_cheap_runs_and_draws_them_with_the_guarantee(invoke, runs, tmp_path):
    done = invoke(
        *("figure", runs[0], *SMALL, "--sizes", 12, 40, "--make", "baselines"),
        *("--learners", "decision-tree", "--out-dir", "made", "--plot", "f.svg"),
    )
    assert done.returncode == 0, done.stderr
    assert "12: " in done.stdout
    assert "bits, program text" in done.stdout
    assert "<svg" in (tmp_path / "f.svg").read_text()
    assert (tmp_path / "made/baselines-40/results.jsonl").exists()
    drawn = invoke("figure", runs[0], "made", "--plot", "g.svg", "--json", "--bits", 13)
    curves = [json.loads(line) for line in drawn.stdout.splitlines()]
    assert {curve["method"].split()[0]: curve["examples"] for curve in curves} == {
        "baseline:decision-tree": [12, 40],
        "synthesis": [40],
    }


@pytest.mark.usefixtures("prepared")
def test_the_figure_makes_the_searches_too(invoke, tmp_path):
    done = invoke(
        *("figure", "--functions", "fn_a", "fn_g", "--lengths", 20, "--test-size", 40),
        *("--sizes", 40, "--make", "enumerate", "--out-dir", "made", "--plot", "f.svg", "--json"),
    )
    assert done.returncode == 0, done.stderr
    curves = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(c["function"], c["method"].split()[0], c["accuracy"]) for c in curves] == [
        ("fn_a", "enumeration", [1.0]),
        ("fn_g", "enumeration", [1.0]),
    ]
    assert "dashed bound: 10-bit program" in (tmp_path / "f.svg").read_text()
    one = invoke("figure", "made/enumerate-40", "--functions", "fn_g", "--plot", "g.svg", "--json")
    assert [json.loads(line)["function"] for line in one.stdout.splitlines()] == ["fn_g"]
    none = invoke("figure", "made/enumerate-40", "--lengths", 30, "--plot", "g.svg")
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
def test_a_wrong_turn_is_one_sentence_and_exit_2(invoke, arguments, said):
    done = invoke(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_run_without_results_is_left_out_of_others(invoke, searches, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/settings.json").write_text("{}")
    alone = invoke("compare", "begun")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "begun holds no results" in alone.stderr
    done = invoke("compare", *searches, "begun")
    assert done.returncode == 0, done.stderr
    assert "Left out begun, which holds no result yet." in done.stderr
    assert done.stdout == invoke("compare", *searches).stdout
    assert "holds no results" in invoke("compare", *searches, "elsewhere").stderr


def test_results_of_several_sizes_are_left_out_and_not_averaged(invoke, searches, tmp_path):
    search = ("synthesize", "--answers", "llm.json", *SMALL, "--train-size", 10, "--val-size", 10)
    assert invoke(*search, "--out-dir", "sizes/20").returncode == 0
    searches[0].rename(tmp_path / "sizes/40")
    done = invoke("compare", "sizes", "guess", "--json")
    assert done.returncode == 0, done.stderr
    assert "Left out 1 result on data that some method of the task has not seen." in done.stderr
    assert [json.loads(line)["trials"] for line in done.stdout.splitlines()] == [1, 1]
    other = ("enumerate", "--functions", "fn_g", *SMALL[2:], *SIZES, "--out-dir", "other")
    assert invoke(*other).returncode == 0
    both = invoke("compare", "sizes", "other", "--json")
    assert [json.loads(line)["function"] for line in both.stdout.splitlines()] == ["fn_g"]
    said = "the results of synthesis scripted:llm.json are on data of several sizes or kinds"
    assert said in both.stderr
    assert "; they are left out." in both.stderr
    alone = invoke("compare", "sizes", "--table", "t.csv")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "name runs of one setting, or draw the curve of several sizes" in alone.stderr
    assert invoke("figure", "sizes", "--plot", "f.svg").returncode == 0
