"""Every command takes the same names of tasks, by the same flags."""

import json
from pathlib import Path

import pytest

from llm_erm.cli import incontext, synthesize, train
from llm_erm.cli.commands import command, flags_of
from llm_erm.cli.parsing import parse

OWN = """
name = "ends"
kind = "binary"
lengths = (12,)
def rule(x):
    return int(x[0] == x[-1])
def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""
SIZES = ("--train-size", 20, "--val-size", 20, "--test-size", 20)


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return ("--task-file", "own.py")


def test_a_task_has_an_id_and_a_name(invoke):
    folders = [
        invoke("data", "--functions", *names, "--lengths", 12, *SIZES).stdout
        for names in (("fn_a",), ("parity_all",), ("parity_all", "fn_a", "parity_all"))
    ]
    assert folders[0]
    assert len(set(folders)) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("parity_al", "did you mean parity_all (fn_a), parity_rand_3 (fn_e) or "),
        ("Parity-Rand-3", "did you mean parity_rand_3 (fn_e)?"),
        ("FN_G", "did you mean palindrome (fn_g)?"),
        ("fn_z", "choose one of fn_a fn_b "),
        ("xyz", "choose one of fn_a fn_b "),
    ],
)
def test_an_unknown_task_has_similar_names_or_all(invoke, name, said):
    done = invoke("data", "--functions", name)
    assert done.returncode == 2
    assert f"There is no task {name!r}; {said}" in done.stderr
    assert "`llm-erm tasks`" in done.stderr


@pytest.mark.parametrize("functions", [("fn_a",), ("end",), ("fn_a", "palindrome")])
def test_a_task_file_that_would_not_be_used_is_refused(invoke, own, functions):
    done = invoke("data", *own, "--functions", *functions)
    assert done.returncode == 2
    assert "so ends, which own.py defines, would not be used; add ends" in done.stderr
    assert "(--functions or --task-file)" in done.stderr


def test_a_task_file_goes_with_other_tasks(invoke, own):
    flags = ("--lengths", 12, *SIZES, "--json")
    done = invoke("data", *own, "--functions", "ends", "parity_all", *flags)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["function"] for row in rows] == ["ends", "fn_a"]


@pytest.mark.parametrize(
    "name", ["baselines", "data", "enumerate", "figure", "incontext", "synthesize"]
)
def test_every_command_on_data_has_the_same_flags(name):
    kind = flags_of(command(name))
    options = parse(
        kind, ["--functions", "fn_a", "fn_b", "--lengths", "8", "--test-size", "6"], name
    )
    assert (options.functions, options.lengths, options.test_size) == (("fn_a", "fn_b"), (8,), 6)


@pytest.mark.parametrize(
    ("kind", "usual", "published"),
    [
        (train.Options, "--functions a b --lengths 8 9", "--target_func a b --sequence_length 8 9"),
        (train.Options, "--test-size 6", "--test_set_size 6"),
        (train.Options, "--out-dir x", "--results-path x"),
        (incontext.Options, "--max-output-tokens 9", "--max-new-tokens 9"),
        (incontext.Options, "--context-tokens 9", "--max-model-len 9"),
    ],
)
def test_published_flags_are_the_usual_ones_by_another_name(kind, usual, published):
    read = parse(kind, usual.split(), "p")
    assert read == parse(kind, published.split(), "p") != kind()


def test_the_usual_flags_of_tokens_are_those_of_synthesize():
    words = ["--max-output-tokens", "9", "--context-tokens", "8"]
    options = parse(synthesize.Options, words, "p")
    assert (options.max_output_tokens, options.context_tokens) == (9, 8)


def test_train_takes_names(invoke):
    pytest.importorskip("torch", reason="training needs torch")
    done = invoke("train", "--functions", "parity_al", "--lengths", 8)
    assert (done.returncode, "did you mean parity_all (fn_a)" in done.stderr) == (2, True)


def test_runs_are_compared_and_drawn_on_the_tasks_that_are_named(invoke, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    Path(tmp_path / "right.json").write_text(
        json.dumps([json.dumps({"code": "def f(x): return 1"})])
    )
    scripted = ("--provider", "scripted", "--answers", "right.json", "--attempts", 1, *SIZES)
    tasks = ("--functions", "parity_all", "palindrome", "--lengths", 10, 12, "--out-dir", "runs/a")
    assert invoke("synthesize", *scripted, *tasks).returncode == 0

    def points(*words: object) -> list[tuple[str, int]]:
        rows = map(json.loads, invoke(*words, "--json").stdout.splitlines())
        return [(row["function"], row["length"]) for row in rows]

    chosen = ("--functions", "palindrome", "--lengths", 12)
    assert len(points("compare", "runs/a")) == 4
    assert points("compare", "runs/a", *chosen) == [("fn_g", 12)]
    assert points("compare", "runs/a", "--lengths", 10) == [("fn_a", 10), ("fn_g", 10)]
    assert points("figure", "runs/a", *chosen, "--plot", "f.svg") == [("fn_g", 12)]
    for name in ("compare", "figure"):
        missing = invoke(name, "runs/a", "--functions", "dyck2")
        assert missing.returncode == 2
        assert "they are on fn_a fn_g at lengths 10 12" in missing.stderr
        unknown = invoke(name, "runs/a", "--functions", "fn_a", "palindrom")
        assert "did you mean palindrome (fn_g)" in unknown.stderr
