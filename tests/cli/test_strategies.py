"""`llm-erm synthesize` with strategies, prompts and sampling, as typed."""

import csv
import json

import pytest

from llm_erm.cli.main import main

HALF = "def f(x):\n    return 1"
RIGHT = "def f(x):\n    return x.count('1') % 2"
SMALL = ("--functions", "fn_a", "--lengths", "8", "--train-size", "20", "--val-size", "20")
SMALL += ("--test-size", "40")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.json").write_text(json.dumps([HALF, RIGHT]))
    prompts = {
        "short": "{examples}\n{answer}",
        "long": "Inputs are {inputs}.\n{examples}\n{answer}",
    }
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    return tmp_path


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


def search(out, *words):
    return run("synthesize", "--answers", "answers.json", *SMALL, "--out-dir", out, *words)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_refine_shows_the_program_with_its_training_mistakes(folder):
    assert search("a", "--strategy", "refine") == 0
    prompts = lines(folder / "a" / "prompts.jsonl")
    assert [one["index"] for one in prompts] == [1, 2]
    assert "# Earlier proposal" not in prompts[0]["prompt"]
    assert HALF in prompts[1]["prompt"]
    (result,) = lines(folder / "a" / "results.jsonl")
    assert result["facts"]["strategy"] == "refine"
    assert result["facts"]["budget"] == 5
    settings = json.loads((folder / "a" / "settings.json").read_text())["settings"]
    assert settings["strategy"] == "llm_erm.synthesis.strategies.Refinement"


def test_another_strategy_or_prompt_is_another_run(folder, capsys):
    assert search("a") == 0
    assert search("a", "--strategy", "population") == 2
    assert "different: strategy" in capsys.readouterr().err
    assert search("b", "--prompts", "prompts.json") == 0
    (folder / "prompts.json").write_text(json.dumps({"short": "{examples}"}))
    assert search("b", "--prompts", "prompts.json") == 2
    assert "different: long, short" in capsys.readouterr().err.replace("prompts, ", "")


def test_every_prompt_has_its_row_and_its_summary(folder, capsys):
    words = ("--prompts", "prompts.json", "--num-trials", "2", "--out-csv", "a.csv")
    assert search("a", *words) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    place = rows[0].index("prompt")
    assert [row[place] for row in rows[1:]] == ["short", "long", "short", "long"]
    assert "fn_a L=8 with the prompt short: mean test accuracy: 100.0%" in err
    assert "2 trials)" in err
    assert "4 trials" not in err
    with (folder / "a.csv").open() as file:
        attempts = list(csv.DictReader(file))
    assert [one["variant"] for one in attempts] == ["prompt=short"] * 2 + ["prompt=long"] * 2 + [
        "prompt=short"
    ] * 2 + ["prompt=long"] * 2


def test_compare_tells_prompts_and_strategies_apart_and_says_what_feedback_did(folder, capsys):
    assert search("a", "--prompts", "prompts.json") == 0
    assert search("b", "--prompts", "prompts.json", "--strategy", "refine") == 0
    capsys.readouterr()
    assert run("compare", "a", "b") == 0
    out, err = capsys.readouterr()
    for name in ("", " strategy=refine"):
        for prompt in ("short", "long"):
            assert f"\tsynthesis scripted:answers.json{name} prompt={prompt}\t" in out
    said = (
        "scripted:answers.json prompt=short, K = 5, 1 data set: refine is exact on 1, independent"
    )
    assert said in err
    assert "undecided" in err


def test_a_replay_repeats_strategy_and_prompts(folder, capsys):
    assert search("a", "--prompts", "prompts.json", "--strategy", "refine") == 0
    assert run("synthesize", "--provider", "replay", "--from", "a", "--out-dir", "b") == 0
    for name, key in (("prompts", "prompt"), ("results", "program")):
        found = [
            sorted((one.get("job", one).get("variant"), one[key]) for one in lines(place))
            for place in (folder / "a" / f"{name}.jsonl", folder / "b" / f"{name}.jsonl")
        ]
        assert found[0] == found[1]
    words = ("--provider", "replay", "--from", "a", "--strategy", "population")
    assert run("synthesize", *words) == 2
    assert "omit --strategy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategy", "refine"), "name another model"),
        (("--prompts", "prompts.json"), "Answers that are held to the grammar"),
        (("--column-names", "shown"), "Answers that are held to the grammar"),
        (("--temperature", "-1"), "temperature is -1"),
        (("--top-p", "2"), "top_p is 2"),
        (("--strategy", "evolve"), "give independent, refine or population"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, said, capsys):
    assert run("synthesize", *SMALL, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_dry_run_shows_every_prompt(capsys):
    words = ("--prompts", "prompts.json", "--dry-run")
    assert run("synthesize", "--answers", "answers.json", *SMALL, *words) == 0
    out, err = capsys.readouterr()
    assert out.count("Inputs are a string of 8 binary digits") == 1
    assert out.count(" -> ") == 40
    assert "fn_a L=8 prompt=long: up to 5 calls with this prompt" in err
    assert "Up to 10 calls" in err


def test_a_dry_run_says_that_later_prompts_are_longer(capsys):
    words = ("--strategy", "refine", "--dry-run")
    assert run("synthesize", "--answers", "answers.json", *SMALL, *words) == 0
    assert "Later prompts also show earlier programs" in capsys.readouterr().err


def test_the_embedded_model_samples_as_it_is_told(folder):
    """At temperature 0, all of its proposals are the same."""
    words = ("--attempts", "4", "--temperature", "0", "--no-early-stop", "--out-dir", "a")
    assert run("synthesize", "--provider", "local", *SMALL, *words) == 0
    texts = [one["answer"]["text"] for one in lines(folder / "a" / "answers.jsonl")]
    assert len(texts) == 4
    assert len(set(texts)) == 1
